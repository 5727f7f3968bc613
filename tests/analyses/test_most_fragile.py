"""What to protect: against the best of all subsets."""

import itertools
import random

import pytest

from driftline.analyses import most_fragile
from driftline.errors import RunError
from driftline.results import ModuleFragility


def row(module, loss, *, size=10, layer=0, capability="c", norm=0.1):
    return ModuleFragility(
        module=module, layer=layer, role="q", capability=capability, sensitivity=loss / norm,
        unit="nats", low=0, high=0, rank=1, relative_norm=norm, num_parameters=size,
    )  # fmt: skip


def test_the_most_loss_per_parameter_is_taken():
    rows = [row("a", 1.0, size=10), row("b", 3.0, size=40), row("c", 0.9, size=5), row("d", 0.1)]
    assert most_fragile(rows, 15 / 65) == ("a", "c")


def test_a_module_that_does_not_fit_is_passed_over():
    rows = [row("a", 9.0, size=30), row("b", 1.0, size=10), row("c", 0.5, size=10)]
    assert most_fragile(rows, 0.25) == ("b",)


def test_what_lies_outside_the_layers_is_no_candidate():
    rows = [row("embed", 99.0, layer=None, size=1000), row("a", 1.0), row("b", 2.0)]
    assert most_fragile(rows, 0.5) == ("b",)
    assert most_fragile(rows, 1.0) == ("a", "b")


def test_losses_of_several_capabilities_add_up_in_tolerances():
    rows = [
        row("a", 1.0),
        row("b", 0.4),
        row("a", 0.0, capability="d"),
        row("b", 0.2, capability="d"),
    ]
    assert most_fragile(rows, 0.5) == ("a",)
    assert most_fragile(rows, 0.5, tolerances={"c": 1.0, "d": 0.1}) == ("b",)


def test_a_module_that_the_target_needs_is_spared():
    rows = [row("a", 1.0), row("b", 0.9), row("c", 0.1), row("d", 0.1)]
    target = [row("a", -5.0), row("b", -0.01), row("c", -1.0), row("d", -1.0)]
    assert most_fragile(rows, 0.25) == ("a",)
    assert most_fragile(rows, 0.25, target=target) == ("b",)


@pytest.mark.parametrize("seed", range(20))
def test_the_ratio_that_remains_is_the_least_of_all_subsets(seed):
    draw = random.Random(seed)
    names = "abcdefgh"
    rows = [row(name, draw.uniform(0.1, 1.0)) for name in names]
    target = [row(name, -draw.uniform(0.1, 1.0)) for name in names]
    losses, gains = {r.module: r.loss for r in rows}, {r.module: -r.loss for r in target}

    def remaining(chosen):
        left = [name for name in names if name not in chosen]
        return sum(losses[n] for n in left) / sum(gains[n] for n in left)

    best = min(map(remaining, itertools.combinations(names, 4)))
    found = most_fragile(rows, 0.5, target=target)
    assert len(found) == 4
    assert remaining(found) == pytest.approx(best)


def test_a_target_that_gains_nothing_does_not_count():
    rows = [row("a", 1.0), row("b", 0.9)]
    assert most_fragile(rows, 0.5, target=[row("a", 1.0), row("b", 0.0)]) == ("a",)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(RunError, match="share_of_parameters"):
        most_fragile([row("a", 1.0)], share)


def test_an_old_map_is_refused():
    old = row("a", 1.0).model_copy(update={"relative_norm": None})
    with pytest.raises(RunError, match="a: the map does not say"):
        most_fragile([old], 0.5)
