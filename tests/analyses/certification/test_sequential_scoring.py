"""Scoring until the decision is clear: what is scored, in which order, and when it stops."""

import random

import numpy
import pytest

from driftline.analyses.certification import _sequential_scoring as module
from driftline.analyses.certification._sequential_scoring import score_until_clear
from driftline.capabilities import Capability, MinimalPair
from driftline.engine import Meter
from driftline.models import BASE, NoiseDirection, Point, Term
from driftline.stats import sequential_noninferiority

TUNED = Point("tuned", (Term(NoiseDirection(1), 0.1),))


def capability(num, name="pairs", *, tolerance=0.05, group=lambda _i: None):
    items = tuple(
        MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}", group=group(i)) for i in range(num)
    )
    return Capability(name, "minimal_pair", "accuracy", tolerance, items)


class FakeTable:
    def __init__(self, engine):
        self.engine = engine

    def item_metrics(self, point, part):
        lost = self.engine.lost if point is TUNED else frozenset()
        return tuple({"accuracy": float(item.id not in lost)} for item in part.items)


class FakeEngine:
    """Answers at once, and remembers what was asked."""

    def __init__(self, lost=()):
        self.lost, self.asked, self.meter = frozenset(lost), [], Meter()

    def num_tokens(self, capabilities):
        return sum(len(c.items) for c in capabilities)

    def evaluate(self, points, parts):
        assert points == (BASE, TUNED)
        self.asked.append({part.name: part for part in parts})
        self.meter.advance(2 * self.num_tokens(parts))
        return FakeTable(self)


def scored(engine, *capabilities, alpha=0.05, seed=0):
    return score_until_clear(capabilities, engine, TUNED, alpha=alpha, seed=seed)


def test_an_unharmed_capability_stops_as_soon_as_the_test_does():
    engine = FakeEngine()
    (found,) = scored(engine, capability(2000))
    expected = sequential_noninferiority(numpy.zeros(2000), margin=0.05, bounds=(-1.0, 1.0))
    assert len(found.capability.items) == expected.num_items < 150
    assert found.method == "sequential"
    assert (found.sample.num_available, found.sample.num_looks) == (2000, len(engine.asked))
    assert found.sample.num_scored == sum(len(a["pairs"].items) for a in engine.asked) < 200
    assert engine.meter.planned == engine.meter.done


def test_each_capability_stops_by_itself():
    lost = {str(i) for i in range(0, 2000, 2)}
    engine = FakeEngine(lost)
    clear, unclear = capability(2000, "clear"), capability(400, "unclear", tolerance=0.5)
    first, second = scored(engine, clear, unclear)
    assert first.sample.num_looks == 1
    assert [set(asked) for asked in engine.asked[:2]] == [{"clear", "unclear"}, {"unclear"}]
    assert len(second.capability.items) == second.sample.num_scored == 400


def test_items_come_in_an_order_that_is_seeded_and_has_nothing_to_do_with_the_file():
    def order(seed):
        (found,) = scored(FakeEngine(), capability(2000), seed=seed)
        return [item.id for item in found.capability.items]

    assert order(0) == order(0) != order(1)
    # Were they taken as they lie, the loss at the end of the file would not be met.
    (found,) = scored(FakeEngine({str(i) for i in range(1000, 2000)}), capability(2000))
    assert found.values(found.tuned).mean() < 0.8


def test_groups_come_whole_and_the_largest_one_is_known_before_it_is_met():
    sizes = {f"g{i}": 1 + i % 7 for i in range(200)}
    names = [name for name, size in sizes.items() for _ in range(size)]
    random.Random(0).shuffle(names)
    engine = FakeEngine()
    (found,) = scored(engine, capability(len(names), group=lambda i: names[i]))
    assert found.sample.max_group_size == 7
    for asked in engine.asked:
        held = [item.group for item in asked["pairs"].items]
        assert all(held.count(name) == sizes[name] for name in set(held))
    used = [item.group for item in found.capability.items]
    assert all(used.count(name) == sizes[name] for name in set(used))


@pytest.mark.parametrize("num", [2, 63, 64, 65, 66, 129, 130, 200])
def test_every_item_is_scored_once_where_nothing_is_ever_clear(num):
    engine = FakeEngine()
    (found,) = scored(engine, capability(num, tolerance=0.005))
    asked = [item.id for a in engine.asked for item in a["pairs"].items]
    assert sorted(asked, key=int) == [str(i) for i in range(num)]
    assert len(found.capability.items) == num
    assert all(len(a["pairs"].items) >= 2 for a in engine.asked)
    assert len(engine.asked[0]["pairs"].items) in (num, module._LEAST_ITEMS, 65)


@pytest.mark.statistics
def test_the_error_at_the_margin_holds_though_it_is_looked_at_after_every_batch():
    passed = 0
    generator = random.Random(0)
    for repeat in range(200):
        lost = {str(i) for i in range(600) if generator.random() < 0.1}
        (found,) = scored(FakeEngine(lost), capability(600, tolerance=0.1), seed=repeat)
        is_kept = len(found.capability.items) < 600
        low = found.values(found.tuned).mean() - 1
        passed += is_kept and low > -0.1
    # At most 5 % and three standard errors of 200 runs.
    assert passed <= 200 * (0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5)
