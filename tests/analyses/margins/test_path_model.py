"""How the loss goes on after the probe, against curves with known parts."""

import numpy
import pytest

from driftline.analyses import PathLosses, predicted_losses, shipped_path_calibration
from driftline.analyses.margins._path_model import SATURATION_NATS, tolerated_multiple

RATES = numpy.concatenate([numpy.arange(6) / 6, (1 + numpy.cos(numpy.linspace(0, 3.1, 54))) / 2])
PROBE = (3, 6, 9, 12)


def parts():
    """First and second order, step by step, the slow way."""
    first, second = [0.0], [0.0]
    for rate in RATES:
        second.append(second[-1] + first[-1] * rate**2)
        first.append(first[-1] + rate)
    return numpy.array(first) / first[12], numpy.array(second) / second[12]


def test_it_goes_on_from_the_last_look_to_the_end():
    losses = numpy.array([0.0, -0.05, 0.02, 0.07])
    found = predicted_losses(RATES.tolist(), PROBE, losses)
    assert len(found) == len(RATES) + 1 - 12
    assert found[0] == losses[-1]


@pytest.mark.parametrize(("gain", "damage"), [(-0.1, 0.1), (0.1, 0.0), (0.0, -0.1), (0.0, 0.0)])
def test_small_parts_are_found_again(gain, damage):
    first, second = parts()
    curve = gain * first + damage * second
    found = predicted_losses(RATES.tolist(), PROBE, curve[list(PROBE)])
    # The ridge holds the two parts back, by less than a half here.
    rise, real = found[12] - found[0], curve[24] - curve[12]
    assert rise == pytest.approx(
        numpy.tanh(real / SATURATION_NATS) * SATURATION_NATS, rel=0.5, abs=1e-9
    )
    assert numpy.sign(round(rise, 6)) == numpy.sign(round(real, 6))


def test_no_rise_exceeds_the_saturation():
    found = predicted_losses(RATES.tolist(), PROBE, numpy.array([0.0, 0.1, 1.0, 4.0]))
    assert found.max() - found[0] <= SATURATION_NATS
    assert found.max() - found[0] > 0.9 * SATURATION_NATS


def test_turning_the_sign_turns_the_prediction():
    losses = numpy.array([0.01, -0.05, 0.02, 0.07])
    found = predicted_losses(RATES.tolist(), PROBE, losses)
    assert predicted_losses(RATES.tolist(), PROBE, -losses) == pytest.approx(-found)


def test_the_unit_of_the_rates_does_not_matter():
    losses = numpy.array([0.01, -0.05, 0.02, 0.07])
    found = predicted_losses(RATES.tolist(), PROBE, losses)
    assert predicted_losses((RATES * 3e-4).tolist(), PROBE, losses) == pytest.approx(found)


def test_one_look_and_a_probe_of_the_whole_run_are_enough():
    assert len(predicted_losses([1.0] * 10, (1,), numpy.array([0.1]))) == 10
    assert predicted_losses([1.0] * 10, (10,), numpy.array([0.1])).tolist() == [0.1]


def joined(predicted):
    measured = numpy.array([[0.0, 0.02], [-0.01, 0.01], [0.01, 0.03]])
    later = range(3, 3 + len(predicted[0]))
    return PathLosses.joined((1, 2), measured, tuple(later), numpy.array(predicted, dtype=float))


WIDENING = ([0.02, 0.1, 0.2], [0.01, 0.05, 0.05], [0.03, 0.15, 0.4])


def test_measured_and_predicted_parts_are_joined_with_their_own_bands():
    path = joined(WIDENING)
    assert path.steps.tolist() == [1, 2, 3, 4, 5]
    assert path.num_looks == 2
    assert path.losses.tolist() == [0.0, 0.02, 0.02, 0.1, 0.2]
    assert path.lower.tolist() == [-0.01, 0.01, 0.01, 0.05, 0.05]
    assert path.upper.tolist() == [0.01, 0.03, 0.03, 0.15, 0.4]
    assert path.largest == pytest.approx((0.2, 0.01, 0.4))


def test_the_largest_loss_is_not_less_than_what_was_seen():
    measured = numpy.array([[0.2, 0.3], [0.19, 0.28], [0.21, 0.32]])
    whole = PathLosses.joined((1, 2), measured, (), numpy.zeros((3, 0)))
    assert whole.largest == pytest.approx((0.3, 0.28, 0.32))
    longer = PathLosses.joined((1, 2), measured, (3,), numpy.array([[0.35], [0.1], [0.8]]))
    assert longer.largest == pytest.approx((0.35, 0.28, 0.8))
    healed = PathLosses.joined((1, 2), measured, (3,), numpy.array([[0.1], [0.0], [0.2]]))
    assert healed.largest == whole.largest


def test_a_probe_within_the_warm_up_is_not_prolonged_to_second_order():
    rates = [*(step / 30 for step in range(30)), *([1.0] * 30)]
    losses = numpy.array([0.0, 0.0, 0.0, 0.01])
    slow = predicted_losses(rates, PROBE, losses)
    assert abs(slow[-1]) < 0.5 * SATURATION_NATS
    assert abs(predicted_losses(RATES.tolist(), PROBE, losses)[-1]) < 0.2


def test_crossings_are_those_of_the_bands():
    path = joined(WIDENING)
    value, low, high = path.crossing(0.1)
    assert value == pytest.approx(4)
    assert low == pytest.approx(3 + (0.1 - 0.03) / (0.15 - 0.03))
    assert high is None
    assert path.crossing(0.04).high == pytest.approx(3 + 0.03 / 0.04)
    assert path.crossing(0.3).value is None
    assert path.crossing(0.3).low == pytest.approx(4.6)
    assert path.crossing(0.5) == (None, None, None)


def test_a_factor_of_the_rate_or_the_steps():
    assert tolerated_multiple(0.1, 0.4, [1.0, 2.0, 0.5]) == pytest.approx([4.0, 2.0, 16.0])
    assert tolerated_multiple(0.4, 0.1, [2.0]) == pytest.approx([0.5])


def test_the_shipped_calibration_is_of_real_runs():
    shipped = shipped_path_calibration()
    assert shipped.num_runs >= 6
    assert shipped.shares[0] == shipped.scales_nats[0] == 0
    assert shipped.shares[-1] == 1
    assert 0 < shipped.steps_exponents["full"].value < shipped.steps_exponents["lora"].value
    assert shipped.rate_exponent.low < shipped.rate_exponent.value < shipped.rate_exponent.high
