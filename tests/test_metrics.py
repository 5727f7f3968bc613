"""Properties of metrics: one table, in which every kind of use agrees."""

import math

import pytest

from driftline.metrics import METRICS


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_properties_fit_together(metric):
    assert metric.is_bounded == (metric.largest_loss < math.inf)
    assert not metric.is_binary or metric.falls_to_chance
    assert metric.gradient_of is None or METRICS[metric.gradient_of].has_gradient
    # Where finished runs of another metric stand in, it has runs of its own, and the same unit's width.
    like = metric.forecast_like
    assert like is None or METRICS[like].forecast_like is None
    assert like is None or METRICS[like].bounds == metric.bounds
    assert like is None or METRICS[like].higher_is_better == metric.higher_is_better


def test_what_a_metric_is():
    probability = METRICS["probability"]
    assert (probability.bounds, probability.largest_loss) == ((0.0, 1.0), 1.0)
    assert probability.forecast_like is None
    assert not probability.is_in_nats
    assert {name for name, m in METRICS.items() if m.forecast_like == "probability"} == {
        "accuracy", "exact_match"
    }  # fmt: skip
    assert METRICS["margin_nats"].largest_loss == 10.0
    assert not METRICS["nll_nats"].higher_is_better
    assert {name for name, m in METRICS.items() if m.is_binary} == {"accuracy", "exact_match"}
    assert {name for name, m in METRICS.items() if m.is_in_nats} == {"margin_nats", "nll_nats"}
