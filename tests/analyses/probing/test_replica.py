"""The replica of a planned run: fewer steps, the same shape, as much diffusion."""

import pytest

from driftline.analyses.probing._replica import replica_of
from driftline.errors import ConfigError
from driftline.models import Trajectory, plan_training


def planned_run(planned, tmp_path, **values):
    config = planned.config.with_values(**{"max_steps": 40, "warmup_steps": 4, **values})
    plan = plan_training(planned.opened, config, planned.data)
    return Trajectory(planned.opened, config, planned.data, tmp_path, (8,), plan)


@pytest.mark.parametrize("scheduler", ["linear", "cosine", "constant"])
def test_the_sum_of_squared_rates_is_that_of_the_planned_run(planned, tmp_path, scheduler):
    run = planned_run(planned, tmp_path, lr_scheduler_type=scheduler)
    replica = replica_of(run)
    squares = [sum(r**2 for r in each.plan.learning_rates) for each in (run, replica)]
    assert squares[1] == pytest.approx(squares[0])
    assert replica.plan.num_steps == replica.kept_steps[-1] == 4
    assert replica.config.values["learning_rate"] > run.config.values["learning_rate"]


def test_its_config_gives_the_rates_that_its_plan_says(planned, tmp_path):
    replica = replica_of(planned_run(planned, tmp_path))
    again = plan_training(planned.opened, replica.config, planned.data)
    assert again.learning_rates == pytest.approx(replica.plan.learning_rates)


def test_a_ratio_for_the_warm_up_is_kept_as_a_ratio(planned, tmp_path):
    replica = replica_of(planned_run(planned, tmp_path, warmup_steps=0.25))
    assert replica.plan.learning_rates[0] == 0.0
    assert replica.plan.learning_rates[1] == max(replica.plan.learning_rates)


def test_a_run_that_is_too_short_is_refused(planned, tmp_path):
    with pytest.raises(ConfigError, match="8 steps are too few for a replica"):
        replica_of(planned_run(planned, tmp_path, max_steps=8, warmup_steps=2))


def test_the_users_config_is_left_alone(planned, tmp_path):
    run = planned_run(planned, tmp_path, warmup_steps=4)
    before = dict(run.config.values)
    replica_of(run)
    assert run.config.values == before
