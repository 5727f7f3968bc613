"""Gaussian-process regression with a squared-exponential kernel.

    k(x, z) = a^2 exp(-|x - z|^2 / 2 l^2)        y = f(x) + noise, f of mean 0

Away from all cases it falls back to 0 with the whole variance a^2: a prediction says how far it is
from what is known, and no trend is carried on beyond it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy
import scipy.linalg
import scipy.optimize
from jaxtyping import Float
from numpy import ndarray

from driftline.errors import RunError
from driftline.stats import on_one_thread

_BOUNDS = ((-4.0, 2.0), (0.0, 3.0), (-4.0, 1.0))
"""Bounds of the logarithms of a, l and the noise, for inputs and outputs of unit scale. Length
scales below the spread of the inputs are excluded."""
_START = (-1.0, 1.0, -1.0)


class Kernel(NamedTuple):
    """Scales of the kernel, in units of standardised inputs and outputs."""

    amplitude: float
    length: float
    noise: float


class Prediction(NamedTuple):
    """Mean and standard deviation of the function, without the noise of a case."""

    mean: Float[ndarray, " cases"]
    deviation: Float[ndarray, " cases"]


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process; inputs are standardised by the cases it was fitted on."""

    inputs: Float[ndarray, "cases features"]
    centre: Float[ndarray, " features"]
    scale: Float[ndarray, " features"]
    unit: float
    """Root mean square of the outputs."""
    kernel: Kernel
    factor: Float[ndarray, "cases cases"]
    weights: Float[ndarray, " cases"]

    @on_one_thread
    def predict(self, inputs: Float[ndarray, "new features"]) -> Prediction:
        """Predict new cases.

        Cost: quadratic in the fitted cases for each new one.

        Args:
            inputs: One row a case, features as they were fitted.

        Returns:
            Means and deviations, in the unit of the fitted outputs.
        """
        new = (inputs - self.centre) / self.scale
        across = _covariance(self.kernel, new, self.inputs)
        solved = scipy.linalg.solve_triangular(self.factor, across.T, lower=True)
        variance = numpy.maximum(self.kernel.amplitude**2 - (solved**2).sum(axis=0), 0.0)
        return Prediction(self.unit * (across @ self.weights), self.unit * numpy.sqrt(variance))


@on_one_thread
def fit_gaussian_process(
    inputs: Float[ndarray, "cases features"],
    outputs: Float[ndarray, " cases"],
    *,
    kernel: Kernel | None = None,
) -> GaussianProcess:
    """Fit a process, by default with the kernel of the largest marginal likelihood.

    Source: Rasmussen and Williams 2006, chapters 2 and 5. Cost: cubic in the cases, some fifty times
    over where the kernel is sought.

    Args:
        inputs: One row a case; a feature that never varies is left without weight.
        outputs: Values to predict, minus the prior mean.
        kernel: Its scales, where they are known.

    Returns:
        The process.

    Raises:
        RunError: There are fewer than three cases, or something is not a number.
    """
    if len(outputs) < 3 or not (numpy.isfinite(inputs).all() and numpy.isfinite(outputs).all()):
        raise RunError("a Gaussian process needs at least three cases, all of finite numbers")
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0)
    scale = numpy.where(spread > 0, spread, 1.0) * numpy.sqrt(inputs.shape[1])
    unit = float(numpy.sqrt((outputs**2).mean())) or 1.0
    x, y = (inputs - centre) / scale, outputs / unit
    chosen = kernel or _best_kernel(x, y)
    factor, weights = _solve(chosen, x, y)
    return GaussianProcess(x, centre, scale, unit, chosen, factor, weights)


def _best_kernel(x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"]) -> Kernel:
    def cost(logarithms: Float[ndarray, " three"]) -> tuple[float, Float[ndarray, " three"]]:
        return _negative_log_likelihood(Kernel(*numpy.exp(logarithms)), x, y)

    found = scipy.optimize.minimize(
        cost,
        _START,
        jac=True,
        method="L-BFGS-B",
        bounds=_BOUNDS,
    )
    return Kernel(*(float(value) for value in numpy.exp(found.x)))


def _negative_log_likelihood(
    kernel: Kernel, x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"]
) -> tuple[float, Float[ndarray, " three"]]:
    """Return the value with its gradient in the logarithms of the scales, 0.5 tr((K^-1 - w w') dK)."""
    try:
        factor, weights = _solve(kernel, x, y)
    except numpy.linalg.LinAlgError:
        return 1e12, numpy.zeros(3)
    value = float(0.5 * y @ weights + numpy.log(numpy.diag(factor)).sum())
    outer = scipy.linalg.cho_solve((factor, True), numpy.eye(len(y))) - numpy.outer(
        weights, weights
    )
    covariance, squares = _covariance(kernel, x, x), _squares(x, x)
    gradient = numpy.array(
        [
            (outer * covariance).sum(),
            0.5 * (outer * covariance * squares).sum() / kernel.length**2,
            kernel.noise**2 * numpy.trace(outer),
        ]
    )
    return value, gradient


def _solve(
    kernel: Kernel, x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"]
) -> tuple[Float[ndarray, "cases cases"], Float[ndarray, " cases"]]:
    covariance = _covariance(kernel, x, x) + kernel.noise**2 * numpy.eye(len(y))
    factor = scipy.linalg.cholesky(covariance, lower=True)
    return factor, scipy.linalg.cho_solve((factor, True), y)


def _covariance(
    kernel: Kernel, x: Float[ndarray, "some features"], z: Float[ndarray, "others features"]
) -> Float[ndarray, "some others"]:
    found: Float[ndarray, "some others"] = kernel.amplitude**2 * numpy.exp(
        -0.5 * _squares(x, z) / kernel.length**2
    )
    return found


def _squares(
    x: Float[ndarray, "some features"], z: Float[ndarray, "others features"]
) -> Float[ndarray, "some others"]:
    """Return squared distances."""
    products = x @ z.T
    found: Float[ndarray, "some others"] = (
        (x**2).sum(axis=1)[:, None] + (z**2).sum(axis=1)[None] - 2 * products
    ).clip(0)
    return found
