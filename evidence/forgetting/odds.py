"""From margins to probabilities: the logistic link, item by item."""

import scipy.special
from jaxtyping import Float
from numpy import ndarray

_SURE = 1e-12
"""A probability nearer to 0 or 1 is taken for this near: log-odds of 28 nats."""


def log_odds(probabilities: Float[ndarray, " items"]) -> Float[ndarray, " items"]:
    """Compute the log-odds of each item's right option against all its wrong ones together.

    >>> import numpy
    >>> log_odds(numpy.array([0.5])).tolist()
    [0.0]

    Args:
        probabilities: One an item.

    Returns:
        In nats, within +-28.
    """
    result: Float[ndarray, " items"] = scipy.special.logit(probabilities.clip(_SURE, 1 - _SURE))
    return result


def shifted_means(
    odds: Float[ndarray, " items"], shifts: Float[ndarray, " shifts"]
) -> Float[ndarray, " shifts"]:
    """Compute the mean probability over items once every item's log-odds have moved.

    Args:
        odds: Log-odds of each item, from `log_odds`.
        shifts: By which the log-odds of all items move, in nats.

    Returns:
        One mean a shift, rising with it.
    """
    result: Float[ndarray, " shifts"] = scipy.special.expit(odds[None] + shifts[:, None]).mean(
        axis=1
    )
    return result
