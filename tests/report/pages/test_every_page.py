"""Rules that every page keeps: one order of sections, headings in order, a key for every colour."""

import functools
import itertools
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from driftline.questions.finished_runs._two_runs import two_runs
from driftline.report import (
    render_certification,
    render_comparison,
    render_config_comparison,
    render_html,
    render_plan,
    render_repair,
    render_run_comparison,
    render_scores,
    render_training_run,
    render_weight_diff,
)
from driftline.report.charts import PALETTE, palette_css
from driftline.results import ModuleFragility, Scores

from ...results.certification_sample import build_certification
from ...results.comparison_sample import build_comparison, build_config_comparison
from ...results.plan_sample import build_plan
from ...results.repair_sample import build_repair
from ..diff_sample import build_diff
from ..sample import IMAGE, SCRIPT, build
from .test_assessment import Page, assert_inert
from .test_training_run import sample

SVG = "{http://www.w3.org/2000/svg}"
ORDER = ["decision", "v1", "v2", "v3", "v4", "caveats", "cost", "provenance"]
NEUTRAL = {"ink", "grey", "grid", "axis", "paper"}


def build_scores(text=""):
    assessment = build(text=text)
    return Scores(
        scores=assessment.scores, cost=assessment.cost, caveats=(f"A caveat.{text}",),
        provenance=assessment.provenance,
    )  # fmt: skip


def named_certification(text=""):
    made = build_certification()
    claims = tuple(c.model_copy(update={"capability": text + c.capability}) for c in made.claims)
    return made.model_copy(update={"claims": claims})


def named_run(text=""):
    return sample(caveats=(f"A caveat.{text}",), reasons=(f"step 4{text}",))


def build_run_comparison(text=""):
    return two_runs((f"a{text}", build(text=text)), (f"b{text}", build()))


PAGES = {
    "assess": (render_html, lambda text="": build(text=text)),
    "certify": (render_certification, named_certification),
    "comparison": (render_comparison, build_comparison),
    "configs": (render_config_comparison, build_config_comparison),
    "score": (render_scores, build_scores),
    "train": (render_training_run, named_run),
    "plan": (render_plan, build_plan),
    "repair": (render_repair, build_repair),
    "diff": (render_weight_diff, build_diff),
    "report": (render_run_comparison, build_run_comparison),
}
every_page = pytest.mark.parametrize(("render", "build"), PAGES.values(), ids=PAGES)


@functools.cache
def page_of(render, build):
    """A page of plain names, which several tests read; to draw one takes up to three seconds."""
    return render(build())


class Outline(HTMLParser):
    """Headings, sections and links, with the charts and their keys."""

    def __init__(self, text):
        super().__init__()
        self.levels, self.ids, self.links, self.marks = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
            if tag == "h2":
                self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"].removeprefix("#"))
        if tag == "span" and (values.get("class") or "").startswith("mark "):
            self.marks.append(values["class"].split()[1])


@every_page
def test_it_loads_nothing_and_runs_nothing(render, build):
    assert_inert(Page(page_of(render, build)))


@pytest.mark.slow
@every_page
@pytest.mark.parametrize("hostile", [SCRIPT, IMAGE, "]]><b>", "\x1b[31m"])
def test_hostile_names_are_text(render, build, hostile):
    html = render(build(hostile))
    page = Page(html)
    assert page.open == []
    assert not {"script", "img", "b"} & set(page.tags)
    assert "\x1b" not in html
    if hostile == SCRIPT:
        assert SCRIPT in page.text


@every_page
def test_equal_documents_make_equal_pages(render, build):
    assert render(build()) == page_of(render, build)


@every_page
def test_sections_come_in_one_order_and_the_contents_lead_to_them(render, build):
    outline = Outline(page_of(render, build))
    assert [each for each in ORDER if each in outline.ids] == outline.ids
    assert {"decision", "v1", "caveats", "cost", "provenance"} <= set(outline.ids)
    assert list(dict.fromkeys(outline.links)) == outline.ids


@every_page
def test_headings_leave_no_level_out(render, build):
    levels = Outline(page_of(render, build)).levels
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def figures_of(html):
    return re.findall(r"<figure>.*?</figure>", html, re.DOTALL)


@every_page
def test_every_colour_of_a_chart_is_of_the_palette_and_in_its_key(render, build):
    names = {light.lower(): name for name, (light, _) in PALETTE.items()}
    for figure in figures_of(page_of(render, build)):
        used = set()
        for text in re.findall(r"<svg.*?</svg>", figure, re.DOTALL):
            for element in ElementTree.fromstring(text).iter():
                shown = (element.get("fill"), element.get("stroke"))
                used |= {value.lower() for value in shown if value} - {"none", "transparent"}
        assert used <= set(names), "a colour without a value in the dark"
        keyed = set(Outline(figure).marks)
        assert {names[value] for value in used} - NEUTRAL <= keyed


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", sorted(set(PALETTE) - {"grid", "paper"}))
@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_graphics_have_a_contrast_of_three_to_one(name, side):
    pair = sorted((luminance(PALETTE[name][side]), luminance(PALETTE["paper"][side])))
    assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3


def test_every_colour_has_a_rule_for_the_dark():
    css = palette_css()
    for name, (light, dark) in PALETTE.items():
        assert f"--{name}: {dark}" in css
        assert f'.chart [fill="{light}" i]' in css
        assert f'.chart [stroke="{light}" i]' in css


def test_a_large_assessment_is_below_a_megabyte():
    made = build()
    roles = ("q", "k", "v", "o", "gate", "up", "down")
    names = [f"{f.capability}_{index}" for index in range(2) for f in made.forecast][:18]
    rows = tuple(
        ModuleFragility(
            module=f"model.layers.{layer}.{role}",
            layer=layer,
            role=role,
            capability=name,
            sensitivity=0.001 * (layer + place),
            unit="nats per unit of relative update",
            low=-0.1,
            high=0.2,
            rank=1 + layer,
            relative_norm=0.002,
            num_parameters=4,
        )
        for place, name in enumerate(names)
        for layer in range(30)
        for role in roles
    )
    html = render_html(made.model_copy(update={"fragility": rows}))
    assert len(html.encode()) < 1_000_000


def test_items_that_flipped_stand_side_by_side():
    text = Page(render_certification(build_certification())).text
    assert "item before (base) after (tuned)" in text
    assert "gained won ' Bern' ' Rome'" in text


def test_an_open_claim_has_a_way_out():
    claim = build_certification().claims[0]
    near = {"verdict": "inconclusive", "loss_limit": 0.03, "low": -0.03, "reason": "too few items"}
    text = Page(render_certification(build_certification(claim.model_copy(update=near)))).text
    # (1.512 * 0.025 / 0.015)^2 times the 1,200 items that there are.
    assert (
        "facts: about 6,418 more items in the claim would show it to be kept, with a chance of 80%"
        in text
    )
    beyond = {**near, "change": -0.021}
    text = Page(render_certification(build_certification(claim.model_copy(update=beyond)))).text
    assert "more items would rather show a loss" in text


@pytest.mark.parametrize("name", ["assess", "comparison", "configs", "plan", "repair", "train"])
def test_the_decision_ends_with_the_next_command(name):
    page = page_of(*PAGES[name])
    decision = page[page.index('id="decision"') : page.index('class="of-run"')]
    assert "<strong>Do:</strong>" in decision
    assert "<strong>Next:</strong> <code>driftline " in decision


@pytest.mark.parametrize("name", ["comparison", "configs"])
def test_a_comparison_says_its_worst_change_as_a_fall(name):
    page = page_of(*PAGES[name])
    assert 'class="lost-words"' in page
    assert "worst loss, tolerances" not in page
    assert "worst change, tolerances" in page
    tiles = re.findall(r'class="value">([^<]*)<', page)
    assert not [value for value in tiles if value.startswith("-")]
