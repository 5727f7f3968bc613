"""Steps left until a capability passes its tolerance, forecast again at every check."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from accelerate.scheduler import AcceleratedScheduler
from torch.optim.lr_scheduler import LambdaLR

from ..analyses import predicted_losses
from ..stats import first_crossing


class StepsLeft(NamedTuple):
    """Of one capability, or of whichever has least."""

    capability: str
    steps: float | None
    """None: predicted to stay within the tolerance until the run's end."""


def planned_rates(scheduler: object, num_steps: int) -> tuple[float, ...] | None:
    """The learning rate of each step of the run, from the trainer's own schedule.

    Args:
        scheduler: The trainer's.
        num_steps: Of the whole run.

    Returns:
        Rates; None where the schedule is not a function of the step, or is 0 throughout.
    """
    inner = scheduler.scheduler if isinstance(scheduler, AcceleratedScheduler) else scheduler
    if not isinstance(inner, LambdaLR):
        return None
    base, factor = float(inner.base_lrs[0]), inner.lr_lambdas[0]
    rates = tuple(base * float(factor(step)) for step in range(num_steps))
    return rates if max(rates, default=0.0) > 0 else None


def steps_left(
    capability: str,
    tolerance: float,
    *,
    steps: Sequence[int],
    losses: Sequence[float],
    learning_rates: Sequence[float],
) -> StepsLeft:
    """When the mean loss will pass the tolerance, by the model that path margins are made with.

    Its form was calibrated on SmolLM2-135M, and its band is not carried along, so this is a point.

    Args:
        capability: For the answer.
        tolerance: In nats.
        steps: At which the capability was looked at, ascending, from 1.
        losses: Mean losses there, in nats.
        learning_rates: Of each step of the run.

    Returns:
        Steps from the last look; 0 where the tolerance is passed already.
    """
    last = steps[-1]
    if losses[-1] >= tolerance:
        return StepsLeft(capability, 0.0)
    if last >= len(learning_rates) or sum(learning_rates[:last]) <= 0:
        return StepsLeft(capability, None)
    later = predicted_losses(learning_rates, steps, numpy.asarray(losses, dtype=float))
    ahead = numpy.arange(1, len(later), dtype=float)
    if not len(ahead):
        return StepsLeft(capability, None)
    rest = numpy.asarray(later[1:]) - losses[-1]
    return StepsLeft(capability, first_crossing(ahead, rest, tolerance - losses[-1]))


def fewest(found: Sequence[StepsLeft]) -> StepsLeft | None:
    """The capability that passes its tolerance first; None where none is predicted to."""
    passing = [each for each in found if each.steps is not None]
    return min(passing, key=lambda each: each.steps or 0.0) if passing else None
