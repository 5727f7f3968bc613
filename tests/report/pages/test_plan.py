"""The page of a plan."""

import pytest

from driftline.report import render_plan

from ...results.plan_sample import BASE, build_plan, look
from .test_assessment import Page


@pytest.fixture(scope="module")
def html():
    return render_plan(build_plan())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_is_one_page_whose_tags_nest(html, page):
    assert html.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert page.headings == [
        "Decision",
        "V1 Observed phenomenon",
        "V2 Structural cause",
        "V3 Stability margins",
        "V4 Decision in detail",
        "Caveats",
        "Cost",
        "Provenance",
    ]


def test_it_shows_the_numbers(page):
    for part in (
        "INCONCLUSIVE",
        "full fine-tuning",
        "protocol.yaml",
        "kl_to_base",
        "The target on 64 rows that were neither trained on nor chose: 4.00 nats per token",
        "dropped: no worse without it",
        "after 12 of 60 steps",
        "without: KL to the base",
        "310,000 of 400,000 tokens",
        "model.layers.0.mlp.up_proj",
        "driftline/plan/1",
    ):
        assert part in page.text, part
    assert page.tags.count("svg") == 6


def test_a_page_of_a_plan_that_found_nothing():
    why = "no protocol that was tried gains anything"
    plan = build_plan(
        verdict="fail", reasons=(why,), protocol=None, chosen=BASE, files=(), ablation=(),
        claims=(), margins_left=(),
    )  # fmt: skip
    found = Page(render_plan(plan))
    assert f"No protocol: {why}." in found.text
    assert "What each lever gained" not in found.headings
    assert "NaN" not in found.text


def test_scales_of_parts_have_a_table_where_there_are_any(page):
    assert "Scales of parts" not in page.text
    chosen = look(parts={"layers 0-1 MLP": 0.25, "head": 1.0})
    text = Page(render_plan(build_plan(chosen=chosen, looks=(BASE, chosen)))).text
    assert "Scales of parts" in text
    assert "layers 0-1 MLP" in text
    assert "in parts" in text
