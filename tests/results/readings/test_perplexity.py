"""Changes in nats per token as per cent of perplexity, wherever people read them."""

import math

import pytest

from driftline.capabilities._tolerance import read_tolerance
from driftline.metrics import METRICS, has_perplexity, nats_of_rise, perplexity_rise
from driftline.results import rise_text
from driftline.results.readings._perplexity import (
    PerplexityRow,
    interval_with_rise,
    perplexity_lines,
    with_perplexity,
    with_rise,
)

NATS = METRICS["nll_nats"].unit


@pytest.mark.parametrize("rise", [-0.5, 0.0, 0.005, 0.05, 1.0, 30.0])
def test_one_conversion_and_its_inverse(rise):
    assert perplexity_rise(nats_of_rise(rise)) == pytest.approx(rise)
    assert 8 * (1 + rise) == pytest.approx(math.exp(math.log(8) + nats_of_rise(rise)))


@pytest.mark.parametrize("share", ["0.5%", "5%", "50%"])
def test_a_tolerance_is_shown_as_it_was_written(share):
    assert rise_text(read_tolerance(share, "nll_nats")) == f"+{share}"


@pytest.mark.parametrize(
    ("nats", "text"),
    [
        (0.0, "0%"),
        (math.log(2), "+100%"),
        (-math.log(2), "-50%"),
        (math.log(21), "x21.0"),
        (1e6, "x1.01e304"),
    ],
)
def test_small_changes_are_per_cent_and_large_ones_factors(nats, text):
    assert rise_text(nats) == text


@pytest.mark.parametrize("metric", [m for m in METRICS if m != "nll_nats"])
def test_other_units_have_no_perplexity(metric):
    unit = METRICS[metric].unit
    assert not has_perplexity(unit)
    assert with_rise("1", unit, 1.0) == with_perplexity("1", unit, 1.0) == "1"
    assert interval_with_rise("[0, 1]", unit, 0.0, 1.0) == "[0, 1]"
    assert perplexity_lines([PerplexityRow("a", unit, 1.0, 0.1)]) == []


def test_a_sentence_says_all_that_is_known():
    row = PerplexityRow("text", NATS, math.log(20), 0.0953, -0.01, 0.2, 0.0488)
    (line,) = perplexity_lines([row])
    assert line == (
        "perplexity of text: base 20.0, change +10%, interval -1% to +22%, tolerance +5%"
    )
    (line,) = perplexity_lines([row._replace(low=None)])
    assert "at most +22%" in line
    assert interval_with_rise("at least 1", NATS, 0.01, None) == "at least 1 (+1% to –)"
