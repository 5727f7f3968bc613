"""Probabilities are shown in points; everything else is shown as documents have it."""

import pytest

from driftline.results import (
    CapabilityCourse,
    CapabilityScore,
    CurvePoint,
    StabilityMargin,
    in_points,
    shown_amount,
)
from driftline.results.documents._training_run import LossPoint
from driftline.results.parts._document import Value


def score(unit="probability", name="pairs"):
    return CapabilityScore(
        capability=name, metric="probability", unit=unit, higher_is_better=True,
        value=0.75, low=0.7, high=0.8, standard_error=0.03, confidence_level=0.9, num_items=50,
        accuracy=0.8, chance=0.5, tolerance=0.03, required=True,
    )  # fmt: skip


class Holder(Value):
    rows: tuple[Value, ...]


def test_numbers_in_the_unit_are_turned_and_shares_are_not():
    found = in_points(score())
    assert (found.unit, found.value, found.tolerance) == ("points", 75.0, 3.0)
    assert (found.low, found.high, found.standard_error) == pytest.approx((70.0, 80.0, 3.0))
    assert (found.accuracy, found.chance, found.confidence_level) == (0.8, 0.5, 0.9)
    assert in_points(found) == found


@pytest.mark.parametrize("unit", ["nats", "nats per token", "share of items"])
def test_other_units_are_left_alone(unit):
    made = score(unit)
    assert in_points(made) is made


def test_a_margin_turns_its_curve_and_keeps_its_norms():
    margin = StabilityMargin(
        capability="pairs", kind="radius", direction="noise", tolerance=0.03, unit="probability",
        base_value=0.75, low=0.1, high=0.2, confidence_level=0.9, critical_relative_norm=0.15,
        curve=(CurvePoint(scale=0.1, value=-0.02),),
    )  # fmt: skip
    found = in_points(margin)
    assert (found.tolerance, found.curve[0].value) == (3.0, -2.0)
    assert (found.low, found.high, found.critical_relative_norm) == (0.1, 0.2, 0.15)
    assert found.curve[0].scale == 0.1


def test_losses_by_capability_are_turned_each_in_its_own_unit():
    course = CapabilityCourse(
        capability="pairs", metric="probability", unit="probability", tolerance=0.03,
        required=True, num_items=50, change=-0.01, within_tolerance=True, largest_loss=0.02,
        largest_loss_step=3, alarm_step=None,
    )  # fmt: skip
    check = LossPoint(
        step=3, losses={"pairs": 0.02, "texts": 0.02}, kl_suite_nats=0.1,
        representation_drift=None, update_relative_norm=None, steps_left=None,
    )  # fmt: skip
    found = in_points(Holder(rows=(course, check)))
    assert found.rows[0].change == -1.0
    assert found.rows[1].losses == {"pairs": 2.0, "texts": 0.02}
    assert found.rows[1].kl_suite_nats == 0.1


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.034, "probability", "3.4 points"),
        (0.25, "nats", "0.25 nats"),
        (0.1, "nats per token", "0.1 nats per token"),
        (0.02, "share of items", "0.02 share of items"),
    ],
)
def test_an_amount_in_words(value, unit, text):
    assert shown_amount(value, unit) == text
    assert shown_amount(-value, unit, signed=True) == f"-{text}"
