"""Singular values of a matrix, by the cheapest way that is exact, or nearly."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy
import scipy.linalg
from jaxtyping import Float
from numpy import ndarray

from ._spectrum import ROUNDING

_ROWS = 2**20
"""Numbers that are held in float64 at a time."""
_BLOCK, _DEPTH = 16, 8
"""The Krylov subspace of an estimate has their product of dimensions."""


def singular_values(
    matrix: Float[ndarray, "rows columns"],
) -> Float[ndarray, " rank"]:
    """Compute all singular values from the Gram matrix of the smaller side, in float64.

    Values below about 1e-6 of the largest cannot be told from rounding, and are given as 0.

    Cost: rows * columns * min(rows, columns) multiplications and the eigenvalues of a square matrix
    of the smaller side; memory for a few of those.

    Args:
        matrix: Any real matrix, in any float dtype.

    Returns:
        min(rows, columns) values, the largest first.
    """
    squared = scipy.linalg.eigvalsh(smaller_gram(matrix))[::-1]
    if len(squared) == 0:
        return squared
    kept = numpy.where(squared > ROUNDING * len(squared) * squared[0], squared, 0.0)
    result: Float[ndarray, " rank"] = numpy.sqrt(kept)
    return result


def low_rank_singular_values(
    left: Float[ndarray, "rows rank"], right: Float[ndarray, "rank columns"]
) -> Float[ndarray, " rank_or_less"]:
    """Compute the singular values of left @ right that can be nonzero, without the product.

    With QR decompositions left = Q1 R1 and right' = Q2 R2, the product is Q1 (R1 R2') Q2', so its
    singular values are those of R1 R2'.

    Cost: two QR decompositions of thin matrices and a singular value decomposition of rank x rank.

    Args:
        left: In any float dtype; computed in float64.
        right: In any float dtype.

    Returns:
        At most rank values, the largest first.
    """
    first = numpy.linalg.qr(left.astype(numpy.float64))[1]
    second = numpy.linalg.qr(right.T.astype(numpy.float64))[1]
    result: Float[ndarray, " rank_or_less"] = numpy.linalg.svd(first @ second.T, compute_uv=False)
    return result


class LargestSingularValues(NamedTuple):
    """The largest singular values of a matrix, estimated, and its whole energy, exact."""

    values: ndarray
    """The largest first; none is above the true one."""
    energy: float
    """||A||_F^2, the sum of all squares."""


def largest_singular_values(
    matrix: Float[ndarray, "rows columns"], *, seed: int = 0
) -> LargestSingularValues:
    """Compute the largest singular values by a randomised block Krylov subspace.

    The subspace is spanned by (A A')^i A N for i < 8 with N random, 16 columns wide. What A does
    there has singular values that approach A's own from below, fast where they decay, and exactly
    where the rank is below the dimensions of the subspace.

    Limits: where many values are nearly as large as the first, the first is exact to about a
    per cent, and the later ones are too small. Values beyond the subspace are not known at all.

    Cost: 17 products of A or its transpose with 16 columns, in A's own dtype.
    Source: Musco and Musco 2015 (arXiv 1504.05477), algorithm 2.

    Args:
        matrix: Any real matrix, float32 or float64.
        seed: Random seed of the random start.

    Returns:
        At most 128 values, and the energy.
    """
    rows, columns = matrix.shape
    width = min(_BLOCK, rows, columns)
    start = numpy.random.default_rng(seed).standard_normal((columns, width))
    block = numpy.linalg.qr(matrix @ start.astype(matrix.dtype))[0]
    blocks = [block]
    for _ in range(min(_DEPTH, -(-rows // width)) - 1):
        block = numpy.linalg.qr(matrix @ (matrix.T @ block))[0]
        blocks.append(block)
    basis = numpy.linalg.qr(numpy.hstack(blocks))[0]
    values = numpy.linalg.svd(basis.T @ matrix, compute_uv=False).astype(numpy.float64)
    energy = sum(float((part**2).sum()) for part in wide_parts(matrix))
    return LargestSingularValues(values, energy)


def smaller_gram(
    matrix: Float[ndarray, "rows columns"],
) -> Float[ndarray, "side side"]:
    """Compute A A' or A' A, whichever is smaller, in float64.

    Args:
        matrix: The matrix A; it is widened some rows at a time.

    Returns:
        The Gram matrix of the shorter side; A' A where both are equal.
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = numpy.zeros((tall.shape[1], tall.shape[1]))
    for part in wide_parts(tall):
        gram += part.T @ part
    return gram


def wide_parts(matrix: Float[ndarray, "rows columns"]) -> Iterator[Float[ndarray, "part columns"]]:
    """Yield the rows of a matrix in float64, some at a time, to save a wide copy of it."""
    at_once = max(1, _ROWS // max(1, matrix.shape[1]))
    for at in range(0, len(matrix), at_once):
        yield matrix[at : at + at_once].astype(numpy.float64)
