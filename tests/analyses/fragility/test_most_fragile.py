"""What to protect: against the best of all subsets."""

import itertools
import math
import random

import pytest

from driftline.analyses import most_fragile
from driftline.errors import RunError
from driftline.results import ModuleFragility, ModuleNoise


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


def test_what_helps_one_capability_does_not_make_up_for_another():
    # "d" gains over all modules, so nothing is to be protected for it.
    rows = [
        row("a", 1.0),
        row("b", 0.9),
        row("a", -5.0, capability="d"),
        row("b", 0.5, capability="d"),
    ]
    assert most_fragile(rows, 0.5) == ("a",)
    falling = [*rows[:2], row("a", -0.4, capability="d"), row("b", 0.5, capability="d")]
    assert most_fragile(falling, 0.5) == ("b",)


def noise(module, kl, *, size=10):
    return ModuleNoise(
        module=module, layer=0, role="q", num_parameters=size, root_mean_square_change=1e-3,
        expected_kl_nats=kl, low=0, high=kl,
    )  # fmt: skip


def test_what_costs_by_moving_at_all_counts_as_much_as_what_pushes():
    rows = [row("a", 0.6), row("b", 0.4), row("c", 0.0), row("d", 0.0)]
    assert most_fragile(rows, 0.5) == ("a", "b")
    moving = [noise("a", 0.01), noise("b", 0.01), noise("c", 0.97), noise("d", 0.01)]
    assert most_fragile(rows, 0.5, noise=moving) == ("a", "c")
    # Shares, so the unit of neither matters.
    large = [noise(n.module, 1e3 * n.expected_kl_nats) for n in moving]
    assert most_fragile(rows, 0.5, noise=large) == ("a", "c")


def test_noise_outside_the_layers_takes_no_part():
    rows = [row("embed", 0.0, layer=None, size=1000), row("a", 0.6), row("b", 0.4)]
    moving = [noise("embed", 99.0), noise("a", 0.1), noise("b", 0.9)]
    assert most_fragile(rows, 0.5, noise=moving) == ("b",)


@pytest.mark.parametrize("seed", range(20))
def test_modules_of_one_size_are_the_best_of_all_subsets(seed):
    draw = random.Random(seed)
    rows = [row(name, draw.uniform(-0.5, 1.0)) for name in "abcdefgh"]
    moving = [noise(name, draw.random()) for name in "abcdefgh"]
    pushed = sum(abs(r.loss) for r in rows) if sum(r.loss for r in rows) > 0 else math.inf
    moved = sum(n.expected_kl_nats for n in moving)

    def damage(chosen):
        directed = sum(r.loss for r in rows if r.module in chosen) / pushed
        return directed + sum(n.expected_kl_nats for n in moving if n.module in chosen) / moved

    best = max(map(damage, itertools.combinations("abcdefgh", 4)))
    assert damage(most_fragile(rows, 0.5, noise=moving)) == pytest.approx(best)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(RunError, match="share_of_parameters"):
        most_fragile([row("a", 1.0)], share)


def test_an_old_map_is_refused():
    old = row("a", 1.0).model_copy(update={"relative_norm": None})
    with pytest.raises(RunError, match="a: the map does not say"):
        most_fragile([old], 0.5)


def test_the_share_is_of_all_parameters_where_some_could_not_be_mapped():
    rows = [row("a", 3.0, size=10), row("b", 2.0, size=10), row("c", 1.0, size=10)]
    assert most_fragile(rows, 0.25) == ()
    assert most_fragile(rows, 0.25, num_parameters=80) == ("a", "b")
