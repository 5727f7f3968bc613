"""How many items a probe scores, and what a cap costs."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from driftline.analyses.items._num_scored import (
    FEWEST_ITEMS,
    FEWEST_WATCHED,
    SCORED_PER_TRAINED_TOKEN,
    affordable_items,
    certifying_items,
    check_items,
    claims_caveat,
    items_caveat,
    sampled_items,
    search_items,
)
from driftline.analyses.items._split import split_items
from driftline.capabilities import Capability, MinimalPair, Passage
from driftline.errors import ConfigError
from driftline.results import CapabilityScore

TOKENS_PER_ITEM = 10


def capability(name, num_items):
    items = tuple(MinimalPair(id=str(i), good=f"{i} is", bad=f"{i} are") for i in range(num_items))
    return Capability(name, "minimal_pair", "probability", 0.03, items)


ENGINE = SimpleNamespace(num_tokens=lambda some: TOKENS_PER_ITEM * sum(len(c.items) for c in some))


def cap(*sizes, trained, num_points=5, other=100):
    found = affordable_items(
        [capability(f"c{n}", size) for n, size in enumerate(sizes)],
        ENGINE,
        num_points=num_points,
        other_tokens=other,
        trained_tokens=trained,
    )
    if found is None:
        return None
    (number,) = set(found.values())
    return number


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


def watching(*, required, watched, trained):
    """Cap six capabilities of 300 items, three of which are required."""
    capabilities = [
        replace(capability(name, 300), required=name in required) for name in (*required, *watched)
    ]
    return affordable_items(
        capabilities, ENGINE, num_points=2, other_tokens=0, trained_tokens=trained
    )


@pytest.mark.parametrize(
    ("items_in_all", "required", "watched"),
    [
        (0, FEWEST_ITEMS, FEWEST_WATCHED),
        (3 * 200 + 3 * FEWEST_WATCHED, 200, FEWEST_WATCHED),
        (3 * 300 + 3 * 100, 300, 100),
    ],
)
def test_required_capabilities_come_first(items_in_all, required, watched):
    trained = 2 * TOKENS_PER_ITEM * items_in_all / SCORED_PER_TRAINED_TOKEN
    found = watching(required="abc", watched="xyz", trained=trained)
    assert found == {**dict.fromkeys("abc", required), **dict.fromkeys("xyz", watched)}
    assert watching(required="abcxyz", watched="", trained=2_000_000) is None


def test_where_none_is_required_all_are_alike():
    trained = 2 * TOKENS_PER_ITEM * 600 / SCORED_PER_TRAINED_TOKEN
    found = watching(required="", watched="uvwxyz", trained=trained)
    assert found == dict.fromkeys("uvwxyz", 100)


def test_numbers_by_name_are_drawn_as_one_number_is():
    capabilities = [capability("a", 50), capability("b", 50)]
    by_name = sampled_items(capabilities, {"a": 7, "b": 60}, seed=3)
    assert by_name == (
        sampled_items(capabilities, 7, seed=3)[0], sampled_items(capabilities, 60, seed=3)[1]
    )  # fmt: skip
    assert [len(c.items) for c in by_name] == [7, 50]


def score(name, num_items, error=0.02):
    return CapabilityScore(
        capability=name, metric="probability", unit="probability", higher_is_better=True,
        value=0.75, low=0.7, high=0.8, standard_error=error, confidence_level=0.9,
        num_items=num_items, tolerance=0.03, required=True,
    )  # fmt: skip


def test_nothing_is_said_where_nothing_was_capped():
    assert items_caveat([score("a", 250)], {"a": 250}, requested=None) is None


@pytest.mark.parametrize(("asked", "why"), [(None, "--items N raises it"), (64, "as --items asks")])
def test_what_a_cap_costs_is_said_in_points(asked, why):
    said = items_caveat([score("a", 64), score("b", 50)], {"a": 256, "b": 50}, requested=asked)
    assert "At most 64 items" in said
    assert why in said
    assert "a 2 and 1 points (64 of 256 items)" in said
    assert "b " not in said


@pytest.mark.parametrize(("num_items", "expected"), [(10, 5), (61, 30), (300, 150), (2000, 1000)])
def test_half_of_the_items_choose(num_items, expected):
    assert search_items([capability("a", num_items)], requested=None) == {"a": expected}
    assert search_items([capability("a", num_items)], requested=7) == {"a": 7}


@pytest.mark.parametrize("tolerance", [1e-9, 1e-6])
def test_a_tolerance_that_no_suite_can_show_needs_no_number(tolerance):
    tight = replace(capability("a", 300), tolerance=tolerance)
    assert certifying_items(tight) is None
    assert search_items([tight], requested=None) == {"a": 150}


def passages(groups, **fields):
    items = tuple(Passage(id=str(i), text=f"Day {i}.", group=g) for i, g in enumerate(groups))
    return Capability("t", "perplexity", "nll_nats", 0.05, items, **fields)


def test_a_likelihood_needs_a_range_and_known_sizes_of_groups():
    groups = [str(i // 2) for i in range(60)]
    assert certifying_items(passages(groups)) is None
    assert certifying_items(passages([None] * 60, score_range=(0.0, 12.0))) > 1000
    assert certifying_items(passages(groups, score_range=(0.0, 12.0))) > 2000
    unequal = passages([*groups, "0"], score_range=(0.0, 12.0))
    assert certifying_items(unequal) is None
    assert certifying_items(replace(unequal, max_group_size=4)) > 3900


@pytest.mark.parametrize("asked", [-1, 0, 1])
def test_too_few_items_are_refused(asked):
    with pytest.raises(ConfigError, match=f"--items: {asked} is too few"):
        check_items(asked)
    check_items(None)
    check_items(2)


def test_what_a_cap_costs_the_claims_leaves_out_the_items_that_choose():
    whole = capability("a", 250)
    taken = whole.sample(100, seed=0)
    halves = split_items(taken, num_search=40, seed=0)
    claim = SimpleNamespace(
        capability="a", unit="probability", num_items=len(halves.report.items), standard_error=0.01
    )
    (said,) = claims_caveat([claim], [whole], [halves], 100)
    assert "60 of 210 items" in said
    assert "Standard errors of the changes" in said
    everything = split_items(whole, num_search=40, seed=0)
    claim.num_items = len(everything.report.items)
    assert claims_caveat([claim], [whole], [everything], None) == ()
