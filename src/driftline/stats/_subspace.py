"""Subspaces of gradients: how many directions they fill, and how much of others lies in them."""

import numpy
from jaxtyping import Float, Int
from numpy import ndarray


def paired_participation_ratio(
    rows: Float[ndarray, "rows width"], items: Int[ndarray, " rows"]
) -> float | None:
    """Estimate the participation ratio of some vectors without the bias of a small sample.

    The participation ratio of the uncentred second moment C = E[g g'] is (tr C)^2 / tr(C^2). Both
    are estimated from pairs of rows of different items,

        sum |g_i|^2 |g_j|^2 / sum (g_i . g_j)^2,

    because the plain ratio of a sample cannot exceed its size, and rows of one item are alike.

    >>> paired_participation_ratio(numpy.array([[1.0, 0.0], [2.0, 0.0]]), numpy.array([0, 1]))
    1.0

    Args:
        rows: The vectors.
        items: The item of each; pairs within one do not count.

    Returns:
        At most the width; None where no two items have vectors, or all pairs are orthogonal.
    """
    products = rows @ rows.T
    apart = items[:, None] != items[None, :]
    norms = numpy.diag(products)
    common = float((products**2)[apart].sum())
    if common <= 0.0:
        return None
    return min(float(numpy.outer(norms, norms)[apart].sum()) / common, float(rows.shape[1]))


def top_directions(
    rows: Float[ndarray, "rows width"], num_directions: int
) -> Float[ndarray, "directions width"]:
    """Compute the directions that hold most of the energy of some vectors.

    Args:
        rows: The vectors, uncentred.
        num_directions: Number of directions, at most the number of rows and columns.

    Returns:
        Orthonormal rows, the strongest first: the right singular vectors.
    """
    kept: Float[ndarray, "directions width"]
    kept = numpy.linalg.svd(rows, full_matrices=False)[2][:num_directions]
    return kept


def energy_share(
    rows: Float[ndarray, "rows width"], directions: Float[ndarray, "directions width"]
) -> float | None:
    """Compute the share of the energy of some vectors, sum |g|^2, that lies in a subspace.

    Args:
        rows: The vectors.
        directions: An orthonormal basis of the subspace, one a row.

    Returns:
        From 0 to 1; directions / width is what vectors without preference have. None where all
        vectors are 0.
    """
    energy = float((rows**2).sum())
    return None if energy <= 0.0 else float(((rows @ directions.T) ** 2).sum()) / energy
