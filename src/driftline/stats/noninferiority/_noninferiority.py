"""Result type and input checks that all tests of non-inferiority share."""

from typing import NamedTuple

import numpy
from jaxtyping import Float, Int
from numpy import ndarray

from ...errors import ConfigError, RunError
from ...verdicts import ClaimVerdict

SMALLEST_ALPHA = 1e-4
"""A p-value of exact flips cannot be below 1e-5, so that much smaller levels can show nothing."""


class NoninferiorityTest(NamedTuple):
    """A change = tuned - base, judged against a margin that was fixed before the data.

    Both ends are one-sided limits at the same level: `low` lies above the true change with
    probability at most 1 - level, and so does `high` below it.
    """

    change: float
    """In the unit of the scores, as are the margin and the limits."""
    low: float
    high: float
    margin: float
    """Positive: the loss that is accepted."""
    confidence_level: float
    pvalue: float
    """P-value of the null hypothesis change <= -margin."""
    verdict: ClaimVerdict
    """By the limits: non_inferior where low >= -margin, inferior where high < -margin."""


def judged_test(
    change: float, limits: tuple[float, float], margin: float, level: float, pvalue: float
) -> NoninferiorityTest:
    """Return a test with the verdict of its limits."""
    verdict = judged(*limits, margin)
    return NoninferiorityTest(change, *limits, margin, level, pvalue, verdict)


def judged(low: float, high: float, margin: float) -> ClaimVerdict:
    """Return the verdict of two one-sided limits; a missing limit never supports a claim."""
    if low >= -margin:
        return "non_inferior"
    return "inferior" if high < -margin else "inconclusive"


def check_level(confidence_level: float) -> None:
    """Refuse a level at which the limits would cross."""
    if not 0.5 <= confidence_level < 1:
        raise ConfigError(f"confidence_level {confidence_level} must lie between 0.5 and 1")


def check_margin(margin: float, largest: float) -> None:
    """Refuse a margin that is not a loss, or that no score could lose."""
    if not 0 < margin < largest:
        raise ConfigError(f"margin {margin} must lie between 0 and {largest:g}")


class Units(NamedTuple):
    """Independent units of evidence: groups of items, or items where each is its own group."""

    sums: Float[ndarray, " units"]
    """Total change of each unit's items."""
    sizes: Int[ndarray, " units"]


def has_one_size(units: Units) -> bool:
    """Tell whether all groups hold the same number of items, so that the number is one of design."""
    return bool((units.sizes == units.sizes[0]).all())


def units_of(changes: Float[ndarray, " items"], groups: Int[ndarray, " items"] | None) -> Units:
    """Collect items into units, in the order in which each group is first met.

    Args:
        changes: Tuned - base, item by item.
        groups: A number for each item's group; None where each is its own.

    Raises:
        RunError: No items, a change that is not finite, or groups of another length.
    """
    if len(changes) == 0:
        raise RunError("there are no items, so nothing can be said of their change")
    if not numpy.isfinite(changes).all():
        raise RunError("a change that is not finite cannot be tested; leave no item unscored")
    if groups is None:
        return Units(changes, numpy.ones(len(changes), dtype=int))
    if len(groups) != len(changes):
        raise RunError(f"{len(groups)} groups were given for {len(changes)} items")
    _, first, index = numpy.unique(groups, return_index=True, return_inverse=True)
    rank = numpy.argsort(numpy.argsort(first))[index]
    return Units(numpy.bincount(rank, weights=changes), numpy.bincount(rank))
