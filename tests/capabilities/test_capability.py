"""A capability: what it refuses, what its digest stands for, and its sample."""

from dataclasses import replace

import pytest

from driftline.capabilities import (
    Alternatives,
    Capability,
    Generation,
    MinimalPair,
    MultipleChoice,
    Passage,
)
from driftline.errors import SuiteError


def pairs(count):
    return tuple(MinimalPair(id=f"i{i}", good=f"{i} is", bad=f"{i} are") for i in range(count))


def capability(**changes):
    fields = {
        "name": "grammar",
        "scorer": "minimal_pair",
        "metric": "margin_nats",
        "tolerance": 0.25,
        "items": pairs(6),
    }
    return Capability(**{**fields, **changes})


def grouped(*groups):
    return tuple(
        item.model_copy(update={"group": group})
        for item, group in zip(pairs(len(groups)), groups, strict=True)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": ()}, "has 0 item; an interval needs at least 2"),
        ({"items": pairs(1)}, "has 1 item; an interval needs at least 2"),
        ({"items": pairs(2) + pairs(1)}, "two items have the id i0"),
        ({"items": grouped("g", "g", "g")}, "all its items are in the group g"),
        (
            {"metric": "nll_nats"},
            "minimal_pair gives margin_nats, accuracy and probability, not nll_nats",
        ),
        ({"scorer": "perplexity"}, "perplexity gives nll_nats, not margin_nats"),
        (
            {"scorer": "perplexity", "metric": "probability"},
            "perplexity gives nll_nats, not probability",
        ),
        ({"scorer": "cloze", "metric": "probability"}, "cloze gives nll_nats, not probability"),
        ({"scorer": "generate"}, "generate gives exact_match, not margin_nats"),
        ({"tolerance": 0.0}, "tolerance 0.0 is not above 0"),
        ({"tolerance": -0.1}, "tolerance -0.1 is not above 0"),
        ({"tolerance": float("nan")}, "tolerance nan"),
        ({"tolerance": float("inf")}, "tolerance inf"),
    ],
)
def test_what_it_refuses(changes, message):
    with pytest.raises(SuiteError, match=f"capability grammar: .*{message}"):
        capability(**changes)


@pytest.mark.parametrize(
    ("scorer", "metric", "unit", "higher"),
    [
        ("minimal_pair", "margin_nats", "nats", True),
        ("minimal_pair", "accuracy", "share of items", True),
        ("minimal_pair", "probability", "probability", True),
        ("perplexity", "nll_nats", "nats per token", False),
        ("generate", "exact_match", "share of items", True),
    ],
)
def test_units_and_the_better_way(scorer, metric, unit, higher):
    made = capability(scorer=scorer, metric=metric)
    assert (made.unit, made.higher_is_better) == (unit, higher)
    assert made.loss(0.5) == (-0.5 if higher else 0.5)


def test_chance():
    assert capability().chance == 0.5
    texts = tuple(Passage(id=str(i), text="It rained.") for i in range(2))
    assert capability(scorer="perplexity", metric="nll_nats", items=texts).chance is None
    answers = tuple(Generation(id=str(i), prompt="Say a:", answer="a") for i in range(2))
    assert capability(scorer="generate", metric="exact_match", items=answers).chance is None
    choices = tuple(
        MultipleChoice(id=str(n), prompt="Say a:", choices=tuple("abcd"[:n]), answer=0)
        for n in (2, 4)
    )
    made = capability(scorer="multiple_choice", items=choices)
    assert made.chance == pytest.approx((1 / 2 + 1 / 4) / 2)
    options = tuple(
        Alternatives(id=str(n), alternatives=[{"completion": c} for c in "abc"[:n]], answer=0)
        for n in (2, 3)
    )
    made = capability(scorer="alternatives", items=options)
    assert made.chance == pytest.approx((1 / 2 + 1 / 3) / 2)


@pytest.mark.parametrize(
    "same", [{"name": "x"}, {"tolerance": 9.0}, {"required": False}, {"description": "x"},
             {"metric": "accuracy"}]
)  # fmt: skip
def test_the_digest_is_not_about_names_tolerances_or_the_chosen_metric(same):
    assert capability(**same).digest == capability().digest


@pytest.mark.parametrize(
    "other",
    [
        {"items": pairs(5)},
        {"items": pairs(6)[::-1]},
        {"items": grouped("a", "b", "c", "d", "e", "f")},
        {"normalization": "bytes"},
    ],
)
def test_the_digest_is_about_everything_that_a_score_depends_on(other):
    assert capability(**other).digest != capability().digest


def test_an_item_without_a_group_is_its_own():
    items = (*grouped("a", "a"), *pairs(4)[2:])
    assert capability(items=items).groups() == ("a", "a", "i2", "i3")


def test_a_sample_is_seeded_and_keeps_the_order():
    whole = capability(items=pairs(40))
    part = whole.sample(10, seed=3)
    assert part == whole.sample(10, seed=3)
    assert part.items != whole.sample(10, seed=4).items
    assert len(part.items) == 10
    places = [whole.items.index(item) for item in part.items]
    assert places == sorted(set(places))
    assert part == replace(whole, items=part.items)
    assert part.digest != whole.digest


def test_a_sample_of_everything_is_the_capability():
    whole = capability()
    assert whole.sample(6, seed=0) is whole
    assert whole.sample(100, seed=0) is whole


@pytest.mark.parametrize("num_items", [0, 1, 2])
def test_a_sample_has_two_items_at_least(num_items):
    assert len(capability().sample(num_items, seed=0).items) == 2


def test_samples_are_drawn_evenly():
    whole = capability()
    counts = dict.fromkeys((item.id for item in whole.items), 0)
    for seed in range(600):
        for item in whole.sample(3, seed=seed).items:
            counts[item.id] += 1
    assert all(240 <= count <= 360 for count in counts.values()), counts


def test_a_sample_never_falls_into_one_group():
    whole = capability(items=grouped(*["large"] * 12, "small"))
    for seed in range(50):
        assert len(set(whole.sample(3, seed=seed).groups())) == 2


def test_what_is_apart_from_a_part_shares_no_item_and_no_group():
    plain = capability(items=pairs(12))
    part = plain.sample(5, seed=1)
    rest = plain.apart_from(part)
    assert set(rest.items).isdisjoint(part.items)
    assert len(rest.items) == 7
    assert rest == replace(plain, items=rest.items)
    linked = capability(items=grouped("a", "a", "b", "b", "c", "c", "d", "d"))
    rest = linked.apart_from(replace(linked, items=(linked.items[0], linked.items[3])))
    assert rest.groups() == ("c", "c", "d", "d")


@pytest.mark.parametrize("taken", [("a", "b", "c"), ("a", "b")])
def test_nothing_is_apart_where_fewer_than_two_groups_are_left(taken):
    linked = capability(items=grouped("a", "a", "b", "b", "c", "c"))
    part = replace(linked, items=tuple(i for i in linked.items if i.group in taken))
    assert linked.apart_from(part) is None
