"""Split-conformal prediction: a quantile that covers without any assumption on shape."""

import itertools
import math

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError


def conformal_quantile(
    nonconformity: Float[ndarray, " calibration"], *, confidence_level: float
) -> float:
    """Return the score below which a new, exchangeable score lies with at least that probability.

    It is the ceil((n + 1) * level)-th smallest of n scores (Vovk et al. 2005; Lei et al. 2018).

    >>> conformal_quantile(numpy.arange(1.0, 20.0), confidence_level=0.9)
    18.0

    Args:
        nonconformity: Scores of the calibration cases, for example absolute errors.
        confidence_level: Wanted coverage.

    Returns:
        The quantile, in the unit of the scores.

    Raises:
        RunError: Too few scores for this level: n < level / (1 - level).
    """
    rank = math.ceil((len(nonconformity) + 1) * confidence_level)
    if rank > len(nonconformity):
        raise RunError(
            f"{len(nonconformity)} calibration cases cannot give coverage {confidence_level}; "
            f"at least {_num_needed(confidence_level)} are needed"
        )
    return float(numpy.sort(nonconformity)[rank - 1])


def _num_needed(confidence_level: float) -> int:
    """Return the fewest scores for a level, by counting: level / (1 - level) rounds up at 0.9."""
    return next(n for n in itertools.count(1) if math.ceil((n + 1) * confidence_level) <= n)
