"""Steps left until a capability passes its tolerance, forecast again at every check."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from accelerate.scheduler import AcceleratedScheduler
from jaxtyping import Float
from numpy import ndarray
from torch.optim.lr_scheduler import LambdaLR

from ...analyses import predicted_losses
from ...stats import first_crossing, shifted_means


class StepsLeft(NamedTuple):
    """Steps until a tolerance is passed, for one capability or for the first of several."""

    capability: str
    steps: float | None
    """None: predicted to stay within the tolerance until the run's end."""


class MarginLink(NamedTuple):
    """Change of margins so far, for a capability whose metric is computed from probabilities."""

    margins: Sequence[float]
    """Mean loss of the margin at each look, in nats."""
    odds: Float[ndarray, " items"]
    """Log-odds of each item at the last look."""

    def further_losses(self, rises: Float[ndarray, " steps"]) -> Float[ndarray, " steps"]:
        """Compute the further loss of mean probability once all margins fall by as much more.

        Args:
            rises: Further losses of the margin, in nats.

        Returns:
            Further losses of probability.
        """
        here = float(shifted_means(self.odds, numpy.zeros(1))[0])
        found: Float[ndarray, " steps"] = here - shifted_means(self.odds, -rises)
        return found


def planned_rates(scheduler: object, num_steps: int) -> tuple[float, ...] | None:
    """Return the learning rate of each step of the run, from the trainer's own schedule.

    Args:
        scheduler: The trainer's.
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
    link: MarginLink | None = None,
) -> StepsLeft:
    """Forecast when the mean loss passes the tolerance, by the model of path margins.

    Its form was calibrated on SmolLM2-135M, and its band is not carried along, so this is a point.

    Args:
        capability: For the answer.
        tolerance: In nats, or in the metric's own unit with a link.
        steps: At which the capability was looked at, ascending, from 1.
        losses: Mean losses there, in the unit of the tolerance.
        learning_rates: Learning rates of each step of the run.
        link: Takes a forecast of margins to probabilities; None where the losses are in nats.

    Returns:
        Steps from the last look; 0 where the tolerance is passed already.
    """
    last = steps[-1]
    if losses[-1] >= tolerance:
        return StepsLeft(capability, 0.0)
    if last >= len(learning_rates) or sum(learning_rates[:last]) <= 0:
        return StepsLeft(capability, None)
    in_nats = numpy.asarray(losses if link is None else link.margins, dtype=float)
    later = predicted_losses(learning_rates, steps, in_nats)
    ahead = numpy.arange(1, len(later), dtype=float)
    if not len(ahead):
        return StepsLeft(capability, None)
    rest = numpy.asarray(later[1:]) - in_nats[-1]
    rest = rest if link is None else link.further_losses(rest)
    return StepsLeft(capability, first_crossing(ahead, rest, tolerance - losses[-1]))


def fewest(found: Sequence[StepsLeft]) -> StepsLeft | None:
    """Return the capability that is forecast to pass its tolerance first; None if none is."""
    passing = [each for each in found if each.steps is not None]
    return min(passing, key=lambda each: each.steps or 0.0) if passing else None
