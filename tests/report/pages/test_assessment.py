from html.parser import HTMLParser

import pytest

from driftline.report import render_html

from ..sample import IMAGE, SCRIPT, UNREACHED, build

VOID = {"meta", "br", "img", "link", "input", "hr"}
LOADING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}
HEADINGS = [
    "Decision",
    "V1 Observed phenomenon",
    "V2 Structural cause",
    "V3 Stability margins",
    "V4 Decision in detail",
    "Caveats",
    "Cost",
    "Provenance",
]


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text, and whether tags nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts, self.headings = [], [], [], [], []
        self.styles = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value) for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "h2":
            self.headings.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if "style" in self.open else self.texts).append(data)
        if "h2" in self.open:
            self.headings[-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def html(assessment):
    return render_html(assessment)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.fixture(scope="module")
def empty(assessment):
    nothing = {"scores": (), "margins": (), "forecast": (), "fragility": (), "caveats": ()}
    bare = assessment.provenance.model_copy(
        update={"data": None, "config": None, "config_values": {}, "suites": ()}
    )
    none = {"verdict": None, "reasons": (), "target": None, "belief_space": None, "envelope": None}
    none["provenance"] = bare
    return assessment.model_copy(update={**nothing, **none})


@pytest.fixture(scope="module")
def empty_page(empty):
    return Page(render_html(empty))


def test_it_parses_and_every_tag_is_closed(page):
    assert page.open == []
    assert page.tags[:2] == ["html", "head"]


def test_the_parts_come_in_the_order_of_a_decision(page):
    assert page.headings == HEADINGS


def assert_inert(page):
    """It loads nothing and runs nothing."""
    forbidden = {"script", "img", "link", "iframe", "object", "embed", "base", "form", "image"}
    assert not forbidden & set(page.tags)
    for tag, key, value in page.attributes:
        # A table of contents leads to places of this page and to no other.
        assert key not in LOADING or (tag, key, value[:1]) == ("a", "href", "#"), (tag, key, value)
        assert not key.startswith("on"), (tag, key)
        assert key.startswith("xmlns") or "://" not in (value or ""), (tag, key)
        assert "url(" not in (value or "") or value.startswith("url(#"), (tag, key)
    styles = "".join(page.styles)
    assert "url(" not in styles
    assert "@import" not in styles
    assert "@font-face" not in styles


def test_it_loads_nothing_and_runs_nothing(page):
    assert_inert(page)
    policy = next(value for _, key, value in page.attributes if key == "content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_there_is_no_nan_and_no_none(page):
    for word in ("NaN", "nan", "None", "Infinity", "inf"):
        assert word not in page.text.replace("(", " ").replace(")", " ").split()


def test_ids_are_unique_and_references_resolve(html, page):
    ids = [value for _, key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    referred = {part.split(")")[0] for part in html.split("url(#")[1:]}
    assert referred
    assert referred <= set(ids)


def test_every_chart_has_words_and_numbers(page):
    labels = [value for tag, key, value in page.attributes if (tag, key) == ("svg", "aria-label")]
    roles = [value for tag, key, value in page.attributes if (tag, key) == ("svg", "role")]
    # Folded diagnostics are drawn once, the others for a wide and a narrow screen.
    assert len(labels) == len(roles) == page.tags.count("svg") == 8 + 5
    assert set(roles) == {"img"}
    assert all(len(label) > 40 for label in labels)
    assert page.text.count("The numbers of this chart") == 7
    assert any("world_facts, -0.312 nats" in label for label in labels)


def test_the_header_says_the_decision(page, assessment):
    head = page.text[: page.text.index("Gain against loss")]
    assert "UNSAFE" in head
    assert "2 of 8 required capabilities are forecast to lose more than you accept" in head
    assert "world_facts changes by −0.312 nats" in head
    assert "3.1 times the 0.100 that you accept" in head
    assert "Lower the learning rate to 6.6e−5: P of any loss = 0.09" in head
    assert "smollm2-135m" in head
    assert "learning_rate 0.0002 · max_steps 60" in head
    assert "2026-02-03 10:21:07 UTC" in head


def test_a_loss_is_a_fall_with_its_unit(page):
    assert "world_facts lost 2.41 −0.312 −0.381 to −0.243 −0.100 nats >0.99" in page.text
    assert "french lost 2.87 −0.204 −0.261 to −0.147 −0.100 nats >0.99" in page.text


def test_bounds_are_the_tightest_over_the_required_capabilities(page):
    decision = page.text[page.text.rindex("V4 Decision") :]
    assert "optimiser steps at this learning rate 24.1 19.8 world_facts" in decision
    assert "learning rate for these steps 8.05e−5 6.6e−5 world_facts" in decision
    assert "relative norm along worst_case 0.00290 – world_facts" in decision


@pytest.mark.slow
def test_a_watched_capability_sets_no_bound(assessment):
    watched = tuple(
        value.model_copy(update={"required": False}) if value.capability == "world_facts" else value
        for value in assessment.scores
    )
    forecast = tuple(
        value.model_copy(update={"required": False}) if value.capability == "world_facts" else value
        for value in assessment.forecast
    )
    changed = {"scores": watched, "forecast": forecast, "fragility": ()}
    text = Page(render_html(assessment.model_copy(update=changed))).text
    assert "optimiser steps at this learning rate 33.9 27.8 french" in text


def test_what_is_undefined_is_a_dash_with_its_reason(page):
    assert "– at least 72.0 – – – – 0.100 nats" in page.text
    assert f": {UNREACHED}." in page.text
    assert "– The capability's scorer has no accuracy, or no chance level." in page.text


def test_the_belief_space_is_said_in_words_and_numbers(page):
    assert "Representation and output at 256 tokens of 40 texts of the suite" in page.text
    assert "noise: output first, at norm 0.0550 (representation at 0.131)" in page.text
    assert "Output: a knee at 0.0370 (interval at least 0.0210), 3.20" in page.text
    assert "the output's drift stays below 0.1 up to 12" in page.text
    assert "both count as a deviation" in page.text
    # The last norm: KL (6 * 0.16)^2, and the layer that is least like the base.
    assert "noise 0.160 0.922 1.01 0.602" in page.text


def test_caveats_cost_and_provenance_are_there(page, assessment):
    for caveat in assessment.caveats:
        assert caveat in page.text
    assert "1,204,311 tokens forward" in page.text
    assert assessment.provenance.model.digest in page.text
    assert assessment.provenance.command in page.text
    assert "trl 1.10.0" in page.text


@pytest.mark.slow
def test_two_renders_are_equal(html, assessment):
    assert render_html(type(assessment).from_json(assessment.to_json())) == html


@pytest.mark.slow
def test_hostile_text_is_escaped_everywhere(page):
    hostile = f"{SCRIPT}{IMAGE}'"
    html = render_html(build({"world_facts": SCRIPT, "french": IMAGE}, text=hostile))
    calm, page = page, Page(html)
    assert "<script" not in html.lower()
    assert "<img" not in html.lower()
    assert sorted(set(page.tags)) == sorted(set(calm.tags))
    assert {key for _, key, _ in page.attributes} == {key for _, key, _ in calm.attributes}
    assert page.headings == HEADINGS
    assert page.open == []
    assert page.text.count(SCRIPT) > 20
    assert page.text.count(IMAGE) > 20


def test_text_that_looks_like_a_template_is_shown_as_it_is():
    named = build({"code": "{{ 7 * 7 }}{% raw %}"})
    html = render_html(named.model_copy(update={"margins": (), "fragility": ()}))
    assert "{{ 7 * 7 }}{% raw %}" in Page(html).text


@pytest.mark.parametrize(
    "sentence",
    [
        "The forecast was not computed: driftline forecast does that.",
        "The forecast, which says what is preserved, was not computed: driftline forecast does",
        "The fragility map was not computed: driftline map does that.",
        "The belief space was not computed: driftline margin does that.",
        "The margins were not computed: driftline margin does that.",
        "The bounds were not computed: driftline margin does that.",
        "No capability was scored. driftline score does that.",
    ],
)
def test_a_part_that_was_not_computed_names_its_command(page, empty_page, sentence):
    assert sentence in empty_page.text
    assert sentence not in page.text


def test_one_kind_of_margin_names_the_command_for_the_other(assessment):
    bare = assessment.model_copy(update={"forecast": (), "fragility": ()})
    radii = tuple(m for m in assessment.margins if m.kind == "radius")[:1]
    text = Page(render_html(bare.model_copy(update={"margins": radii}))).text
    assert "The path margin was not computed: driftline margin does that." in text
    unused = tuple(
        m.model_copy(update={"used_fraction": None}) for m in assessment.margins if m.kind == "path"
    )[:1]
    text = Page(render_html(bare.model_copy(update={"margins": unused}))).text
    assert "The radius was not computed: driftline margin does that." in text


def test_an_empty_assessment_is_a_page_without_a_verdict(empty_page):
    assert empty_page.headings == HEADINGS
    assert "svg" not in empty_page.tags
    assert "badge unsafe" not in [v for _, key, v in empty_page.attributes if key == "class"]
    assert "config – none was given" in empty_page.text
    assert "This document does not judge a config." in empty_page.text


@pytest.mark.parametrize("verdict", ["safe", "unsafe", "inconclusive"])
def test_the_verdict_is_a_word(empty, verdict):
    page = Page(render_html(empty.model_copy(update={"verdict": verdict})))
    assert page.text.startswith(f"{verdict.upper()}: smollm2-135m")
    assert f"badge {verdict}" in [value for _, key, value in page.attributes if key == "class"]
    assert ("This is not a pass." in page.text) == (verdict == "inconclusive")


def test_capabilities_of_two_units_get_two_charts(assessment):
    first, *rest = assessment.forecast
    other = first.model_copy(update={"unit": "fraction", "metric": "accuracy"})
    two = {"forecast": (other, *rest), "margins": (), "fragility": (), "belief_space": None}
    page = Page(render_html(assessment.model_copy(update=two)))
    # Of the decision, of the envelope, and of each unit: wide and narrow.
    assert page.tags.count("svg") == 8


@pytest.mark.slow
def test_a_worst_case_without_a_number_says_why_and_has_no_curve(assessment):
    reason = "the base is quantised (4-bit nf4), and packed weights have no gradient"
    margins = tuple(
        m.model_copy(
            update={
                "critical_relative_norm": None, "low": None, "high": None,
                "num_directions": None, "reason": reason, "curve": (),
            }
        )
        if m.direction == "worst_case"
        else m
        for m in assessment.margins
    )  # fmt: skip
    page = Page(render_html(assessment.model_copy(update={"margins": margins})))
    assert reason in page.text
    assert page.open == []
    assert "worst_case" in page.text
