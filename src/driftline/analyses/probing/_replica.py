"""A replica of a planned run: fewer steps at a higher rate, to rest by the same shape of schedule.

After a tenth of its steps a run has hardly left its warm-up, and says little about its end. A replica
sees the whole schedule in as many steps. Its rate is raised until the sum of its squared learning
rates is that of the planned run: as much diffusion, if steps are independent.
"""

import math

from ...errors import ConfigError
from ...models import TrainingPlan, Trajectory, plan_training

ACCELERATION = 10


def replica_of(planned: Trajectory, acceleration: int = ACCELERATION) -> Trajectory:
    """Return the replica of a planned run.

    Cost: that of planning a run; nothing is trained yet.

    Args:
        planned: The planned run.
        acceleration: It takes one such part of the steps.

    Returns:
        A trajectory of which the last step is kept.

    Raises:
        ConfigError: The run is too short for one.
    """
    num_steps = round(planned.plan.num_steps / acceleration)
    arguments = planned.config.trainer_arguments(planned.folder, use_cpu=True)
    warmup = arguments.get_warmup_steps(planned.plan.num_steps)
    own_warmup = max(1, round(warmup * num_steps / planned.plan.num_steps)) if warmup else 0
    if num_steps <= own_warmup:
        raise ConfigError(
            f"{planned.config.name}: {planned.plan.num_steps} steps are too few for a replica of a "
            f"{acceleration}th of them; take a probe of 0.2"
        )
    shape = {"max_steps": num_steps, "warmup_steps": own_warmup}
    config = planned.config.with_values(**shape)
    config.values.pop("warmup_ratio", None)
    rates = plan_training(planned.opened, config, planned.data).learning_rates
    wanted, found = (sum(r**2 for r in each) for each in (planned.plan.learning_rates, rates))
    if found == 0:
        raise ConfigError(f"{planned.config.name}: the learning rate is 0 throughout the replica")
    factor = math.sqrt(wanted / found)
    peak = float(arguments.learning_rate) * factor
    return Trajectory(
        planned.opened,
        config.with_values(learning_rate=peak),
        planned.data,
        planned.folder,
        (num_steps,),
        TrainingPlan(num_steps, tuple(rate * factor for rate in rates)),
        on_step=planned.on_step,
        frozen=planned.frozen,
        levers=planned.levers,
    )
