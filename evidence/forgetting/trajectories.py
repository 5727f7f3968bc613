"""The trajectories of one run: the planned one, and replicas that take fewer steps.

A replica trains the same config in one a-th of the steps with the same shape of schedule, and so
comes to rest as the planned run does. Its rate is raised until the sum of the squares of its
learning rates is that of the planned run: as much diffusion, if steps are independent.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from driftline.models import LanguageModel, TrainingConfig, TrainingData, TrainingPlan, Trajectory

from .grid import ACCELERATIONS, Config

WARMUP_SHARE = 0.1
SHARES = (0.05, 0.1, 0.2, 1.0)
"""Of the planned steps, at which the planned run is scored."""


@dataclass(frozen=True)
class Leg:
    """One trajectory with what it stands for."""

    name: str
    trajectory: Trajectory
    share: float
    """Of the planned run's steps that it trains."""


def schedule(num_steps: int) -> list[float]:
    """Learning rates of a run as multiples of the peak: linear warm-up, then cosine to 0."""
    warmup = max(1, round(WARMUP_SHARE * num_steps))
    return [
        step / warmup
        if step < warmup
        else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (num_steps - warmup)))
        for step in range(num_steps)
    ]


def replica_rate(learning_rate: float, num_steps: int, replica_steps: int) -> float:
    """The peak rate at which a shorter run has the same sum of squared rates.

    Args:
        learning_rate: Peak of the planned run.
        num_steps: Of the planned run.
        replica_steps: Of the replica.

    Returns:
        The replica's peak rate.
    """
    planned, replica = (
        sum(rate**2 for rate in schedule(steps)) for steps in (num_steps, replica_steps)
    )
    return float(learning_rate * math.sqrt(planned / replica))


def legs(
    opened: LanguageModel, config: Config, base: TrainingConfig, data: TrainingData, work: Path
) -> Iterator[Leg]:
    """The planned run and its replicas, none of them trained yet.

    Args:
        opened: The base model.
        config: Of the grid.
        base: The same as a training config, with its seed.
        data: To train on.
        work: Where changes of weights are kept.

    Yields:
        The planned run first.
    """
    frozen = frozen_modules(opened) if config.frozen else ()

    def trajectory(num_steps: int, rate: float, kept: tuple[int, ...]) -> Trajectory:
        shape = schedule(num_steps)
        changes = {
            "learning_rate": rate,
            "max_steps": num_steps,
            "warmup_steps": max(1, round(WARMUP_SHARE * num_steps)),
        }
        own = TrainingConfig(base.name, {**base.values, **changes}, base.digest)
        plan = TrainingPlan(num_steps, tuple(rate * each for each in shape))
        return Trajectory(opened, own, data, work, kept, plan, frozen=frozen)

    steps, rate = config.num_steps, config.learning_rate
    kept = tuple(max(1, round(share * steps)) for share in SHARES)
    yield Leg("planned", trajectory(steps, rate, kept), 1.0)
    for acceleration in ACCELERATIONS:
        fewer = steps // acceleration
        own_rate = replica_rate(rate, steps, fewer)
        yield Leg(f"replica_{acceleration}", trajectory(fewer, own_rate, (fewer,)), fewer / steps)


def frozen_modules(opened: LanguageModel) -> tuple[str, ...]:
    """The attention of every layer."""
    return tuple(n for n, _ in opened.model.named_modules() if n.endswith("self_attn"))
