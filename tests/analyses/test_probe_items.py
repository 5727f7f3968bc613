"""How many items a probe scores, and what a cap costs."""

from types import SimpleNamespace

import pytest

from driftline.analyses._probe_items import (
    FEWEST_ITEMS,
    SCORED_PER_TRAINED_TOKEN,
    affordable_items,
    items_caveat,
)
from driftline.capabilities import Capability, MinimalPair
from driftline.results import CapabilityScore

TOKENS_PER_ITEM = 10


def capability(name, num_items):
    items = tuple(MinimalPair(id=str(i), good=f"{i} is", bad=f"{i} are") for i in range(num_items))
    return Capability(name, "minimal_pair", "probability", 0.03, items)


ENGINE = SimpleNamespace(num_tokens=lambda some: TOKENS_PER_ITEM * sum(len(c.items) for c in some))


def cap(*sizes, trained, num_points=5, other=100):
    return affordable_items(
        [capability(f"c{n}", size) for n, size in enumerate(sizes)],
        ENGINE,
        num_points=num_points,
        other_tokens=other,
        trained_tokens=trained,
    )


def test_all_items_where_training_takes_as_long():
    needed = 5 * (TOKENS_PER_ITEM * 500 + 100) / SCORED_PER_TRAINED_TOKEN
    assert cap(250, 250, trained=needed) is None
    assert cap(250, 250, trained=needed - 10) < 250


@pytest.mark.parametrize("trained", [3_000, 5_000, 7_000])
@pytest.mark.parametrize("sizes", [(250, 250), (1000, 60, 300), (40, 4000)])
def test_scoring_takes_at_most_as_long_as_training(sizes, trained):
    num = cap(*sizes, trained=trained)
    tokens = TOKENS_PER_ITEM * sum(min(num, size) for size in sizes)
    more = TOKENS_PER_ITEM * sum(min(num + 1, size) for size in sizes)
    allowed = SCORED_PER_TRAINED_TOKEN * trained
    assert num >= FEWEST_ITEMS
    assert 5 * (tokens + 100) <= allowed or num == FEWEST_ITEMS
    assert 5 * (more + 100) > allowed


@pytest.mark.parametrize("trained", [0, 1, 100])
def test_a_short_probe_still_scores_some(trained):
    assert cap(250, 250, trained=trained) == FEWEST_ITEMS
    assert cap(20, 10, trained=trained) is None


def score(name, num_items, error=0.02):
    return CapabilityScore(
        capability=name, metric="probability", unit="probability", higher_is_better=True,
        value=0.75, low=0.7, high=0.8, standard_error=error, confidence_level=0.9,
        num_items=num_items, tolerance=0.03, required=True,
    )  # fmt: skip


def test_nothing_is_said_where_nothing_was_capped():
    assert items_caveat([score("a", 250)], {"a": 250}, asked=None) is None


@pytest.mark.parametrize(("asked", "why"), [(None, "--items N raises it"), (64, "as --items asks")])
def test_what_a_cap_costs_is_said_in_points(asked, why):
    said = items_caveat([score("a", 64), score("b", 50)], {"a": 256, "b": 50}, asked=asked)
    assert "At most 64 items" in said
    assert why in said
    assert "a 2 and 1 points (64 of 256 items)" in said
    assert "b " not in said
