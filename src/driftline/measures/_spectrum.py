"""Number of directions that states or a weight change use, and how far states point one way."""

import numpy
import scipy.linalg
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError

ROUNDING = 8 * float(numpy.finfo(numpy.float64).eps)
"""Relative limit per token below which a singular value is rounding error."""


def effective_rank(gram: Float[ndarray, "tokens tokens"]) -> float | None:
    """Compute the exponential of the entropy of the normalised singular values of the states.

        exp(-sum p_i ln p_i),  p_i = s_i / sum s_j

    with s the singular values of the states as they are: not squared, not centred. It lies between
    1 and the rank, is the rank where all s are equal, and does not change with rotation or scale.
    It cannot exceed the number of tokens, so only values of the same tokens compare.

    Cost: the eigenvalues of a tokens x tokens matrix.
    Source: Roy and Vetterli 2007 (EUSIPCO); as a measure of representations: RankMe, Garrido et
    al. 2023 (arXiv 2210.02885).

    Args:
        gram: Gram matrix of the states.

    Returns:
        A number of directions. None where all states are zero.
    """
    squared = scipy.linalg.eigvalsh(gram)[::-1]
    if squared[0] <= 0:
        return None
    kept = squared[squared > ROUNDING * len(gram) * squared[0]]
    return effective_rank_of(numpy.sqrt(kept))


def effective_rank_of(singular_values: Float[ndarray, " rank"]) -> float | None:
    """Compute the effective rank from known singular values; see `effective_rank`.

    Args:
        singular_values: Not negative, in any order.

    Returns:
        A number of directions. None where all are zero.
    """
    if not singular_values.any():
        return None
    return float(numpy.exp(scipy.stats.entropy(singular_values)))


def stable_rank(singular_values: Float[ndarray, " rank"]) -> float | None:
    """Compute the stable rank: the energy of a matrix over that of its strongest direction.

        ||A||_F^2 / ||A||_2^2 = sum s_i^2 / max s_i^2

    It lies between 1 and the rank, and small singular values hardly move it, unlike
    `effective_rank`.

    Cost: one pass over the values.
    Source: Rudelson and Vershynin 2007 (J. ACM 54), under the name of numerical rank.

    Args:
        singular_values: Not negative, in any order.

    Returns:
        A number of directions. None where all are zero.
    """
    if not singular_values.any():
        return None
    scaled = singular_values / singular_values.max()
    return float((scaled**2).sum())


def energy_rank(
    singular_values: Float[ndarray, " rank"], *, fraction: float, total: float | None = None
) -> int | None:
    """Find the smallest number of directions that hold a share of the energy.

        min k with sum over the k largest of s_i^2 >= fraction * sum s_i^2

    Cost: one sort.

    Args:
        singular_values: Not negative, in any order.
        fraction: The share, above 0 and at most 1.
        total: The whole energy, ||A||_F^2, where only the largest values are known.

    Returns:
        A number of directions. None where there is no energy, or where the known values do not
        reach the share.

    Raises:
        RunError: `fraction` is not a share.
    """
    if not 0 < fraction <= 1:
        raise RunError(f"{fraction} of the energy was asked for; it must be above 0 and at most 1")
    energies = numpy.sort(singular_values)[::-1] ** 2
    whole = float(energies.sum()) if total is None else total
    if whole <= 0:
        return None
    # A full spectrum must reach all of its own sum, whatever the order of summation.
    held = numpy.cumsum(energies) >= fraction * whole * (1 - ROUNDING)
    return int(held.argmax()) + 1 if held.any() else None


def participation_ratio(gram: Float[ndarray, "tokens tokens"]) -> float | None:
    """Compute the number of directions over which the variance of the states is spread.

        (sum l_i)^2 / sum l_i^2

    with l the eigenvalues of the states' covariance (centred, unlike `effective_rank`). It is 1
    where all variance lies in one direction and d where d directions share it equally. It weighs
    directions by their variance, so a few strong ones keep it low.

    Cost: a few passes over tokens^2 numbers; no spectrum is computed.
    Source: Gao et al. 2017 (bioRxiv 214262).

    Args:
        gram: Gram matrix of the states.

    Returns:
        A number of directions. None where the states are all the same.
    """
    centred = centred_gram(gram)
    trace = float(numpy.trace(centred))
    if trace <= ROUNDING * len(gram) * float(numpy.trace(gram)):
        return None
    return trace**2 / float((centred**2).sum())


def anisotropy(gram: Float[ndarray, "tokens tokens"]) -> float | None:
    """Compute the mean cosine between the states of two distinct tokens.

        1 / (n (n-1)) * sum over i != j of cos(x_i, x_j)

    Pairs of a token with itself are left out, so over draws of tokens it is unbiased for the
    cosine that two tokens are expected to have. 0: directions are used evenly; 1: all states
    point one way.

    Limits: a single coordinate of large mean can carry it.

    Cost: one pass over tokens^2 numbers.
    Source: Ethayarajh 2019 (arXiv 1909.00512), section 3.2, with all pairs for a sample of pairs.

    Args:
        gram: Gram matrix of the states.

    Returns:
        The mean cosine, in [-1, 1]. None with fewer than 2 tokens, or where a state is zero.
    """
    norms = numpy.sqrt(numpy.diagonal(gram))
    num = len(gram)
    if num < 2 or not (norms > 0).all():
        return None
    cosines = gram / numpy.outer(norms, norms)
    return float(cosines.sum() - numpy.trace(cosines)) / (num * (num - 1))


def centred_gram(gram: Float[ndarray, "tokens tokens"]) -> Float[ndarray, "tokens tokens"]:
    """Compute the Gram matrix of the states after their mean is subtracted."""
    rows = gram.mean(axis=0)
    centred: Float[ndarray, "tokens tokens"] = gram - rows[:, None] - rows[None, :] + rows.mean()
    return centred
