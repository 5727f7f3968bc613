"""The drift model: predicts a loss after a look at the run, on the path and at its end.

Let D be the loss of a capability that was measured after a share u of the run's summed learning rate, and s the
standard deviation of the losses of its single items. Over the run's capabilities of the same kind, S is the mean of s^2, and m
the root mean square of D as a hundred items would measure it. At a later share v

    loss(v) = D + f * growth * ln(v / u) * S  -  (1 - f) * healing * (1 - u / v) * D  +  t * scale
    scale^2 = f * (v - u) / u * (shared^2 m^2 + own^2 D^2 + item^2 s^2)
    f       = 1 / (1 + m / saturation)

t has 4 degrees of freedom. For the run's own task D stands in the place of S. While little is lost, losses grow with how far single
items move; where much was lost already, they level off, and a part of them heals as the learning rate decays. What comes after shrinks
to nothing as nothing moves and as the end comes near. A model of many finished runs may have growth and healing of its own; for others both
are 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...results import Value
from ._calibration import Novelty
from ._looks import Movement as Movement

_LARGEST = 50.0
"""The largest logarithm that a search may try, so that its exponential exists."""


class DriftModel(Value):
    """The model of losses after a look in one metric, fitted to finished runs."""

    growth: float
    """At least 0. Unit: 1 / the metric's unit (for the run's own task none)."""
    healing: float
    """Share of a large loss that is given back by the end, from 0 to 1."""
    saturation: float
    """Typical loss, in the metric's unit, at which growth is half of what it is at the start."""
    shared: float
    own: float
    item: float
    spread: float
    """Factor of the scale with which intervals covered on tasks left out."""
    config_spread: float
    """The same on the configs of the lowest and highest learning rates left out, which are extrapolated to."""
    unseen_spread: float
    """The same on models left out, where these have few runs on the worst of them; where others have too few
    runs, on runs of other models that were held aside."""
    num_cells: int

    def spread_of(self, novelty: Novelty | None) -> float:
        """Return the factor of the scale for a run of some novelty."""
        if novelty is None:
            return self.spread
        if novelty == "both":
            return max(self.unseen_spread, self.config_spread)
        return self.unseen_spread if novelty == "model" else self.config_spread

    def after(
        self, movement: Movement, share: float, *, novelty: Novelty | None = None
    ) -> tuple[float, float]:
        """Predict what comes after a look.

        Args:
            movement: At the look.
            share: Of the run's summed learning rate, where the loss is wanted.
            novelty: How the run differs from those that were fitted to.

        Returns:
            The further loss, and its scale.
        """
        mean, scale = further_losses(self._parameters(), Cells.of([movement]), share)
        return float(mean[0]), self.spread_of(novelty) * float(scale[0])

    def _parameters(self) -> Float[ndarray, " six"]:
        positive = numpy.array([self.saturation, self.shared, self.own, self.item])
        return numpy.array([self.growth, self.healing, *numpy.log(positive)])


class Cells(NamedTuple):
    """Movements as columns, in the order of `Movement`."""

    loss: Float[ndarray, " cells"]
    typical: Float[ndarray, " cells"]
    drive: Float[ndarray, " cells"]
    standard_error: Float[ndarray, " cells"]
    item_spread: Float[ndarray, " cells"]
    share: Float[ndarray, " cells"]

    @classmethod
    def of(cls, movements: Sequence[Movement]) -> "Cells":
        """Lay movements out as columns."""
        table = numpy.array(movements, dtype=float).reshape(-1, len(cls._fields))
        return cls(*table.T)

    def part(self, chosen: Float[ndarray, " cells"]) -> "Cells":
        """Select some cells."""
        return Cells(*(column[chosen] for column in self))


def further_losses(
    parameters: Float[ndarray, " six"], cells: Cells, share: float = 1.0
) -> tuple[Float[ndarray, " cells"], Float[ndarray, " cells"]]:
    """Compute what comes after the looks of many cells, by the formula of this file.

    Args:
        parameters: Growth, healing, and the logarithms of saturation, shared, own and item.
        cells: The movements.
        share: Of the run's summed learning rate, where the losses are wanted; 1 is the end.

    Returns:
        Further losses, and their scales.
    """
    growth, healing = parameters[:2]
    saturation, shared, own, item = numpy.exp(parameters[2:].clip(-_LARGEST, _LARGEST))
    ratio = share / cells.share
    free = 1 / (1 + cells.typical / saturation)
    grown = free * growth * numpy.log(ratio) * cells.drive
    healed = (1 - free) * healing * (1 - 1 / ratio) * cells.loss
    variance = (shared * cells.typical) ** 2 + (own * cells.loss) ** 2
    variance += (item * cells.item_spread) ** 2
    return grown - healed, numpy.sqrt(free * (ratio - 1) * variance)
