"""What is said of a plan, from what unseen items say."""

from types import SimpleNamespace

import pytest

from driftline.analyses.planning._plan_document import (
    PlanOutcome,
    items_to_show,
    judge,
    verdict_of,
)
from driftline.analyses.planning._protocol_looks import ProtocolEvaluation
from driftline.analyses.search import Loss
from driftline.capabilities import Capability, Passage
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term

POINT = Point("tuned", (Term(NoiseDirection(0), 1.0),))
NUM = 120


def _capability(name, **fields):
    items = tuple(Passage(id=f"{name}{i}", text=f"{name} {i}") for i in range(NUM))
    return Capability(name, "perplexity", "nll_nats", 0.5, items, score_range=(2.0, 5.0), **fields)


TEXTS, TARGET = _capability("texts"), _capability("target", required=False)


def _judged(rise, gain):
    rows = {}
    for capability, change in ((TEXTS, rise), (TARGET, -gain)):
        base = tuple(3.0 + 0.01 * (i % 7) for i in range(NUM))
        after = tuple(b + change + 0.02 * (i % 3 - 1) for i, b in enumerate(base))
        rows[BASE.digest(), capability.digest] = StoredScores({"nll_nats": base}, 1)
        rows[POINT.digest(), capability.digest] = StoredScores({"nll_nats": after}, 1)
    return judge(Table(rows), POINT, capabilities=[TEXTS], target=TARGET, alpha=0.05, seed=0)


def test_the_margin_left_is_by_the_standard_error_and_the_claim_keeps_its_wider_limit():
    found = _judged(0.2, 1.0)
    (left,), (claim,) = found.margins_left, found.claims
    assert left.loss_limit == pytest.approx(left.loss + 1.66 * left.standard_error, rel=0.01)
    assert claim.loss_limit > left.loss_limit
    assert left.loss == pytest.approx(0.2, abs=0.01)
    assert left.loss_limit > left.loss
    assert left.left == pytest.approx(1 - left.loss_limit / 0.5)
    assert 0.5 < left.left < 0.6
    assert found.target.low < found.target.gain < found.target.high
    assert found.target.gain == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("rise", "gain", "verdict", "reason"),
    [
        (0.1, 1.0, "pass", "all 1 required capabilities are retained"),
        (0.9, 1.0, "fail", "lost beyond the margin: texts"),
        (0.1, -1.0, "fail", "the target is no better than in the base"),
        (0.1, 0.0, "inconclusive", "whether the target gains is not settled"),
    ],
)
def test_the_verdict_needs_what_is_kept_and_a_gain(rise, gain, verdict, reason):
    said, reasons = verdict_of(_judged(rise, gain), has_protocol=True)
    assert said == verdict
    assert reason in reasons


@pytest.mark.parametrize(("rise", "gain"), [(0.9, 1.0), (0.1, -1.0)])
def test_a_search_that_did_not_end_fails_nothing(rise, gain):
    said, reasons = verdict_of(_judged(rise, gain), has_protocol=True, unfinished="give more")
    assert said == "inconclusive"
    assert "the best so far does not hold" in reasons[0]
    assert reasons[1] == "give more"
    said, reasons = verdict_of(_judged(0.1, 1.0), has_protocol=True, unfinished="give more")
    assert said == "pass"


def _near(mean, bound):
    losses = {"a": Loss(mean, bound), "b": Loss(-1.0, 0.5)}
    return ProtocolEvaluation(trial=0, step=1, scale=1.0, gain=1.0, losses=losses)


@pytest.mark.parametrize(
    ("near", "num"),
    [
        ([(0.5, 1.5)], 400),
        ([(0.5, 1.5), (0.0, 1.2)], 150),
        ([(0.9, 1.01)], 130),
        ([(1.0, 1.5)], None),
        ([], None),
    ],
)
def test_the_items_that_would_show_it_are_those_of_the_nearest_point(near, num):
    assert items_to_show([_near(*each) for each in near], 50) == num


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"unfinished": "it needs 100 tokens"}, "it needs 100 tokens"),
        (
            {"promising": [_near(0.5, 1.5)] * 3, "num_choosing": 50},
            "3 points that were tried gain within the tolerances by their means, and the items that choose are "
            "too few to show it; give more items: about 400 of each capability for the nearest",
        ),
    ],
)
def test_without_a_protocol_only_a_whole_search_fails(more, reason):
    said, reasons = verdict_of(_judged(0.0, 0.0), has_protocol=False, **more)
    assert (said, len(reasons)) == ("inconclusive", 1)
    assert reasons[0].startswith(reason)


def test_the_base_is_no_protocol():
    said, reasons = verdict_of(_judged(0.0, 0.0), has_protocol=False)
    assert said == "fail"
    assert "no protocol that was tried gains anything" in reasons[0]


def test_the_least_margin_comes_first_and_a_missing_one_last():
    claims = [
        SimpleNamespace(
            capability=name, required=True, unit="nats", margin=1.0, change=0.0,
            higher_is_better=False, standard_error=None, loss_limit=9.0,
            reason="too few" if limit is None else None,
        )
        for name, limit in (("a", None), ("b", 0.2), ("c", 1.4))
    ]  # fmt: skip
    limits = {"b": 0.2, "c": 1.4}
    rows = PlanOutcome(None, tuple(claims), None, limits).margins_left
    assert [(row.capability, row.left, row.reason) for row in rows] == [
        ("c", pytest.approx(-0.4), None), ("b", pytest.approx(0.8), None), ("a", None, "too few"),
    ]  # fmt: skip
