"""What a reader of a page or of its print needs: verdicts in sight, one sign, tables that are not folded."""

import re

import pytest

from driftline.report import (
    render_certification,
    render_comparison,
    render_config_comparison,
    render_html,
    render_plan,
    render_repair,
    render_weight_diff,
)
from driftline.report.charts import WIDE, decision_points
from driftline.report.charts._training import training_chart
from driftline.report.tables import columns, table
from driftline.results.readings import in_points

from ...results.certification_sample import build_certification
from ...results.comparison_sample import build_comparison, build_config_comparison
from ...results.plan_sample import build_plan
from ...results.repair_sample import build_repair
from ..diff_sample import build_diff
from ..sample import build
from .test_assessment import Page
from .test_training_run import sample


def folded(html):
    """Map the summary of each folded part to whether a print leaves it out."""
    parts = re.findall(r"<details([^>]*)><summary>([^<]*)", html)
    return [(words, "unprinted" in attributes) for attributes, words in parts]


def test_a_print_opens_what_a_signer_needs_and_leaves_long_diagnostics_out():
    left_out = dict(folded(render_html(build())))
    assert left_out["All scores"] is False
    assert left_out["Digests, packages, numerics and seed"] is False
    assert left_out["The whole config"] is False
    assert left_out["Drift, divergence and geometry, layer by layer"] is True
    assert left_out["Curves along training"] is True
    css = render_html(build()).split("@media print {", 1)[1]
    assert "details:not(.unprinted)::details-content { content-visibility: visible; }" in css


@pytest.mark.parametrize(("num_trials", "is_left_out"), [(4, False), (30, True)])
def test_a_long_folded_table_is_not_printed(num_trials, is_left_out):
    plan = build_plan()
    trials = tuple(plan.trials[0] for _ in range(num_trials))
    assert ("All trials", is_left_out) in folded(render_plan(build_plan(trials=trials)))


def test_a_fall_has_one_sign_on_the_page_of_configs():
    text = Page(render_config_comparison(build_config_comparison())).text
    assert "gentle.yaml french lost 2.87 −0.204 −0.261 to −0.147 −0.100 nats" in text
    assert "Where lower values are better, a rise is shown as a fall." in text


def test_a_fall_has_one_sign_on_the_page_of_checkpoints():
    text = Page(render_comparison(build_comparison())).text
    assert re.search(r"checkpoint-100 bad\S*name inconclusive 0.900 −0.250 −0.0200", text)
    assert "+0.250" not in text


@pytest.mark.parametrize(
    ("render", "document", "row"),
    [
        (render_certification, build_certification(), "facts retained 1,200"),
        (render_repair, build_repair(), "facts retained 60"),
    ],
)
def test_a_verdict_comes_before_the_numbers(render, document, row):
    assert row in Page(render(document)).text


def test_claims_without_a_common_p_value_say_so():
    claim = build_certification().suite_claim.model_copy(update={"pvalue": None})
    made = build_certification().model_copy(update={"suite_claim": claim})
    text = Page(render_certification(made)).text
    assert "p = –" not in text
    assert "together: no p-value, because at least one of them has none" in text


def test_a_column_of_remarks_is_left_out_where_there_is_none():
    heads = columns("name; note")
    assert table(heads, [("a", ""), ("b", "")]).titles == ("name",)
    assert table(heads, [("a", ""), ("b", "late")]).titles == ("name", "note")
    assert "note" not in re.findall(r"<th[^>]*>([^<]*)", render_weight_diff(build_diff()))


def test_a_run_that_is_lost_is_not_drawn_as_undecided():
    (point,), _ = decision_points(in_points(build()))
    assert point.is_beyond
    assert "beyond what is accepted" in Page(render_html(build())).text


def test_a_solid_bar_has_a_solid_mark_in_its_key():
    html = render_html(build())
    assert '<span class="mark vermilion area" aria-hidden="true"></span>overdrawn' in html
    assert '<span class="mark green pale"' in html
    assert ".mark.area, .mark.tint, .mark.pale { height: 11px; background: currentColor; }" in html


def test_the_caption_of_the_envelope_agrees_with_its_region():
    assert "No rate of this chart is safe" not in Page(render_html(build())).text


def test_steps_are_whole_on_the_axis_of_a_training_run():
    run = sample()
    axis = training_chart(run, WIDE).to_dict()["layer"][0]["encoding"]["x"]["axis"]
    assert axis["format"] == "d"
    assert axis["tickCount"] <= run.checks[-1].step - run.checks[0].step


def test_a_reason_for_missing_margins_is_said_once_below_the_table():
    text = Page(render_html(build())).text
    reason = "the tolerance is not reached within the 72 steps that were measured."
    assert text.count(reason) == 1
    assert "– code, commonsense_pairs, english_text, grammar_pairs, induction" in text


@pytest.mark.parametrize(
    ("render", "document"),
    [
        (render_comparison, build_comparison()),
        (render_config_comparison, build_config_comparison()),
    ],
)
def test_the_numbers_of_a_comparison_stand_on_the_page_once(render, document):
    assert "The numbers of this chart" not in render(document)
    assert Page(render(document)).text.count("worst change, tolerances") == 1


@pytest.mark.parametrize(("num", "said"), [(4, "1 more caveat of"), (6, "3 more caveats of")])
def test_caveats_beyond_the_third_are_counted(num, said):
    own = tuple(f"Only in this run: {n}." for n in range(num))
    page = render_html(build().model_copy(update={"caveats": own}))
    assert said in page
