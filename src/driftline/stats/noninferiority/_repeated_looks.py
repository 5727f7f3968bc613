"""Evidence that a mean loss is above its tolerance, looked at as often as one likes on the same items.

During training the same items are scored again and again, so a later look brings no new items, only
a new model. Each look yields an e-value, and a weighted sum of e-values whose weights add up to at
most 1 is an e-value again, however the looks depend on one another.
"""

import math
from typing import NamedTuple

import numpy
from jaxtyping import Float, Int
from numpy import ndarray

from ...errors import ConfigError
from ._bets import highest_refused, scaled
from ._noninferiority import Units, has_one_size, units_of

_LARGEST_SHARE = 0.9
"""Largest share of the wealth that a single item can take."""
_STAKES = ((1.0, 0.3), (0.5, 0.3), (0.25, 0.2), (0.1, 0.1), (0.04, 0.1))
"""Stakes as shares of the largest, with the wealth that is given to each: how far the mean will lie
above the tolerance, and how widely the items scatter, is not known beforehand."""


class Looks(NamedTuple):
    """Evidence of all evaluations so far about one capability."""

    num_looks: int = 0
    log_evidence: float = -math.inf
    """Natural logarithm of sum over looks k of e_k / (k (k + 1)); it never falls."""

    def after(self, log_evidence: float) -> "Looks":
        """Add the evidence of one more evaluation.

        >>> round(Looks().after(math.log(8.0)).log_evidence, 6) == round(math.log(4.0), 6)
        True

        Args:
            log_evidence: Log e-value of the evaluation, from `look_evidence`.

        Returns:
            The sum so far.
        """
        number = self.num_looks + 1
        weighed = log_evidence - math.log(number * (number + 1))
        return Looks(number, float(numpy.logaddexp(self.log_evidence, weighed)))


def look_evidence(
    losses: Float[ndarray, " items"],
    *,
    tolerance: float,
    largest_gain: float,
    groups: Int[ndarray, " items"] | None = None,
    max_group_size: int | None = None,
) -> float:
    """Return the log e-value of one evaluation against "the mean loss is at most the tolerance".

        e = sum over stakes s of weight_s * product over units of (1 + s (loss - tolerance * size))

    Stakes are scaled by the largest unit that there could be. The largest one in the sample is not that:
    if one group in fifty holds fifty items and only those gain, three draws in ten would accuse.

    A gain beyond `largest_gain` counts as that much, so the mean is that of max(loss, -largest_gain):
    no item's gain pays for more than so much loss of others. Losses need no bound.

    What is random, and what an alarm means: the items, or their groups, are independent draws from
    the texts that the capability stands for, drawn before training and not trained on. The weights
    that are looked at may be anything that does not depend on the items: the path of training with
    the monitor only logging, or the same path up to the first action. Given such weights, a look's e
    has mean at most 1 where the mean loss over all those texts is at most the tolerance. Over many
    looks (`Looks`) the weights 1 / (k (k + 1)) add up to 1, so as long as training stays within the
    tolerance the sum has mean at most 1 and ever reaches 1 / alpha with probability at most alpha
    (Markov), for any number of looks, any stopping, and any dependence between looks. Repeated runs
    with the same items are not independent: alpha is the chance that a draw of items accuses a
    training run that is within its tolerance.

    The price: look k needs 1 / (k (k + 1)) of alpha's evidence, some 2 log k nats more.

    >>> round(look_evidence(numpy.full(40, 0.5), tolerance=0.25, largest_gain=1.0), 1)
    5.5

    Source: for bets on bounded means, Waudby-Smith and Ramdas 2024, JRSS-B 86, 1-27; for merging
    e-values, Vovk and Wang 2021, Annals of Statistics 49, 1736-1754.

    Args:
        losses: Loss of each item, tuned - base, positive is worse, in the capability's unit.
        tolerance: Positive, in the same unit.
        largest_gain: Positive, in the same unit, fixed beforehand.
        groups: A number for each item's group; None where each is its own.
        max_group_size: The most items that a group could have, known beforehand. None: groups of one
            size are taken to have it by design; groups of unequal sizes yield no evidence.

    Returns:
        Nats; 0, which no number of looks adds up to an alarm, where sizes are not known.

    Raises:
        ConfigError: The tolerance or the largest gain is not positive, or a group is larger than
            `max_group_size`.
        RunError: No items, or a loss that is not finite.
    """
    if not (tolerance > 0 and largest_gain > 0):
        raise ConfigError(f"tolerance {tolerance} and largest_gain {largest_gain} must be above 0")
    units = _units(losses, largest_gain, groups, max_group_size)
    return 0.0 if units is None else _evidence(units, tolerance, largest_gain)


def lowest_mean(
    losses: Float[ndarray, " items"],
    *,
    largest_gain: float,
    number: int,
    alpha: float,
    groups: Int[ndarray, " items"] | None = None,
    max_group_size: int | None = None,
) -> float:
    """Compute the lower limit of the mean loss; over all evaluations a confidence sequence.

    With probability at least 1 - alpha no look's limit ever lies above its mean loss (of gains
    capped as in `look_evidence`): look k is given alpha / (k (k + 1)).

    Args:
        losses: As for `look_evidence`.
        largest_gain: As for `look_evidence`.
        number: Number of the evaluation, from 1.
        alpha: Level of all evaluations together.
        groups: As for `look_evidence`.
        max_group_size: As for `look_evidence`.

    Returns:
        A loss, in the capability's unit; -largest_gain where nothing is known.

    Raises:
        ConfigError: A group is larger than `max_group_size`.
    """
    units = _units(losses, largest_gain, groups, max_group_size)
    if units is None:
        return -largest_gain
    return highest_refused(
        lambda mean: _evidence(units, mean, largest_gain),
        least=-largest_gain,
        most=max(float(losses.max()), 1e-9 - largest_gain),
        log_bound=math.log(number * (number + 1) / alpha),
    )


def _units(
    losses: Float[ndarray, " items"],
    largest_gain: float,
    groups: Int[ndarray, " items"] | None,
    max_group_size: int | None,
) -> Units | None:
    """Return units, scaled by the largest possible one; None where that is not known."""
    units = units_of(numpy.maximum(losses, -largest_gain), groups)
    if max_group_size is None and not has_one_size(units):
        return None
    return scaled(units, max_group_size)


def _evidence(units: Units, mean: float, largest_gain: float) -> float:
    """Return the evidence at a mean; it falls as the mean rises, since every factor does."""
    shares, weights = numpy.array(_STAKES).T
    stakes = shares[:, None] * _LARGEST_SHARE / (mean + largest_gain)
    wealth = numpy.log1p(stakes * (units.sums - mean * units.sizes)).sum(axis=1)
    return float(numpy.logaddexp.reduce(wealth + numpy.log(weights)))
