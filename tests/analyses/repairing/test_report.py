"""What is said of a repair, from scores that are known."""

import pytest

from driftline.analyses.items._split import Halves
from driftline.analyses.repairing._repair_document import cell_scales, judge, verdict_of
from driftline.analyses.search._cells import Cell
from driftline.analyses.search._evaluations import Candidate
from driftline.capabilities import Capability, MinimalPair, Passage
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term

NUM = 60
TUNED = Point("tuned", (Term(NoiseDirection(0), 1.0),))
REPAIRED = Point("repaired", (Term(NoiseDirection(0), 0.5),))


def _pairs(name, **fields):
    items = tuple(MinimalPair(id=str(i), good=f"a{i}", bad=f"b{i}") for i in range(NUM))
    return Capability(name, "minimal_pair", "accuracy", 0.1, items, **fields)


PAIRS, WATCHED = _pairs("pairs"), _pairs("watched", required=False)
TARGET = Capability(
    "target", "perplexity", "nll_nats", 1e9,
    tuple(Passage(id=str(i), text=f"t{i}") for i in range(8)), required=False,
)  # fmt: skip


def _right(num):
    return {"accuracy": (1.0,) * num + (0.0,) * (NUM - num)}


def _judged(base, tuned, repaired, *, targets=(5.0, 3.0, 3.2), lost=("pairs",), lacking=None):
    rows = {}
    for point, num, nll in zip(
        (BASE, TUNED, REPAIRED), (base, tuned, repaired), targets, strict=True
    ):
        rows[point.digest(), PAIRS.digest] = StoredScores(_right(num), 1)
        spread = tuple(nll + 0.01 * i * (point is REPAIRED) for i in range(8))
        rows[point.digest(), TARGET.digest] = StoredScores({"nll_nats": spread}, 1)
    return judge(
        Table(rows),
        (TUNED, REPAIRED),
        capabilities=(Halves(PAIRS, PAIRS), Halves(WATCHED, WATCHED)),
        target=Halves(TARGET, TARGET),
        lost=lost,
        lacking=lacking or {},
        alpha=0.05,
        seed=0,
    )


def test_nothing_is_given_back_of_what_the_base_lacks():
    judged = _judged(30, 20, 25, lost=(), lacking={"pairs": "too few are right"})
    pairs, _ = judged.recovery.capabilities
    assert (pairs.was_lost, pairs.given_back, pairs.reason) == (False, None, "too few are right")
    assert judged.recovery.tuned_damage == 0


def test_what_comes_back_is_a_share_of_what_was_lost():
    judged = _judged(60, 30, 54)
    recovery = judged.recovery
    assert (recovery.tuned_damage, recovery.repaired_damage) == pytest.approx((5.0, 1.0))
    assert recovery.given_back == pytest.approx(0.8)
    pairs, watched = recovery.capabilities
    assert (pairs.tuned_change, pairs.repaired_change) == pytest.approx((-0.5, -0.1))
    assert pairs.given_back == pytest.approx(0.8)
    assert (pairs.was_lost, watched.was_lost, watched.required) == (True, False, False)
    assert judged.target.gain_share == pytest.approx((2 - 0.2 - 0.035) / 2)
    assert judged.target.low < judged.target.repaired_gain < judged.target.high


def test_a_gain_over_the_base_is_not_more_than_all_of_the_loss():
    assert _judged(50, 20, 60).recovery.given_back == 1.0


def test_where_nothing_was_lost_there_is_no_share():
    recovery = _judged(60, 60, 60, lost=()).recovery
    assert recovery.given_back is None
    assert "no required capability lost" in recovery.reason
    recovery = _judged(60, 60, 60).recovery
    assert recovery.given_back is None
    assert recovery.reason == "on these items tuning cost nothing"


def test_where_tuning_gained_nothing_there_is_no_share_of_the_gain():
    target = _judged(60, 30, 54, targets=(5.0, 5.5, 5.2)).target
    assert target.gain_share is None
    assert "gained nothing" in target.reason


@pytest.mark.parametrize(
    ("right", "targets", "has_output", "verdict", "reason"),
    [
        (60, (5.0, 3.0, 3.2), True, "pass", "all 1 required capabilities are retained"),
        (30, (5.0, 3.0, 3.2), True, "fail", "lost beyond the margin: pairs"),
        (55, (5.0, 3.0, 3.2), True, "inconclusive", "neither retained nor lost: pairs"),
        (60, (5.0, 3.0, 6.0), True, "fail", "no better at the target"),
        (60, (5.0, 3.0, 4.965), True, "inconclusive", "not settled"),
        (60, (5.0, 3.0, 5.0), False, "fail", "only the base itself"),
    ],
)
def test_a_pass_needs_the_capabilities_and_some_of_the_gain(
    right, targets, has_output, verdict, reason
):
    found, reasons = verdict_of(_judged(60, 30, right, targets=targets), has_output=has_output)
    assert found == verdict
    assert any(reason in each for each in reasons), reasons


def test_every_cell_is_listed_with_its_scale():
    cells = (Cell("a", 0, "MLP", ("w", "v")), Cell("b", 1, "MLP", ("u",)))
    found = cell_scales(cells, Candidate("f", "l", {"a": 0.5, "b": 1.0}, 0.7))
    assert [(c.cell, c.scale, c.num_weights) for c in found] == [("a", 0.5, 2), ("b", 1.0, 1)]
