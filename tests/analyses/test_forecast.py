"""The forecast of one loss, and what calibration makes of finished runs."""

import math

import numpy
import pytest

from driftline.analyses import (
    CalibrationCell,
    fit_exponent,
    held_out_errors,
    shipped_calibration,
)
from driftline.analyses._forecast import LossForecast, _highest_level, _verdict, forecast_loss
from driftline.errors import RunError

ERRORS = tuple(0.05 * k for k in range(1, 20))


def forecast(probe_loss, ratio=4.0, **changes):
    fields = {"exponent": 0.5, "floor": 0.05, "relative_errors": ERRORS, **changes}
    return forecast_loss(probe_loss, ratio, **fields)


def test_the_loss_grows_as_a_power_of_the_clock():
    # 19 errors: the 90% quantile is the 18th, 0.9.
    found = forecast(0.2)
    assert found.value == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx((0.4 - 0.9 * 0.45, 0.4 + 0.9 * 0.45))


def test_a_gain_is_the_mirror_of_a_loss():
    loss, gain = forecast(0.2), forecast(-0.2)
    assert (gain.value, gain.low, gain.high) == pytest.approx((-loss.value, -loss.high, -loss.low))


def test_no_loss_keeps_an_interval():
    found = forecast(0.0)
    assert (found.low, found.value, found.high) == pytest.approx((-0.9 * 0.05, 0.0, 0.9 * 0.05))


def test_a_probe_of_the_whole_run_is_its_end():
    assert forecast(0.2, ratio=1.0).value == 0.2
    assert forecast(0.2, exponent=0.0).value == 0.2


def test_the_level_chooses_the_error():
    assert forecast(1.0, ratio=1.0, floor=0.0, confidence_level=0.5).high == pytest.approx(1.5)


def test_too_few_finished_runs_are_refused():
    with pytest.raises(RunError, match="at least 9 are needed"):
        forecast(0.2, relative_errors=ERRORS[:8])


@pytest.mark.parametrize("num_cases", range(1, 60))
def test_the_highest_level_is_one_that_the_cases_give(num_cases):
    level = _highest_level(num_cases)
    assert level <= 0.9
    forecast(0.2, relative_errors=[0.1] * num_cases, confidence_level=level)


def test_the_forecast_covers_runs_like_those_it_was_fitted_on():
    generator = numpy.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        probe = generator.normal(0.3, 0.3, size=20)
        final = probe * 4**0.5 + (numpy.abs(probe * 4**0.5) + 0.05) * 0.2 * generator.standard_t(
            2, size=20
        )
        known = numpy.abs(final - probe * 2) / (numpy.abs(probe * 2) + 0.05)
        found = forecast(probe[-1], relative_errors=known[:-1])
        hits += found.low <= final[-1] <= found.high
    assert 0.88 <= hits / 2000 <= 0.92


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.3, 0.1, "retained"),
        (-0.3, 0.25, "retained"),  # at the tolerance it is still kept
        (0.1, 0.26, "inconclusive"),
        (0.25, 0.4, "inconclusive"),
        (0.26, 0.4, "lost"),
    ],
)
def test_the_verdict_is_by_the_whole_interval(low, high, verdict):
    assert _verdict(LossForecast((low + high) / 2, low, high), 0.25) == verdict


def cells(exponent, *, run="a", count=6, ratios=(2.0, 5.0, 9.0), noise=0.0, seed=0):
    generator = numpy.random.default_rng(seed)
    found = []
    for index in range(count):
        probe, ratio = float(generator.normal(0.2, 0.3)), ratios[index % len(ratios)]
        final = probe * ratio**exponent * math.exp(noise * generator.normal())
        found.append(CalibrationCell(run, probe, final, ratio))
    return found


@pytest.mark.parametrize("exponent", [-1.0, -0.37, 0.0, 0.31, 1.0, 1.5])
def test_a_planted_exponent_is_found(exponent):
    assert fit_exponent(cells(exponent), floor=0.05) == exponent


def test_a_planted_exponent_is_found_in_noise():
    many = cells(0.4, count=400, noise=0.3)
    assert fit_exponent(many, floor=0.05) == pytest.approx(0.4, abs=0.08)


def test_one_odd_run_does_not_move_it():
    many = [c for run in "abcd" for c in cells(0.4, run=run, seed=ord(run))]
    assert fit_exponent([*many, *cells(1.4, run="odd")], floor=0.05) == 0.4


def test_held_out_errors_are_of_the_run_that_was_left_out():
    many = [c for run in "abcd" for c in cells(0.4, run=run, seed=ord(run))]
    assert held_out_errors(many, floor=0.05) == pytest.approx([0.0] * 24, abs=1e-9)
    odd = cells(1.0, run="odd", count=3)
    errors = held_out_errors([*many, *odd], floor=0.05)
    expected = [
        abs(c.final_loss - c.probe_loss * c.clock_ratio**0.4)
        / (abs(c.probe_loss * c.clock_ratio**0.4) + 0.05)
        for c in odd
    ]
    assert len(errors) == 27
    assert list(errors) == sorted(errors)
    assert errors[-3:] == pytest.approx(sorted(expected))


def test_a_run_is_left_out_whole():
    # Two runs, two exponents: each is judged by the other's alone.
    left = [CalibrationCell("left", 1.0, 1.0, 4.0)] * 5
    right = [CalibrationCell("right", 1.0, 4.0, 4.0)] * 2
    errors = held_out_errors([*left, *right], floor=0.0)
    assert errors == pytest.approx([0.75] * 5 + [3.0] * 2)


@pytest.mark.parametrize("few", [[], cells(0.4, run="only")])
def test_nothing_to_fit_is_said(few):
    if few:
        with pytest.raises(RunError, match="no finished run"):
            held_out_errors(few, floor=0.05)
    else:
        with pytest.raises(RunError, match="no finished run"):
            fit_exponent(few, floor=0.05)


def test_the_shipped_calibration_gives_intervals():
    shipped = shipped_calibration()
    low, high = shipped.learning_rate_range
    assert 0 < low < high
    assert shipped.floor_nats > 0
    for errors in (shipped.relative_errors, shipped.target_relative_errors):
        assert list(errors) == sorted(errors)
        assert errors[0] >= 0
    forecast(0.2, relative_errors=shipped.relative_errors)
