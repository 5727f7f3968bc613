"""How wide intervals must be, from errors on cases that were left out."""

import numpy
import scipy.optimize
from jaxtyping import Float
from numpy import ndarray


def fit_scale(
    errors: Float[ndarray, " cases"],
    predicted: Float[ndarray, " cases"],
    deviation: Float[ndarray, " cases"],
) -> tuple[float, float]:
    """Find the floor and the share under which normal errors of that scale are most likely.

    The scale of an error is sqrt(deviation^2 + (floor + share * |prediction|)^2).

    Args:
        errors: Of predictions for cases that were left out.
        predicted: Those predictions.
        deviation: How unsure the fit was of each.

    Returns:
        Floor and share.
    """
    sizes = numpy.abs(predicted)

    def cost(logarithms: Float[ndarray, " two"]) -> tuple[float, Float[ndarray, " two"]]:
        floor, share = numpy.exp(logarithms)
        noise = floor + share * sizes
        scale = numpy.hypot(deviation, noise)
        value = float((numpy.log(scale) + 0.5 * (errors / scale) ** 2).sum())
        slope = (1 - (errors / scale) ** 2) * noise / scale**2
        return value, numpy.array([(slope * floor).sum(), (slope * share * sizes).sum()])

    found = scipy.optimize.minimize(
        cost,
        numpy.log([0.1, 0.3]),
        jac=True,
        method="L-BFGS-B",
        bounds=((-5.0, 2.0), (-5.0, 1.0)),
    )
    floor, share = numpy.exp(found.x)
    return float(floor), float(share)
