"""Scaling parts of an update: on made-up gains, and on a real one that training must reproduce."""

from dataclasses import dataclass, field

import pytest
import torch

from driftline.analyses.planning import _parts as module
from driftline.analyses.planning._parts import scale_parts
from driftline.analyses.planning._protocol_looks import ProtocolEvaluation
from driftline.analyses.planning._space import ProtocolCandidate
from driftline.analyses.planning._trials import Trial
from driftline.analyses.search._evaluations import Loss
from driftline.errors import RunError
from driftline.models import (
    HeldDirection,
    Levers,
    Point,
    Term,
    TrainingConfig,
    TrainingPlan,
    Trajectory,
    at_point,
    plan_training,
)

from ..plans import CONFIG, sums

WEIGHTS = {"embedding": ["e.weight"], "head": ["h.weight"]}


@dataclass
class Bench:
    """The head alone forgets; both learn alike."""

    left: int = 99
    engine: object = None
    looked: list = field(default_factory=list)

    @property
    def budget(self):
        return self

    def fits(self, tokens):
        return self.left >= tokens

    def scored_tokens(self, num):
        return num

    def update(self, trial):
        return None

    def look_at_parts(self, trial, update, scale, parts):
        self.left -= 1
        assert dict(parts.modules).get("h", scale) == parts.parts["head"]
        look = _look(parts.parts["embedding"], parts.parts["head"], scale, parts)
        trial.looks = (*trial.looks, look)
        self.looked.append(look)
        return look


def _look(embedding, head, scale, parts=None):
    loss = Loss(2 * head, 2 * head + 0.1)
    return ProtocolEvaluation(0, 10, scale, embedding + head, {"c": loss}, parts)


def _trial(**values):
    config = TrainingConfig("c.yaml", {"learning_rate": 1e-3, **values}, "sha256:0")
    trial = Trial(
        0, "search", ProtocolCandidate({}, config, Levers(), TrainingPlan(10, (1e-3,) * 10))
    )
    trial.looks = tuple(_look(scale, scale, scale) for scale in (1.0, 0.75, 0.5, 0.25))
    return trial


@pytest.fixture(autouse=True)
def two_parts(request, monkeypatch):
    if "opened" not in request.fixturenames:
        monkeypatch.setattr(module, "_parts", lambda _engine, _update: WEIGHTS)


def test_the_part_that_forgets_is_scaled_down_and_the_other_up():
    bench, trial = Bench(), _trial()
    before = trial.looks[3]
    found = scale_parts(bench, trial, before, seed=0)
    assert found.parts.parts["embedding"] > 0.95
    assert 0.3 < found.parts.parts["head"] <= 0.45
    assert found.excess == 0
    assert found.merit > 2 * before.merit
    assert len(bench.looked) <= module.MOST_LOOKS


@pytest.mark.slow
def test_scores_that_are_not_finite_cost_a_look_and_not_the_plan():
    class Breaking(Bench):
        num_broken = 0

        def look_at_parts(self, trial, update, scale, parts):
            if parts.parts["embedding"] < 0.2:
                self.num_broken += 1
                raise RunError("not finite")
            return Bench.look_at_parts(self, trial, update, scale, parts)

    bench, trial = Breaking(), _trial()
    found = scale_parts(bench, trial, trial.looks[3], seed=0)
    assert bench.num_broken > 0
    assert found.parts.parts["embedding"] > 0.9


def test_no_more_is_looked_at_than_the_budget_holds():
    bench = Bench(left=3)
    scale_parts(bench, _trial(), _trial().looks[3], seed=0)
    assert len(bench.looked) == 3


def test_what_breaks_the_constraint_or_cannot_be_scaled_stays():
    bench, trial = Bench(), _trial()
    assert scale_parts(bench, trial, trial.looks[0], seed=0) is trial.looks[0]
    packed = _trial(use_peft=True, use_dora=True)
    assert scale_parts(bench, packed, packed.looks[3], seed=0) is packed.looks[3]
    assert bench.looked == []


def test_a_look_at_parts_is_what_training_with_the_levers_gives(opened, tmp_path):
    """The protocol says which modules are scaled; its run must end where the search looked."""
    data = sums(tmp_path / "sums.jsonl")
    planned = plan_training(opened, CONFIG, data)

    def direction(levers, name):
        steps = (planned.num_steps,)
        run = Trajectory(opened, CONFIG, data, tmp_path / name, steps, planned, levers=levers)
        run.ensure_trained()
        return HeldDirection(run.direction(planned.num_steps))

    whole = direction(Levers(), "whole")
    parts = module._parts(type("Engine", (), {"opened": opened})(), whole)
    assert len(parts) > 3
    assert "embedding" in parts
    scales = {part: round(0.9 - 0.2 * n, 1) for n, part in enumerate(parts) if n < 4}
    scales = {part: scales.get(part, 0.0) for part in parts}
    search = module._PartSearch(Bench(), _trial(), whole, parts, 1.0)
    looked = []

    def keep(trial, update, scale, found):
        looked.append((scale, found))
        return trial.looks[0]

    search.bench.look_at_parts = keep
    search._look(scales)
    ((scale, found),) = looked
    levers = Levers(interpolation=scale, interpolated_modules=found.modules)
    by_weight = {weight.name: levers.scale_of(weight.name) for weight in opened.weights}
    point = Point("parts", (Term(whole, by_weight),))
    trained = Point("trained", (Term(direction(levers, "parts"), 1.0),))
    before = {n: p.detach().clone() for n, p in opened.model.named_parameters()}
    with at_point(opened, point):
        seen = {n: p.detach().clone() for n, p in opened.model.named_parameters()}
    with at_point(opened, trained):
        for name, weight in opened.model.named_parameters():
            torch.testing.assert_close(weight, seen[name], rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(seen[name], before[name]) for name in before)
