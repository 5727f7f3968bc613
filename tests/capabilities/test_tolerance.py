"""Tolerances as people write them."""

import math

import pytest

from driftline.capabilities._tolerance import read_tolerance
from driftline.errors import SuiteError


@pytest.mark.parametrize(
    ("written", "metric", "tolerance"),
    [
        (0.25, "margin_nats", 0.25),
        ("0.25", "margin_nats", 0.25),
        ("5%", "nll_nats", math.log(1.05)),
        ("12.5 %", "nll_nats", math.log(1.125)),
        ("0.05", "nll_nats", 0.05),
        ("3 points", "probability", 0.03),
        ("1 point", "accuracy", 0.01),
        ("2.5points", "exact_match", 0.025),
        (0.03, "probability", 0.03),
    ],
)
def test_what_is_read(written, metric, tolerance):
    assert read_tolerance(written, metric) == pytest.approx(tolerance)


@pytest.mark.parametrize(
    ("written", "metric", "message"),
    [
        ("5%", "margin_nats", "is not for margin_nats, whose unit is nats; write a number"),
        ("5%", "probability", "write a number, or points such as 3 points"),
        ("3 points", "nll_nats", "or per cent of perplexity such as 5%"),
        ("3 points", "margin_nats", "is not for margin_nats"),
        ("little", "probability", "'little' is no number"),
        ("-3 points", "probability", "is no number"),
        ("", "nll_nats", "is no number"),
        ("nan", "nll_nats", "is no number"),
    ],
)
def test_what_is_refused_with_its_mend(written, metric, message):
    with pytest.raises(SuiteError, match=message):
        read_tolerance(written, metric)
