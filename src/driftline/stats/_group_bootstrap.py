"""The joint distribution of several means over the same items, by resampling whole groups."""

import numpy
from jaxtyping import Float, Int
from numpy import ndarray

from ..errors import RunError

_DRAWS_TOGETHER = 256
"""Draws whose counts are held at once."""


def resampled_means(
    values: Float[ndarray, "rows items"],
    groups: Int[ndarray, " items"],
    *,
    num_draws: int,
    generator: numpy.random.Generator,
) -> Float[ndarray, "draws rows"]:
    """Draw the means of several rows over the same items, with the same groups in every row.

    Rows stay paired: each draw takes groups with replacement, and every row's mean is over the items
    of those groups. So differences between rows keep what they share. Source: Efron 1979 for the
    bootstrap; Davison and Hinkley 1997, section 3.8, for whole clusters.

    >>> generator = numpy.random.default_rng(0)
    >>> values = numpy.array([[1.0, 3.0], [2.0, 4.0]])
    >>> draws = resampled_means(values, numpy.array([0, 1]), num_draws=4, generator=generator)
    >>> (draws[:, 1] - draws[:, 0]).tolist()
    [1.0, 1.0, 1.0, 1.0]

    Limits: with few groups the draws spread too little, by (groups - 1) / groups.

    Args:
        values: A row for each mean.
        groups: A number for each item's group.
        num_draws: How many.
        generator: Draws the groups.

    Returns:
        The means, a row a draw.

    Raises:
        RunError: Fewer than two groups, which have no spread.
    """
    _, index = numpy.unique(groups, return_inverse=True)
    num_groups = int(index.max()) + 1 if len(index) else 0
    if num_groups < 2:
        raise RunError(f"resampling needs at least 2 independent items and there are {num_groups}")
    sums = numpy.stack([numpy.bincount(index, weights=row, minlength=num_groups) for row in values])
    sizes = numpy.bincount(index, minlength=num_groups).astype(float)
    shares = numpy.full(num_groups, 1 / num_groups)
    result = []
    for first in range(0, num_draws, _DRAWS_TOGETHER):
        rows = min(_DRAWS_TOGETHER, num_draws - first)
        counts = generator.multinomial(num_groups, shares, size=rows).astype(float)
        result.append(counts @ sums.T / (counts @ sizes)[:, None])
    return numpy.concatenate(result)
