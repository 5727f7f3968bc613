"""Gaussian-process regression against its closed form, and where it knows nothing."""

import numpy
import pytest

from driftline.errors import RunError
from driftline.stats import Kernel, fit_gaussian_process
from driftline.stats import _gaussian_process as module

KERNEL = Kernel(amplitude=1.0, length=1.0, noise=0.1)


def _cases(num, *, seed=0):
    generator = numpy.random.default_rng(seed)
    x = generator.normal(size=(num, 2))
    return x, numpy.sin(2 * x[:, 0]) + 0.05 * generator.normal(size=num)


def test_predictions_are_those_of_the_closed_form():
    x, y = _cases(12)
    new = numpy.random.default_rng(1).normal(size=(5, 2))
    found = fit_gaussian_process(x, y, kernel=KERNEL).predict(new)
    centre, scale, unit = x.mean(0), x.std(0) * numpy.sqrt(2), numpy.sqrt((y**2).mean())

    def covariance(a, b):
        a, b = (a - centre) / scale, (b - centre) / scale
        return numpy.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(-1))

    inverse = numpy.linalg.inv(covariance(x, x) + 0.01 * numpy.eye(12))
    across = covariance(new, x)
    assert found.mean == pytest.approx(across @ inverse @ y)
    variance = 1 - numpy.einsum("ij,jk,ik->i", across, inverse, across)
    assert found.deviation == pytest.approx(unit * numpy.sqrt(variance))


def test_the_kernel_of_the_largest_likelihood_predicts_better_than_nothing_does():
    x, y = _cases(80)
    new, came = _cases(200, seed=3)
    found = fit_gaussian_process(x, y).predict(new)
    assert numpy.abs(found.mean - came).mean() < 0.4 * numpy.abs(came).mean()


def test_far_from_all_cases_it_says_zero_with_the_whole_variance():
    x, y = _cases(40)
    process = fit_gaussian_process(x, y + 3.0)
    near, far = process.predict(x[:1]), process.predict(numpy.array([[1e3, -1e3]]))
    assert far.mean[0] == pytest.approx(0.0, abs=1e-9)
    assert far.deviation[0] == pytest.approx(process.unit * process.kernel.amplitude)
    assert near.deviation[0] < 0.5 * far.deviation[0]


def test_noise_alone_is_not_learnt():
    generator = numpy.random.default_rng(0)
    x, y = generator.normal(size=(120, 3)), generator.normal(size=120)
    process = fit_gaussian_process(x, y)
    assert numpy.abs(process.predict(generator.normal(size=(50, 3))).mean).mean() < 0.25


def test_a_feature_that_never_varies_changes_nothing():
    x, y = _cases(20)
    constant = numpy.hstack([x, numpy.full((20, 1), 7.0)])
    scaled = Kernel(1.0, numpy.sqrt(2 / 3), 0.1)
    plain = fit_gaussian_process(x, y, kernel=KERNEL).predict(x[:4]).mean
    assert fit_gaussian_process(constant, y, kernel=scaled).predict(constant[:4]).mean == (
        pytest.approx(plain)
    )


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (numpy.zeros((2, 1)), numpy.zeros(2)),
        (numpy.array([[1.0], [2.0], [numpy.nan]]), numpy.zeros(3)),
        (numpy.ones((3, 1)), numpy.array([0.0, numpy.inf, 1.0])),
    ],
)
def test_too_few_cases_and_what_is_no_number_are_refused(x, y):
    with pytest.raises(RunError, match="three cases"):
        fit_gaussian_process(x, y)


@pytest.mark.parametrize("logarithms", [(-1.0, 1.0, -1.0), (0.5, 0.2, -2.0), (-2.0, 2.0, 0.3)])
def test_the_gradient_of_the_likelihood_is_that_of_finite_differences(logarithms):
    draws = numpy.random.default_rng(1)
    inputs, outputs = draws.normal(size=(15, 3)), draws.normal(size=15)
    at = numpy.array(logarithms)

    def value(where):
        return module._negative_log_likelihood(Kernel(*numpy.exp(where)), inputs, outputs)[0]

    gradient = module._negative_log_likelihood(Kernel(*numpy.exp(at)), inputs, outputs)[1]
    steps = 1e-5 * numpy.eye(3)
    expected = [(value(at + step) - value(at - step)) / 2e-5 for step in steps]
    assert gradient == pytest.approx(expected, rel=1e-5, abs=1e-6)
