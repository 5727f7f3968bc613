"""Several capabilities at once: each on its own claim, and all of them together."""

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...errors import RunError


def holm_adjusted_pvalues(pvalues: Float[ndarray, " claims"]) -> Float[ndarray, " claims"]:
    """Adjust the p-values of claims about several capabilities by Holm; keeps their order.

    The i-th smallest of m is max over j <= i of (m - j + 1) p_j, at most 1. Refusing where it is at
    most alpha keeps the probability of any wrong refusal in the family at alpha, however the tests
    depend on one another. Source: Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    >>> holm_adjusted_pvalues(numpy.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]

    Args:
        pvalues: One a claim; a claim without one must be left out, and is not kept.

    Returns:
        Adjusted p-values.

    Raises:
        RunError: No claims, or what is no p-value.
    """
    _check_pvalues(pvalues)
    order = numpy.argsort(pvalues, kind="stable")
    factors = numpy.arange(len(pvalues), 0, -1)
    adjusted = numpy.empty(len(pvalues))
    adjusted[order] = numpy.maximum.accumulate(pvalues[order] * factors)
    return numpy.minimum(adjusted, 1.0)


def suite_pvalue(pvalues: Float[ndarray, " claims"]) -> float:
    """Return the p-value of "at least one capability is lost"; rejecting it claims all are kept.

    It is the largest: to claim all, each must pass at alpha, and none needs a correction, since
    whichever is not kept has to slip through its own test. Source: the intersection-union test,
    Berger 1982, Technometrics 24, 295-300.

    >>> suite_pvalue(numpy.array([0.01, 0.04, 0.03]))
    0.04

    Args:
        pvalues: One for every capability that is required.

    Returns:
        A p-value.

    Raises:
        RunError: No claims, or what is no p-value.
    """
    _check_pvalues(pvalues)
    return float(pvalues.max())


def _check_pvalues(pvalues: Float[ndarray, " claims"]) -> None:
    if len(pvalues) == 0:
        raise RunError("there are no p-values, so nothing can be claimed")
    if not ((pvalues >= 0) & (pvalues <= 1)).all():
        raise RunError("a p-value must lie between 0 and 1; leave out a claim that has none")
