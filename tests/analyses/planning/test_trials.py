"""One trial: where it is looked at, and which scales it may have."""

import pytest

from driftline.analyses.planning._protocol_looks import ProtocolEvaluation
from driftline.analyses.planning._space import ProtocolCandidate
from driftline.analyses.planning._trials import SCALES, Trial, early_step, scales_of
from driftline.analyses.search._evaluations import Loss
from driftline.models import Levers, TrainingConfig, TrainingPlan


def _candidate(**values):
    config = TrainingConfig("c.yaml", {"learning_rate": 1e-3, **values}, "sha256:0")
    return ProtocolCandidate({}, config, Levers(), TrainingPlan(10, (1e-3,) * 10))


def _look(scale, gain, bound):
    return ProtocolEvaluation(0, 10, scale, gain, {"c": Loss(bound - 0.1, bound)})


@pytest.mark.parametrize(
    ("rates", "step"),
    [
        ((1e-3,) * 10, 2),
        ((1e-3,) * 2, 1),
        ((1e-3,), None),
        # Nothing has moved before the warm-up's second step.
        ((0.0, 0.0, 0.0, 1e-3, 1e-3), 4),
        ((0.0, 1e-3), None),
    ],
)
def test_the_early_look_is_at_a_fifth_and_after_something_moved(rates, step):
    assert early_step(TrainingPlan(len(rates), rates)) == step


def test_what_cannot_be_scaled_in_place_is_taken_whole():
    assert scales_of(_candidate()) == SCALES
    assert scales_of(_candidate(use_peft=True)) == SCALES
    assert scales_of(_candidate(use_peft=True, use_dora=True)) == (1.0,)


def test_a_trial_is_worth_its_best_scale():
    trial = Trial(0, "search", _candidate())
    trial.early = _look(1.0, 0.2, 0.3)
    assert (trial.best, trial.value) == (None, pytest.approx(0.2 * (1 - 0.1 * 0.2)))
    trial.looks = (_look(1.0, 2.0, 3.0), _look(0.5, 1.0, 0.9), _look(0.25, 0.6, 0.2))
    assert trial.best.scale == 0.5
    assert trial.value == pytest.approx(1.0 * (1 - 0.1 * 0.8))
    assert trial.violation == pytest.approx(-0.1)


def test_a_run_that_broke_is_far_beyond_every_constraint():
    assert Trial(0, "search", _candidate(), "failed").violation > 100
