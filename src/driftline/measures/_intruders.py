"""Directions that tuning has put among the strongest of a matrix and that the base does not have."""

from dataclasses import dataclass

import numpy
import scipy.linalg
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError
from ._singular_values import smaller_gram, wide_parts
from ._spectrum import ROUNDING


@dataclass(frozen=True)
class IntruderDimensions:
    """The strongest left singular vectors of a tuned matrix, held against the base's."""

    largest_cosines: tuple[float, ...]
    """For each of the top k, the strongest first: the largest |cosine| with any left singular
    vector of the base."""
    indices: tuple[int, ...]
    """Indices of the intruders; 0 is the strongest direction."""


def intruder_dimensions(
    delta: Float[ndarray, "rows columns"],
    base: Float[ndarray, "rows columns"],
    *,
    top_k: int = 10,
    threshold: float = 0.5,
) -> IntruderDimensions:
    """Find intruder dimensions: strong directions of base + delta that the base does not have.

    A left singular vector of base + delta, among the `top_k` strongest, is an intruder where its
    largest |cosine| with all left singular vectors of the base is below `threshold`. Base and
    tuned are decomposed through the Gram matrix of their smaller side, in float64.

    Limits: where singular values of the base nearly coincide, its vectors are turned about by
    next to nothing, and a harmless change may look like an intruder; the number is one to compare
    between runs. Vectors whose singular value is lost in rounding (below about 1e-6 of the
    largest) are arbitrary, so they count neither as the base's nor as tuned ones.

    Cost: two Gram matrices, rows * columns * min(rows, columns) multiplications each, and all
    eigenvectors of one of them.
    Source: Shuttleworth et al. 2024 (arXiv 2410.21228); thresholds as in PEFT's `intruders.py`.

    Args:
        delta: tuned - base.
        base: The base's matrix.
        top_k: Number of strongest directions to examine; all of them if there are fewer.
        threshold: Below this |cosine| a direction is an intruder.

    Returns:
        The cosines and the intruders.

    Raises:
        RunError: `top_k` is below 1, or the threshold is no cosine.
    """
    if top_k < 1 or not 0 < threshold <= 1:
        raise RunError(
            f"top_k {top_k} must be at least 1 and the threshold {threshold} above 0 and at most 1"
        )
    if min(base.shape) == 0:
        return IntruderDimensions((), ())
    tuned = base + delta
    squared, top = _eigen(tuned, top_k)
    known, vectors = _eigen(base, min(base.shape))
    if base.shape[0] < base.shape[1]:
        cosines = top.T @ vectors
    else:
        # U = A V / s, so U_tuned' U_base = V_tuned' (tuned' base) V_base / (s_tuned s_base).
        inner = numpy.zeros((top.shape[1], base.shape[1]))
        for part, other in zip(wide_parts(tuned), wide_parts(base), strict=True):
            inner += (part @ top).T @ other
        cosines = inner @ vectors / numpy.sqrt(numpy.outer(squared, known))
    largest = numpy.abs(cosines).max(axis=1, initial=0.0).clip(max=1.0)
    result = numpy.flatnonzero(largest < threshold)
    return IntruderDimensions(tuple(map(float, largest)), tuple(map(int, result)))


def _eigen(
    matrix: Float[ndarray, "rows columns"], num: int
) -> tuple[Float[ndarray, " known"], Float[ndarray, "side known"]]:
    """Compute the leading eigenpairs of the smaller Gram matrix, strongest first up to rounding."""
    side = min(matrix.shape)
    values, vectors = scipy.linalg.eigh(
        smaller_gram(matrix), subset_by_index=[max(0, side - num), side - 1]
    )
    is_known = (values > ROUNDING * side * values[-1])[::-1]
    return values[::-1][is_known], vectors[:, ::-1][:, is_known]
