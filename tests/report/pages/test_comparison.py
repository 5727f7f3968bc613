"""The pages of comparisons: their numbers, and a chart with and without gains."""

import pytest

from driftline.report import render_comparison, render_config_comparison

from ...results.comparison_sample import (
    build_comparison,
    build_config_comparison,
    checkpoint,
    planned,
)
from .test_assessment import Page


def test_a_page_of_checkpoints_shows_each_with_its_reason_and_the_history():
    text = Page(render_comparison(build_comparison())).text
    assert "take checkpoint-100: it keeps every required capability and gains" in text
    for row in ("checkpoint-100", "checkpoint-200", "checkpoint-300"):
        assert row in text
    assert "checkpoint-300 is lost: lost beyond the tolerance: facts" in text
    assert "was at step 150, which was never saved" in text
    assert "1 of 3" in text


@pytest.mark.parametrize("has_gain", [True, False])
def test_the_chart_shows_every_checkpoint(has_gain):
    html = render_comparison(build_comparison(has_gain=has_gain))
    svg = html.split("<svg", 1)[1].split("</svg>")[0]
    for label in ("checkpoint-100", "checkpoint-200", "checkpoint-300"):
        assert label in svg
    assert ("gain on the target" in svg) == has_gain


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verdict": "fail", "recommended": None}, "each of 3 checkpoints lost"),
        ({"verdict": "inconclusive", "recommended": None}, "score more items"),
        (
            {"checkpoints": (checkpoint(100), checkpoint(200)), "recommended": "checkpoint-200"},
            "gains most of those that do, +0.200",
        ),
        (
            {"checkpoints": (checkpoint(-100),), "recommended": "checkpoint--100"},
            "but it gains nothing on the target",
        ),
    ],
)
def test_the_headline_says_what_to_take_or_why_none(fields, said):
    assert said in Page(render_comparison(build_comparison(**fields))).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "take gentle.yaml: it is forecast to be safe and gains most (+0.500 nats a token)"),
        ({"verdict": "fail", "recommended": None}, "each config is forecast to be unsafe"),
        ({"verdict": "inconclusive", "recommended": None}, "no config is forecast to be safe"),
    ],
)
def test_a_page_of_configs_shows_each_and_when_it_dropped_out(fields, said):
    text = Page(render_config_comparison(build_config_comparison(**fields))).text
    assert said in text
    assert "dropped out after round 1" in text
    assert "rough.yaml" in text


def test_configs_of_a_base_that_has_nothing_required_have_no_worst_capability():
    undefined = (
        "worst_capability",
        "worst_loss",
        "worst_low",
        "worst_high",
        "largest_probability_lost",
    )
    nothing = {"verdict": "inconclusive", **dict.fromkeys(undefined)}
    configs = tuple(planned(name, **nothing) for name in "ab")
    found = build_config_comparison(
        configs=configs, safest="a", recommended=None, verdict="inconclusive"
    )
    html = render_config_comparison(found)
    assert "<svg" not in html
    text = Page(html).text
    assert "not shown by the base" in text
    assert "its worst change" not in text
    assert "give items that it can answer" in text


def test_a_config_without_a_gain_is_drawn_too():
    configs = tuple(planned(name, gain=None, gain_low=None, gain_high=None) for name in "ab")
    found = build_config_comparison(configs=configs, safest="a", recommended="a")
    svg = render_config_comparison(found).split("<svg", 1)[1].split("</svg>")[0]
    assert "predicted gain" not in svg
