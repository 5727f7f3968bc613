"""Why a forecast is what it is: failure modes, levers, items, data."""

import pytest

from driftline.analyses.assessment._explanation import failure_mode
from driftline.results import CapabilityForecast, TargetForecast


def row(name, loss, *, half=0.1, tolerance=0.25, required=True, metric="margin_nats"):
    sign = 1.0 if metric == "nll_nats" else -1.0
    low, high = sorted((sign * (loss - half), sign * (loss + half)))
    return CapabilityForecast(
        capability=name, metric=metric, unit="nats", base_value=2.0, predicted_change=sign * loss,
        low=low, high=high, confidence_level=0.9, tolerance=tolerance, required=required,
        at_risk=loss > tolerance, verdict="inconclusive",
    )  # fmt: skip


def target(change):
    return TargetForecast(
        metric="nll_nats", unit="nats per token", base_value=3.0, predicted_change=change,
        low=change, high=change, confidence_level=0.9, num_items=8,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "change", "mode"),
    [
        ((0.1, 0.0, 0.2, -0.3), -1.0, None),
        ((0.9, 0.0, 0.2, -0.3), -1.0, "selective_capability_loss"),
        ((0.9, 0.8, 0.2, -0.3), -1.0, "belief_space_collapse"),
        ((0.9, 0.0, 0.2, -0.3), 0.5, "instability_amplification"),
        ((0.1, 0.0, 0.2, -0.3), 0.5, None),
    ],
)
def test_the_failure_mode_follows_from_how_many_fall(losses, change, mode):
    rows = [row(str(n), loss) for n, loss in enumerate(losses)]
    found, reason = failure_mode(rows, target(change))
    assert found == mode
    assert reason.startswith(
        "no capability" if mode is None else str(sum(x > 0.25 for x in losses))
    )


def test_what_the_base_lacks_makes_no_failure_mode():
    lacking = row("sums", 0.0).model_copy(update={"verdict": "not_shown"})
    rows = [row("a", 0.9), row("b", 0.0), row("c", 0.0), lacking]
    assert failure_mode(rows, None)[1].startswith("1 of 3 capabilities")
    found, _ = failure_mode([row("a", 0.9), row("b", 0.0), lacking, lacking], None)
    # One of the two that the base has, not one of four.
    assert found == "belief_space_collapse"


def test_without_a_target_nothing_is_said_of_it():
    found, reason = failure_mode([row("a", 0.9), row("b", 0), row("c", 0)], None)
    assert found == "selective_capability_loss"
    assert "own task" not in reason


def test_an_assessment_explains_itself(assessment):
    found = assessment.explanation
    assert 0.0 <= found.conflict_share <= 1.0
    at_risk = {f.capability for f in assessment.forecast if f.at_risk}
    assert {item.capability for item in found.items} <= at_risk
    assert all(item.loss > 0 for item in found.items)
    assert list(found.items) == sorted(found.items, key=lambda item: -item.loss)
    value, low, high = found.rate_effect
    assert 0 < low < value < high < 1
    assert found.critical_learning_rate is None
