"""What a plan may spend: nothing starts that does not fit."""

from dataclasses import dataclass

import pytest

from driftline.analyses.planning._budget import Budget, check_budget, tokens_of_run, weight_of
from driftline.analyses.planning._space import ProtocolCandidate
from driftline.errors import ConfigError
from driftline.models import Levers, TrainingConfig, TrainingPlan

CONFIG = TrainingConfig("c.yaml", {}, "sha256:0")


@dataclass
class Engine:
    """As much of one as a budget asks."""

    tokens_used: int = 0
    tokens_backward: int = 0


class Clock:
    """Says what it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def _candidate(levers=None):
    plan = TrainingPlan(5, (1e-3,) * 5, example_tokens=(10, 30, 20), examples_per_step=2)
    return ProtocolCandidate({}, CONFIG, levers or Levers(), plan)


def test_whole_epochs_are_exact_and_the_rest_is_the_longest():
    assert tokens_of_run(_candidate(), 3) == 120
    assert tokens_of_run(_candidate(), 1) == 50
    # Ten rows are three epochs and one row more.
    assert tokens_of_run(_candidate(), 5) == 3 * 60 + 30


def test_replay_counts_as_long_as_the_base_may_write():
    longer = tokens_of_run(_candidate(Levers(replay_share=0.05)), 3)
    # One of three rows, the shortest: twice the mean of 20, and a template.
    assert longer == 2 * (30 + 20 + 72)


def test_what_the_base_computes_beside_training_counts_a_quarter():
    assert weight_of(_candidate()) == 1
    assert weight_of(_candidate(Levers(kl_to_base=0.1))) == 1.25
    assert weight_of(_candidate(Levers(replay_share=0.2))) == pytest.approx(1.05)


def test_tokens_count_by_what_was_done_with_them():
    engine = Engine(tokens_used=400, tokens_backward=100)
    budget = Budget(engine, 1000.0, None, reserve=40.0, trained=50.0)
    # 100 of the 400 went backward too, and count as trained.
    assert budget.used_tokens == 50 + 100 + 75
    assert budget.reserved == 10
    assert budget.fits(765.0)
    assert not budget.fits(766.0)
    assert not budget.fits(765.0, share=0.75)
    assert not budget.is_out_of_time()


def test_minutes_are_kept_by_the_pace_so_far():
    clock, engine = Clock(), Engine()
    budget = Budget(engine, None, 100.0, reserve=40.0, earlier_seconds=20.0, clock=clock)
    assert budget.fits(1e9)  # Nothing is known of the pace yet.
    clock.now, budget.trained = 30.0, 50.0
    assert budget.used_seconds == 50.0
    # A token takes a second, and the report ten.
    assert budget.fits(40.0)
    assert not budget.fits(41.0)
    assert not budget.is_out_of_time()
    clock.now = 75.0
    assert budget.is_out_of_time()


@pytest.mark.parametrize(
    ("tokens", "minutes", "message"),
    [
        (1.0, 1.0, "give one of them"),
        (0.0, None, "--budget-tokens: 0 is not above 0"),
        (None, float("inf"), "--budget-minutes: inf is not above 0"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(tokens, minutes, message):
    with pytest.raises(ConfigError, match=message):
        check_budget(tokens, minutes)
