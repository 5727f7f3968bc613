"""One trial: where it is looked at, and which scales it may have."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from driftline.analyses.planning._protocol_looks import PlanRuler, ProtocolEvaluation
from driftline.analyses.planning._space import ProtocolCandidate
from driftline.analyses.planning._trial_forecast import forecast_trial
from driftline.analyses.planning._trials import SCALES, Bench, Trial, early_step, scales_of
from driftline.analyses.search._evaluations import Loss
from driftline.capabilities import Capability, MinimalPair
from driftline.engine import Table
from driftline.engine.storage._store import StoredScores
from driftline.models import Levers, TrainingConfig, TrainingPlan
from tests.analyses.searched import TARGET


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


@dataclass
class KnownScores:
    """An engine whose base answers the first capability and guesses at the second."""

    asked: list = field(default_factory=list)

    def evaluate(self, points, capabilities):
        self.asked.append([c.name for c in capabilities])
        rows = {}
        for point in points:
            for capability in capabilities:
                num = len(capability.items)
                margins = (5.0,) * num if capability.name == "held" else (1.0, -1.0) * (num // 2)
                if point.label == "ruined":
                    margins = (-5.0,) * num
                values = {"nll_nats": margins}
                if capability.name != "target":
                    right = tuple(float(margin > 0) for margin in margins)
                    values = {"margin_nats": margins, "accuracy": right}
                rows[point.digest(), capability.digest] = StoredScores(values, 1)
        return Table(rows)


def _pairs(name):
    items = tuple(MinimalPair(id=str(i), good=f"{name} {i}", bad=f"b{i}") for i in range(8))
    return Capability(name, "minimal_pair", "margin_nats", 0.5, items)


def test_what_the_base_is_not_shown_to_have_holds_no_trial_back():
    engine = KnownScores()
    ruler = PlanRuler((_pairs("held"), _pairs("lacking")), TARGET, 0.05)
    bench = Bench(engine, ruler, None, None, None)
    assert list(bench.lacking) == ["lacking"]
    assert "4 of 8 items right" in bench.lacking["lacking"]
    assert [c.name for c in bench.ruler.deciding] == ["held"]
    assert set(bench.base.losses) == {"held"}
    # What can be lost and is lost by ruined weights is not blind, and what cannot be lost is not asked again.
    assert bench.blind == ()
    assert engine.asked == [["held", "lacking", "target"], ["held", "target"]]


def test_a_trial_has_no_forecast_of_what_the_base_lacks():
    ruler = PlanRuler((_pairs("lacking"),), TARGET, 0.05, lacking=frozenset({"lacking"}))
    trajectory = SimpleNamespace(plan=TrainingPlan(10, (1e-3,) * 10), kept_steps=(2, 10))
    assert forecast_trial(None, ruler, trajectory, None, seed=0) == ()
