"""What a look of a plan says, and which of two is better."""

import pytest

from driftline.analyses.planning._protocol_looks import (
    PlanRuler,
    ProtocolEvaluation,
    best_of,
    look_rows,
)
from driftline.analyses.search._evaluations import Loss
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import BASE, NoiseDirection, Point, Term
from tests.analyses.searched import PAIRS, TARGET, WATCHED

TUNED = Point("tuned", (Term(NoiseDirection(0), 1.0),))


def _look(gain, mean, bound=None, trial=0):
    losses = {"c": Loss(mean, mean if bound is None else bound)}
    return ProtocolEvaluation(trial, 1, 1.0, gain, losses)


def test_losses_are_bounded_and_a_gain_is_a_fall_of_the_targets_loss():
    rows = {}
    pairs = ((2.0,) * 4, (1.5, 1.0, 2.0, 1.5))
    targets = ((5.0,) * 4, (3.0, 3.5, 4.0, 3.5))
    for point, margins, losses in zip((BASE, TUNED), pairs, targets, strict=True):
        rows[point.digest(), PAIRS.digest] = StoredScores({"margin_nats": margins}, 1)
        rows[point.digest(), TARGET.digest] = StoredScores({"nll_nats": losses}, 1)
    ruler = PlanRuler((PAIRS, WATCHED), TARGET, 0.05)
    assert ruler.watched == (PAIRS, TARGET)
    look = ruler.look(Table(rows), TUNED, trial=3, step=7, scale=0.5)
    assert look.gain == 1.5
    assert look.losses["pairs"].mean == pytest.approx(1.0)
    # Student's t with 3 degrees of freedom at 95 %, one-sided: 2.3534; standard error 0.20412.
    bound = (0.5 + 2.3534 * 0.20412) / 0.5
    assert look.losses["pairs"].bound == pytest.approx(bound, rel=1e-3)
    assert look.excess == look.violation == pytest.approx(bound - 1, rel=1e-3)
    base = ruler.look(Table(rows), BASE, trial=None, step=0, scale=0.0)
    assert (base.gain, base.excess, base.violation) == (0.0, 0.0, -1.0)


def test_what_the_base_lacks_holds_no_trial_back():
    rows = {}
    for point, margin in ((BASE, 2.0), (TUNED, -9.0)):
        rows[point.digest(), PAIRS.digest] = StoredScores({"margin_nats": (margin,) * 4}, 1)
        rows[point.digest(), TARGET.digest] = StoredScores({"nll_nats": (5.0,) * 4}, 1)
    ruler = PlanRuler((PAIRS, WATCHED), TARGET, 0.05, lacking=frozenset({"pairs"}))
    assert ruler.deciding == ()
    assert ruler.watched == (TARGET,)
    look = ruler.look(Table(rows), TUNED, trial=3, step=7, scale=0.5)
    assert (look.excess, look.violation, look.worst, look.worst_loss) == (0, -1, None, 0)
    (row,) = look_rows([look])
    assert (row.worst_capability, row.meets_constraint) == (None, True)


def test_the_constraint_comes_before_the_gain():
    within, beyond = _look(1.0, 0.5), _look(9.0, 0.5, bound=1.1)
    assert best_of([beyond, within]) is within
    assert best_of([within, _look(2.0, 0.9)]).gain == 2.0


def test_a_tolerance_lost_is_worth_a_tenth_of_the_gain():
    assert best_of([_look(1.0, 0.8, bound=0.9), _look(0.95, 0.2)]).gain == 0.95
    assert best_of([_look(1.0, 0.8, bound=0.9), _look(0.9, 0.2)]).gain == 1.0
    # A capability that gains is no reason to give up the target's gain.
    assert best_of([_look(1.0, 0.0), _look(0.99, -5.0)]).gain == 1.0
    assert _look(-1.0, 0.5).merit == -1.0


def test_a_look_is_dominated_only_in_both():
    look = _look(1.0, 0.5)
    assert look.is_dominated_by(_look(1.1, 0.35))
    assert not look.is_dominated_by(_look(1.1, 0.45))
    assert not look.is_dominated_by(_look(1.0, 0.3))


def test_the_front_holds_what_none_beats():
    looks = [_look(0.0, 0.0), _look(1.0, 0.5), _look(0.8, 0.6), _look(2.0, 3.0), _look(-1.0, 0.0)]
    rows = look_rows(looks)
    assert [row.is_on_front for row in rows] == [True, True, False, True, False]
    assert [row.meets_constraint for row in rows] == [True, True, True, False, True]
