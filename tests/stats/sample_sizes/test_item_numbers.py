"""How many items a verdict needs: with that many the test passes as often as was promised."""

import numpy
import pytest

from driftline.errors import ConfigError
from driftline.metrics import METRICS
from driftline.stats import (
    MEASURED_SPREADS,
    bounded_margin_shown,
    bounded_noninferiority,
    bounded_num_items_needed,
    items_needed,
    margin_shown,
    metric_named,
    spread_of,
)
from driftline.stats.sample_sizes import _bounded_power as bounded_power


@pytest.mark.statistics
@pytest.mark.parametrize(
    ("name", "margin", "spread"),
    [("probability", 0.05, 0.15), ("probability", 0.1, 0.3), ("margin_nats", 0.5, 0.9)],
)
def test_the_real_test_passes_with_the_power(name, margin, spread):
    metric = METRICS[name]
    num = items_needed(metric, margin=margin, spread=spread)
    bounds = (-metric.largest_loss, metric.largest_loss)
    draws = numpy.random.default_rng(1)
    passed = [
        bounded_noninferiority(
            draws.normal(0, spread, num).clip(*bounds), margin=margin, bounds=bounds
        ).verdict
        == "non_inferior"
        for _ in range(150)
    ]
    assert 0.7 <= numpy.mean(passed) <= 0.92


def test_nats_need_as_many_items_as_their_bounds_ask_for():
    # Fewer cannot rule out a rare, large loss, however little is seen to move.
    least = items_needed(METRICS["margin_nats"], margin=0.25, spread=0.01)
    assert 120 <= least <= 170
    assert items_needed(METRICS["margin_nats"], margin=0.25, spread=0.718) > least


@pytest.mark.parametrize("name", list(MEASURED_SPREADS))
def test_more_spread_a_smaller_margin_or_a_loss_ask_for_more(name):
    metric, spread = METRICS[name], MEASURED_SPREADS[name]
    margin = 0.1
    usual = items_needed(metric, margin=margin, spread=spread)
    assert items_needed(metric, margin=margin, spread=3 * spread) > usual
    assert items_needed(metric, margin=margin / 2, spread=spread) >= usual
    assert items_needed(metric, margin=margin, spread=spread, change=-margin / 3) >= usual


@pytest.mark.parametrize("name", list(MEASURED_SPREADS))
def test_the_margin_that_items_show_needs_about_as_many(name):
    metric, spread = METRICS[name], MEASURED_SPREADS[name]
    groups = [str(n) for n in range(250)]
    shown = margin_shown(metric, groups, spread)
    assert items_needed(metric, margin=1.1 * shown, spread=spread) <= 260
    assert items_needed(metric, margin=0.7 * shown, spread=spread) > 250


def test_kin_items_show_less():
    alone = bounded_margin_shown(200, standard_deviation=0.1, bounds=(-1.0, 1.0))
    kin = bounded_margin_shown(
        200, standard_deviation=0.1, bounds=(-1.0, 1.0), groups=numpy.arange(200) // 5
    )
    assert kin > alone


@pytest.mark.parametrize("name", ["probability", "margin_nats", "accuracy"])
def test_groups_need_more_items(name):
    metric, spread = METRICS[name], MEASURED_SPREADS[name]
    needed = [items_needed(metric, margin=0.1, spread=spread, group_size=n) for n in (1, 4)]
    assert needed[1] > 1.5 * needed[0]


@pytest.mark.parametrize(
    ("margin", "spread", "bound", "change", "group_size", "alpha"),
    [
        (0.01, 0.112, 1.0, 0.0, 1, 0.05),
        (0.01, 0.112, 1.0, -0.004, 1, 0.05),
        (0.2, 0.718, 10.0, -0.1, 1, 0.05),
        (0.01, 0.02, 10.0, 0.0, 1, 0.05),
        (0.03, 0.6, 1.0, 0.0, 4, 0.05),
        (0.02, 0.3, 1.0, 0.0, 1, 0.0005),
    ],
)
def test_numbers_that_are_calculated_are_those_of_the_test(
    monkeypatch, margin, spread, bound, change, group_size, alpha
):
    plan = {
        "margin": margin, "standard_deviation": spread, "bounds": (-bound, bound),
        "change": change, "confidence_level": 1 - alpha, "group_size": group_size,
    }  # fmt: skip
    tested = bounded_num_items_needed(**plan)
    monkeypatch.setattr(bounded_power, "LARGEST_TESTED", 0)
    assert bounded_num_items_needed(**plan) == pytest.approx(tested, rel=0.02)


def test_no_test_is_made_on_more_units_than_memory_holds(monkeypatch):
    sizes = []

    def counted(changes, **asked):
        sizes.append(len(changes))
        return bounded_noninferiority(changes, **asked)

    monkeypatch.setattr(bounded_power, "bounded_noninferiority", counted)
    assert items_needed(METRICS["probability"], margin=0.0003, spread=0.112) > 1_000_000
    assert items_needed(METRICS["probability"], margin=0.01, spread=0.112) < 2000
    assert max(sizes) < 2 * bounded_power.LARGEST_TESTED


def test_too_few_items_show_nothing():
    assert bounded_margin_shown(2, standard_deviation=0.1, bounds=(-1.0, 1.0)) is None
    assert margin_shown(METRICS["nll_nats"], ["a", "b"], 0.1) is None


def test_what_is_refused():
    with pytest.raises(ConfigError, match="no spread was measured for exact_match"):
        spread_of(METRICS["exact_match"])
    assert spread_of(METRICS["exact_match"], 0.1) == (0.1, False)
    assert spread_of(METRICS["probability"]).is_measured
    with pytest.raises(ConfigError, match="no such metric; take one of probability"):
        metric_named("perplexity")
    with pytest.raises(ConfigError, match="above -margin"):
        bounded_num_items_needed(
            margin=0.1, standard_deviation=0.1, bounds=(-1.0, 1.0), change=-0.2
        )
