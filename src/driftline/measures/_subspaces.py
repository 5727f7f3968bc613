"""Strongest directions of a layer's states."""

import numpy
import scipy.linalg
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError
from ._spectrum import ROUNDING, centred_gram


def principal_directions(
    states: Float[ndarray, "tokens width"],
    gram: Float[ndarray, "tokens tokens"],
    *,
    top_k: int,
) -> Float[ndarray, "width top_k"] | None:
    """Compute the directions in which centred states vary most: leading right singular vectors.

    Cost: the `top_k` leading eigenvectors of a tokens x tokens matrix, and tokens * width * top_k
    multiplications.

    Args:
        states: One state a token.
        gram: Their Gram matrix.
        top_k: Number of directions, at least 1.

    Returns:
        Orthonormal columns, the strongest first. None where the states vary in fewer directions.

    Raises:
        RunError: `top_k` is below 1.
    """
    num = len(states)
    if top_k < 1:
        raise RunError(f"{top_k} principal directions were asked for; at least 1 is needed")
    if top_k >= num or top_k > states.shape[1]:
        return None
    squared, left = scipy.linalg.eigh(centred_gram(gram), subset_by_index=[num - top_k, num - 1])
    if squared[0] <= ROUNDING * num * float(numpy.trace(gram)):
        return None
    # A left singular vector adds up to 0, so the mean of the states falls out by itself.
    directions = states.astype(numpy.float64).T @ left[:, ::-1]
    # Singular values of like size leave their vectors a little oblique.
    orthonormal, _ = numpy.linalg.qr(directions)
    result: Float[ndarray, "width top_k"] = orthonormal
    return result


def principal_angles(
    directions: Float[ndarray, "width top_k"], other: Float[ndarray, "width top_k"]
) -> Float[ndarray, " top_k"]:
    """Compute the angles between two subspaces, ascending.

    The cosines are the singular values of A'B for orthonormal A and B; small angles are taken
    from sines, which are exact there. All are 0 where the subspaces are the same, and pi / 2
    where they share nothing. Unlike CKA they see a rotation.

    Limits: if the k-th and the next singular value are close, the subspace itself depends on
    noise, and its largest angle may be wide after a small move; the mean is more stable.

    Cost: two QR and one singular value decomposition of width x k matrices.
    Source: Bjorck and Golub 1973; Knyazev and Argentati 2002, as in `scipy.linalg.subspace_angles`.

    Args:
        directions: Columns that span one subspace.
        other: Columns that span the other.

    Returns:
        Radians, ascending, in [0, pi / 2].
    """
    angles: Float[ndarray, " top_k"] = scipy.linalg.subspace_angles(directions, other)[::-1]
    return angles
