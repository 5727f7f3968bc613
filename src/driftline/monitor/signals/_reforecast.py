"""Steps left until a capability passes its tolerance, forecast again at every check."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from accelerate.scheduler import AcceleratedScheduler
from torch.optim.lr_scheduler import LambdaLR

from ...stats import first_crossing


class StepsLeft(NamedTuple):
    """Steps until a tolerance is passed, for one capability or for the first of several."""

    capability: str
    steps: float | None
    """None: predicted to stay within the tolerance until the run's end."""


def planned_rates(scheduler: object, num_steps: int) -> tuple[float, ...] | None:
    """Return the learning rate of each step of the run, from the trainer's own schedule.

    Args:
        num_steps: Number of steps of the whole run.

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
    """Forecast when the mean loss passes the tolerance, if it goes on at its pace so far.

    The pace is the loss per summed learning rate, since the last look or over the whole run, whichever is
    faster; so a warm-up counts for what it is. It is a point without a band.

    Args:
        capability: For the answer.
        tolerance: In the unit of the losses.
        steps: At which the capability was looked at, ascending, from 1.
        learning_rates: Learning rates of each step of the run.

    Returns:
        Steps from the last look; 0 where the tolerance is passed already.
    """
    last = steps[-1]
    if losses[-1] >= tolerance:
        return StepsLeft(capability, 0.0)
    clock = numpy.concatenate([[0.0], numpy.cumsum(learning_rates)])
    seen = [(0.0, 0.0), *zip((float(clock[step]) for step in steps), losses, strict=True)]
    here, loss = seen[-1]
    paces = [(loss - then) / (here - at) for at, then in (seen[0], seen[-2]) if here > at]
    ahead = numpy.arange(1, len(clock) - last, dtype=float)
    if not paces or not len(ahead):
        return StepsLeft(capability, None)
    rises = max(paces) * (clock[last + 1 :] - here)
    return StepsLeft(capability, first_crossing(ahead, rises, tolerance - loss))


def fewest(result: Sequence[StepsLeft]) -> StepsLeft | None:
    """Return the capability that is forecast to pass its tolerance first; None if none is."""
    passing = [each for each in result if each.steps is not None]
    return min(passing, key=lambda each: each.steps or 0.0) if passing else None
