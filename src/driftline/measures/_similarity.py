"""Similarity of two sets of states of the same tokens, independent of the choice of axes."""

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError

MIN_TOKENS = 4
"""The unbiased estimator divides by n (n - 3)."""
_ROUNDING = 1e-10
"""A centred Gram matrix smaller than this share of the plain one is rounding, not spread."""


def gram_matrix(states: Float[ndarray, "tokens width"]) -> Float[ndarray, "tokens tokens"]:
    """Compute the inner products of all pairs of states.

    Cost: tokens^2 * width multiplications, in float64.

    Args:
        states: One state a token, in any float dtype.

    Returns:
        states @ states.T.

    Raises:
        RunError: A state is not finite.
    """
    if not numpy.isfinite(states).all():
        raise RunError("a hidden state is infinite or not a number; the weights are out of range")
    wide = states.astype(numpy.float64)
    gram: Float[ndarray, "tokens tokens"] = wide @ wide.T
    return gram


def debiased_hsic(
    gram: Float[ndarray, "tokens tokens"], other: Float[ndarray, "tokens tokens"]
) -> float:
    """Compute the unbiased estimate of the Hilbert-Schmidt independence criterion.

    With K and L the Gram matrices, their diagonals set to zero, and n tokens:

        HSIC = [tr(K L) + (1'K1)(1'L1) / ((n-1)(n-2)) - 2/(n-2) 1'K L 1] / (n (n-3))

    Over draws of independent states its mean is 0, so single values may be negative; with itself
    it never is. It does not change when one vector is added to all states.

    Cost: a few passes over tokens^2 numbers.
    Source: Song et al. 2012 (JMLR 13), equation 5.

    Args:
        gram: Gram matrix of the states of some tokens.
        other: Gram matrix of other states of the same tokens, in the same order.

    Returns:
        The estimate, in the product of the units of both.

    Raises:
        RunError: There are fewer than 4 tokens.
    """
    num = len(gram)
    if num < MIN_TOKENS:
        raise RunError(f"unbiased HSIC needs {MIN_TOKENS} tokens and there are {num}")
    return float((_u_centred(gram) * _u_centred(other)).sum()) / (num * (num - 3))


def debiased_linear_cka(
    gram: Float[ndarray, "tokens tokens"], other: Float[ndarray, "tokens tokens"]
) -> float | None:
    """Compute the debiased linear centred kernel alignment of two sets of states.

        CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))

    with linear kernels (Gram matrices of the states) and the unbiased estimate of HSIC. It is 1 for
    states that differ by a rotation, a reflection, one common factor or one common shift, near 0
    for unrelated ones, and lies in [-1, 1].

    Limits: numerator and denominator are unbiased, their ratio is not quite. The plain estimator
    calls unrelated states alike when there are not many more tokens than dimensions; this one does
    not. Few directions of large variance decide it, so it can stay near 1 while all others turn.

    Cost: a few passes over tokens^2 numbers.
    Source: Kornblith et al. 2019 (arXiv 1905.00414) for linear CKA; the unbiased HSIC in it as in
    Nguyen et al. 2021 (arXiv 2010.15327), after Song et al. 2012.

    Args:
        gram: Gram matrix of the states of some tokens.
        other: Gram matrix of other states of the same tokens, in the same order; of any width.

    Returns:
        The alignment. None where the states of one side have no spread: fewer than 4 tokens, or
        the same state at every token.
    """
    if len(gram) < MIN_TOKENS:
        return None
    directions = []
    for plain in (gram, other):
        centred = _u_centred(plain)
        norm = float(numpy.linalg.norm(centred))
        if norm <= _ROUNDING * float(numpy.linalg.norm(plain)):
            return None
        directions.append(centred / norm)
    # The sum is a cosine, up to rounding.
    return min(1.0, max(-1.0, float((directions[0] * directions[1]).sum())))


def _u_centred(gram: Float[ndarray, "tokens tokens"]) -> Float[ndarray, "tokens tokens"]:
    """Centre so that rows and columns add up to 0 off the diagonal (Szekely and Rizzo 2014).

    The sum of the products of the cells of two such matrices is n (n - 3) times unbiased HSIC.

    Returns:
        A new matrix.
    """
    num = len(gram)
    bare = gram.copy()
    numpy.fill_diagonal(bare, 0.0)
    rows = bare.sum(axis=0) / (num - 2)
    bare += rows.sum() / (num - 1) - rows[:, None] - rows[None, :]
    numpy.fill_diagonal(bare, 0.0)
    return bare
