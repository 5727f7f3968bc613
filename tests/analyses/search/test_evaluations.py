"""What a look says, and which of two is better."""

import pytest

from driftline.analyses.search._evaluations import (
    Candidate,
    CandidateEvaluation,
    Loss,
    Ruler,
    front,
)
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term
from tests.analyses.searched import PAIRS, TARGET, WATCHED

TUNED = Point("tuned", (Term(NoiseDirection(0), 1.0),))
SCALED = Point("scaled", (Term(NoiseDirection(0), 0.5),))
CANDIDATE = Candidate("family", "label", {"cell": 0.5}, 0.5)


def _table(pairs, target):
    rows = {}
    for point, values in zip((BASE, TUNED, SCALED), pairs, strict=True):
        rows[point.digest(), PAIRS.digest] = StoredScores({"margin_nats": values}, 1)
    for point, values in zip((BASE, TUNED, SCALED), target, strict=True):
        rows[point.digest(), TARGET.digest] = StoredScores({"nll_nats": values}, 1)
    return Table(rows)


def _look(losses, gain=None, kept=1.0, missed=None):
    named = {f"c{i}": Loss(*loss) for i, loss in enumerate(losses)}
    return CandidateEvaluation(Candidate("f", "l", {}, kept), gain, None, missed, named)


def test_losses_are_in_tolerances_and_gain_is_a_share_of_the_tuned_one():
    table = _table(
        [(2.0,) * 4, (0.0,) * 4, (1.5, 1.0, 2.0, 1.5)],
        [(5.0,) * 4, (3.0,) * 4, (3.5, 3.5, 3.5, 3.5)],
    )
    ruler = Ruler((PAIRS, WATCHED), TARGET, TUNED, 0.05, None)
    look = ruler.look(table, SCALED, CANDIDATE)
    assert set(look.losses) == {"pairs"}
    assert look.losses["pairs"].mean == pytest.approx(1.0)
    # Student's t with 3 degrees of freedom at 95 %, one-sided: 2.3534; standard error 0.20412.
    assert look.losses["pairs"].bound == pytest.approx((0.5 + 2.3534 * 0.20412) / 0.5, rel=1e-3)
    assert (look.gain, look.gain_share) == (1.5, 0.75)
    assert look.excess == pytest.approx(look.losses["pairs"].bound - 1)
    assert (look.missed, look.shortfall) == (None, 0)
    base = ruler.look(table, BASE, CANDIDATE)
    assert (base.excess, base.damage, base.gain) == (0, 0, 0)


def test_what_the_base_lacks_is_in_no_loss():
    table = _table([(2.0,) * 4, (0.0,) * 4, (0.0,) * 4], [(5.0,) * 4] * 3)
    ruler = Ruler((PAIRS, WATCHED), TARGET, TUNED, 0.05, None, lacking=frozenset({"pairs"}))
    look = ruler.look(table, SCALED, CANDIDATE)
    assert (look.losses, look.excess, look.worst, look.worst_loss) == ({}, 0, None, 0)


def test_a_gain_that_must_be_kept_is_judged_by_its_lower_bound():
    table = _table([(1.0,) * 4] * 3, [(5.0,) * 4, (3.0,) * 4, (3.0, 3.1, 3.2, 3.1)])
    strict = Ruler((PAIRS,), TARGET, TUNED, 0.05, 0.05).look(table, SCALED, CANDIDATE)
    # Kept on average (1.9 of 2 nats), but four examples cannot say so.
    assert strict.gain_share == pytest.approx(0.95)
    assert strict.shortfall > 0
    loose = Ruler((PAIRS,), TARGET, TUNED, 0.05, 0.2).look(table, SCALED, CANDIDATE)
    # At least 1.6 nats must be kept; the bound of what is misses them by less than nothing.
    assert loose.missed < 0
    assert loose.shortfall == 0


def test_without_a_gain_there_is_no_share():
    table = _table([(1.0,) * 4] * 3, [(5.0,) * 4, (6.0,) * 4, (5.5,) * 4])
    look = Ruler((PAIRS,), TARGET, TUNED, 0.05, None).look(table, SCALED, CANDIDATE)
    assert look.gain_share is None
    assert look.gain == -0.5


def test_order_is_the_gain_that_must_be_kept_then_the_constraint_then_the_gain():
    keeps = _look([(0.5, 0.9)], gain=1.0)
    assert keeps.order < _look([(0.5, 0.9)], gain=0.9).order
    assert keeps.order < _look([(0.5, 1.2)], gain=2.0).order
    assert _look([(3.0, 4.0)], gain=1.0).order < _look([(0.0, 0.0)], gain=0.5, missed=0.1).order
    # Without a target, what is kept of the update counts.
    assert _look([(0.5, 0.9)], kept=0.9).order < _look([(0.5, 0.9)], kept=0.8).order


def test_damage_is_not_made_up_for_by_gains():
    look = _look([(3.0, 4.0), (-5.0, -4.0)])
    assert (look.damage, look.excess, look.worst) == (3.0, 3.0, "c0")


def test_the_front_is_what_nothing_beats():
    best, beaten, safe = (
        _look([(loss, loss)], gain=gain) for loss, gain in ((2.0, 1.0), (2.5, 0.9), (0.0, 0.1))
    )
    assert front([safe, beaten, best]) == [best, safe]
