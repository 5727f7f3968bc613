"""What an explanation says in words."""

from types import SimpleNamespace

import pytest

from driftline.results import (
    AtRiskItem,
    ConflictingExample,
    ForecastExplanation,
    explanation_sentences,
)

FOUND = ForecastExplanation(
    failure_mode="selective_capability_loss",
    reason="1 of 4 capabilities are forecast beyond their tolerance",
    items=(AtRiskItem(capability="facts", item="paris\x1b[31m", loss=1.25),),
    rate_effect=(0.47, 0.31, 0.64),
    steps_effect=(0.85, 0.59, 1.19),
    critical_learning_rate=(1.1e-4, 2e-5, 1.4e-4),
    conflict_share=0.12,
    conflicts=(ConflictingExample(example="17", share=0.5),),
)


def said(**changes):
    return explanation_sentences(SimpleNamespace(explanation=FOUND.model_copy(update=changes)))


def test_without_a_forecast_nothing_is_said():
    assert explanation_sentences(SimpleNamespace(explanation=None)) == ()


def test_mode_levers_items_and_data_are_named_in_that_order():
    mode, rate, steps, items, data = said()
    assert mode.startswith("Failure mode that this points to: selective capability loss (1 of 4")
    assert rate == "Half the learning rate leaves 47% of a loss (31% to 64%)."
    assert steps == "Half the steps leaves 85% of a loss (59% to 119%)."
    assert "of facts (-1.25)" in items
    assert "\x1b" not in items
    assert data.endswith("most in the examples 17 (50%).")


def test_a_run_without_risk_is_told_no_lever():
    sentences = said(failure_mode=None, items=(), conflicts=(), conflict_share=None)
    assert len(sentences) == 1
    assert sentences[0].startswith("Failure mode that this points to: none")


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_data_without_an_example_to_name_still_has_its_share(share):
    assert said(conflicts=(), conflict_share=share)[-1].endswith("is sure of.")
