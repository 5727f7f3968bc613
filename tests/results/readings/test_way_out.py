"""The items that a claim is said to need show it to be kept as often as is said."""

import numpy
import pytest

from driftline.results.readings import more_items, way_out
from driftline.stats import bounded_noninferiority
from tests.results.certification_sample import build_certification

MARGIN = 0.05


def claim_of(changes):
    test = bounded_noninferiority(changes, margin=MARGIN, bounds=(-1.0, 1.0))
    changed = {
        "num_items": len(changes), "num_groups": len(changes), "change": float(changes.mean()), "margin": MARGIN,
        "low": test.low, "high": test.high, "loss_limit": -test.low, "verdict": test.verdict,
    }  # fmt: skip
    return build_certification().claims[0].model_copy(update=changed)


def drawn(num, mean, seed):
    return numpy.clip(numpy.random.default_rng(seed).normal(mean, 0.25, num), -1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("mean", [-0.01, 0.0, -0.025])
def test_so_many_items_show_it_as_often_as_is_said(mean):
    first = drawn(120, 0.0, 0)
    claim = claim_of(first - first.mean() + mean)
    assert claim.verdict == "inconclusive"
    num = claim.num_items + more_items(claim)
    kept = [
        bounded_noninferiority(drawn(num, mean, seed), margin=MARGIN, bounds=(-1.0, 1.0)).verdict
        == "non_inferior"
        for seed in range(1, 41)
    ]
    assert 0.7 <= numpy.mean(kept) <= 1.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"change": -0.06, "loss_limit": 0.1}, "more items would rather show a loss"),
        (
            {"change": 0.0, "loss_limit": 0.04, "reason": "the base guesses"},
            "facts: the base guesses.",
        ),
        ({"change": 0.0, "loss_limit": None, "reason": "no test"}, "facts: no test."),
    ],
)
def test_where_items_would_not_help_the_reason_is_given(changes, said):
    claim = build_certification().claims[0]
    open_ = claim.model_copy(update={"verdict": "inconclusive", "margin": MARGIN, **changes})
    assert said in way_out(open_)
    assert more_items(open_) is None


def test_a_settled_claim_needs_nothing():
    assert (
        way_out(build_certification().claims[0].model_copy(update={"verdict": "inferior"})) is None
    )
