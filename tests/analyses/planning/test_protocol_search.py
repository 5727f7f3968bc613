"""The search of a plan, on trials that only pretend to train."""

from dataclasses import replace

import pytest

from driftline.analyses.planning import _protocol_search as module
from driftline.analyses.planning._budget import SEARCH_SHARE
from driftline.analyses.planning._journal import PlanStudy
from driftline.analyses.planning._protocol_looks import PartScales, ProtocolEvaluation
from driftline.analyses.planning._protocol_search import search_protocols
from driftline.analyses.planning._space import PlanSpace
from driftline.analyses.planning._trials import Trial
from driftline.analyses.search._evaluations import Loss
from driftline.engine import Meter
from driftline.models import TrainingConfig, TrainingPlan

SPACE = PlanSpace(
    TrainingConfig("c.yaml", {"learning_rate": 1e-3}, "sha256:0"),
    {1.0: TrainingPlan(10, (1e-3,) * 10)},
    {
        "method": ("full",),
        "steps": (1.0,),
        "kl_to_base": (0.0, 1.0),
        "entropy_gate": (False, True),
    },
    (),
)


def _loss(value):
    return {"c": Loss(value, value + 0.1)}


class Bench:
    """Gains one nat, and more within the tolerances with KL; the gate does nothing."""

    words = "so many tokens"
    used_seconds = 7.0
    used_tokens, before, reserved, left_tokens = 1.0, 0.0, 0.0, 5.0

    def __init__(self, max_trials=99, gain_of_gate=0.0):
        self.engine = type("Engine", (), {"meter": Meter()})()
        self.budget = self
        self.base = ProtocolEvaluation(None, 0, 0.0, 0.0, _loss(-0.1))
        self.trials, self.left, self.gain_of_gate = [], max_trials, gain_of_gate

    @property
    def looks(self):
        return [self.base, *(look for trial in self.trials for look in trial.looks)]

    def cost(self, candidate, *, screened):
        return 1

    def scored_tokens(self, num_points):
        return 0.0

    def minutes_of(self, tokens):
        return 0.5

    def fits(self, tokens, *, share=1.0):
        return self.left >= tokens

    def run(self, number, purpose, candidate):
        self.left -= 1
        trial = Trial(number, purpose, candidate)
        self._look(trial)
        self.trials.append(trial)
        return trial

    def restore(self, trial):
        self._look(trial)
        self.trials.append(trial)

    def keep_only(self, best):
        self.kept = best.trial

    def _look(self, trial):
        has_kl = trial.settings["kl_to_base"] == 1.0
        gain = 1.0 + self.gain_of_gate * (trial.settings["entropy_gate"] is True)
        trial.looks = (
            ProtocolEvaluation(trial.number, 10, 1.0, 1.0 + gain, _loss(0.5 if has_kl else 2.0)),
            ProtocolEvaluation(
                trial.number, 10, 0.5, 0.5 + gain / 4, _loss(0.2 if has_kl else 0.5)
            ),
        )


@pytest.fixture
def study(tmp_path):
    return PlanStudy(tmp_path / "study.jsonl", seed=0)


@pytest.fixture(autouse=True)
def whole_updates(monkeypatch):
    """Parts are a matter of their own."""
    monkeypatch.setattr(module, "scale_parts", lambda _bench, _trial, best, seed: best)


def test_what_scaling_parts_bought_is_the_last_row(study, monkeypatch):
    def scaled(_bench, trial, best, seed):
        assert (trial.number, best.scale, seed) == (0, 0.5, 5)
        parts = PartScales({"embedding": 0.75, "head": 0.25}, (("lm_head", 0.25),))
        return replace(best, gain=1.0, scale=0.75, parts=parts)

    monkeypatch.setattr(module, "scale_parts", scaled)
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (SPACE.plain,))
    found = search_protocols(Bench(), SPACE, study, max_trials=1, seed=5)
    row = found.ablation[-1]
    assert (row.lever, row.value) == ("scales of parts of the update", "2 parts at 0.25 to 0.75")
    assert row.bought == pytest.approx(1.0 - 0.75)
    assert found.best.parts.modules == (("lm_head", 0.25),)


def test_what_each_lever_bought_is_measured_and_what_bought_nothing_is_dropped(study, monkeypatch):
    both = {**SPACE.plain, "kl_to_base": 1.0, "entropy_gate": True}
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (SPACE.plain, both))
    found = search_protocols(Bench(), SPACE, study, max_trials=2, seed=0)
    rows = {row.lever: row for row in found.ablation}
    assert rows["KL to the base"].bought == pytest.approx(2.0 - 0.75)
    assert not rows["KL to the base"].was_dropped
    assert rows["entropy-gated loss"].was_dropped
    assert found.trial.settings == {**both, "entropy_gate": False}
    assert (found.best.gain, found.best.scale) == (2.0, 1.0)
    assert "2 trials were run" in found.ended


def test_a_lever_that_helps_stays(study, monkeypatch):
    both = {**SPACE.plain, "kl_to_base": 1.0, "entropy_gate": True}
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (both,))
    found = search_protocols(Bench(gain_of_gate=0.4), SPACE, study, max_trials=1, seed=0)
    rows = {row.lever: row for row in found.ablation}
    assert rows["entropy-gated loss"].bought == pytest.approx(0.4)
    assert found.trial.settings == both


def test_a_scale_is_a_lever_that_costs_no_training(study, monkeypatch):
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (SPACE.plain,))
    bench = Bench()
    found = search_protocols(bench, SPACE, study, max_trials=1, seed=0)
    (row,) = found.ablation
    assert (row.lever, row.value, row.bought) == ("scale of the update", "0.5", None)
    assert row.reason == "the whole update is not within the tolerances"
    assert len(bench.trials) == 1


def test_what_the_budget_does_not_hold_is_said(study, monkeypatch):
    both = {**SPACE.plain, "kl_to_base": 1.0, "entropy_gate": True}
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (both,))
    found = search_protocols(Bench(max_trials=1), SPACE, study, max_trials=None, seed=0)
    assert "does not hold one more trial" in found.ended
    assert {row.reason for row in found.ablation} == {"the budget did not hold it"}
    assert {row.bought for row in found.ablation} == {None}


def test_where_nothing_is_within_the_tolerances_the_base_is_best(study, monkeypatch):
    monkeypatch.setattr(Bench, "_look", lambda _self, trial: setattr(trial, "looks", ()))
    found = search_protocols(Bench(), SPACE, study, max_trials=2, seed=0)
    assert (found.best.trial, found.trial, found.ablation) == (None, None, ())


def test_a_search_that_had_ended_is_not_begun_again(study, tmp_path, monkeypatch):
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (SPACE.plain,))
    first = search_protocols(Bench(), SPACE, study, max_trials=1, seed=0)
    monkeypatch.setattr(module, "_search_once", None)
    again = search_protocols(
        Bench(), SPACE, PlanStudy(tmp_path / "study.jsonl", seed=0), max_trials=1, seed=0
    )
    assert (again.best, again.ablation, again.ended) == (first.best, first.ablation, first.ended)


def test_after_the_known_ones_it_steps_from_the_best_then_the_sampler_chooses(study, monkeypatch):
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (SPACE.plain,))
    monkeypatch.setattr(module, "_NUM_GUIDED", 4)
    asked, ask = [], study.ask

    def kept(space, settings, *rest):
        asked.append(settings)
        return ask(space, settings, *rest)

    monkeypatch.setattr(study, "ask", kept)
    bench = Bench()
    search_protocols(bench, SPACE, study, max_trials=6, seed=0)
    assert asked[:3] == [SPACE.plain, {**SPACE.plain, "rate": 3.0}, {**SPACE.plain, "rate": 0.5}]
    assert asked[4] is None
    # With KL to the base as the best, every step keeps it.
    monkeypatch.setattr(PlanSpace, "first", lambda _self: ({**SPACE.plain, "kl_to_base": 1.0},))
    assert module._guided(bench, SPACE, 3)["rate"] in (3.0, 0.5, 1.7)


def test_where_only_the_base_is_within_the_tolerances_it_steps_from_the_users_own(monkeypatch):
    bench = Bench()
    monkeypatch.setattr(PlanSpace, "first", lambda _self: ())
    assert module._guided(bench, SPACE, 0) == {**SPACE.plain, "rate": 0.3333}


def test_the_last_trial_is_at_a_lower_rate_where_nothing_is_within_the_tolerances(study):
    class Strict(Bench):
        """At the user's own rate nothing is within the tolerances, KL or not."""

        def _look(self, trial):
            super()._look(trial)
            if trial.settings["rate"] > 0.5:
                trial.looks = tuple(replace(look, losses=_loss(3.0)) for look in trial.looks)

    bench = Strict(max_trials=2)
    found = search_protocols(bench, SPACE, study, max_trials=None, seed=0)
    assert [trial.settings["rate"] for trial in bench.trials] == [1.0, 0.3333]
    assert found.trial is not None


def test_a_second_process_throws_no_winner_away(study, tmp_path, monkeypatch):
    """One lever is kept and the next one dropped: only then is the last trial the best."""
    both = {**SPACE.plain, "kl_to_base": 1.0, "entropy_gate": True}
    monkeypatch.setattr(PlanSpace, "first", lambda _self: (both,))
    first = Bench()
    found = search_protocols(first, SPACE, study, max_trials=1, seed=0)
    assert first.kept == found.trial.number > 0
    again = Bench()
    search_protocols(
        again, SPACE, PlanStudy(tmp_path / "study.jsonl", seed=0), max_trials=1, seed=0
    )
    assert not hasattr(again, "kept")
    # Time that the first process took counts in the second.
    assert again.earlier_seconds == 7.0


@pytest.mark.parametrize(("is_lost", "share", "ended"), [
    (True, 1.0, "the budget does not hold one more trial"),
    (False, SEARCH_SHARE, "the search's part of the budget does not hold one more trial"),
])  # fmt: skip
def test_nothing_is_kept_back_for_what_follows_while_nothing_is_within_the_tolerances(
    study, is_lost, share, ended
):
    class Shares(Bench):
        asked = ()

        def fits(self, tokens, *, share=1.0):
            self.asked = (*self.asked, share)
            return len(self.trials) < 2

        def _look(self, trial):
            super()._look(trial)
            if is_lost:
                trial.looks = tuple(replace(look, losses=_loss(3.0)) for look in trial.looks)

    bench = Shares()
    found = search_protocols(bench, SPACE, study, max_trials=None, seed=0)
    assert bench.asked[:3] == (1.0, share, share)
    assert (found.trial is None, found.ended) == (is_lost, ended)
