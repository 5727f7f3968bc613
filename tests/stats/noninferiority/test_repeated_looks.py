"""Evidence over repeated looks at the same items: it errs as seldom as it says, and it sees."""

import math

import numpy
import pytest

from driftline.errors import ConfigError, RunError
from driftline.stats import Looks, look_evidence, lowest_mean


def _over_looks(losses, *, tolerance=0.25, groups=None):
    looks = Looks()
    for row in losses:
        looks = looks.after(
            look_evidence(row, tolerance=tolerance, largest_gain=1.0, groups=groups)
        )
    return looks.log_evidence


@pytest.mark.statistics
@pytest.mark.parametrize("kind", ["bernoulli", "skewed", "normal"])
def test_a_run_that_stands_on_its_tolerance_is_seldom_accused(kind):
    """The hardest null: every look's true mean is the tolerance, and the same items are looked at."""
    generator, accused = numpy.random.default_rng(0), 0
    for _ in range(400):
        if kind == "bernoulli":
            # Rarely a large loss: mean 0.25, bounded gain.
            items = numpy.where(generator.random(60) < 0.1, 2.5, 0.0)
            looks = [items] * 10
        elif kind == "skewed":
            items = generator.exponential(0.25, 60)
            looks = [items + generator.normal(0, 0.05, 60) for _ in range(10)]
        else:
            items = generator.normal(0.25, 0.3, 60)
            looks = [items + generator.normal(0, 0.1, 60) for _ in range(10)]
        accused += _over_looks(looks) >= math.log(1 / 0.05)
    assert accused / 400 <= 0.05


def test_a_loss_of_twice_the_tolerance_is_seen():
    generator = numpy.random.default_rng(0)
    losses = [generator.normal(0.5, 0.3, 120) for _ in range(3)]
    assert _over_looks(losses) >= math.log(1 / 0.05)


def test_an_evalue_has_mean_at_most_one():
    generator = numpy.random.default_rng(1)
    values = [
        math.exp(
            look_evidence(
                numpy.where(generator.random(8) < 0.5, 0.5, 0.0), tolerance=0.25, largest_gain=1.0
            )
        )
        for _ in range(4000)
    ]
    assert numpy.mean(values) == pytest.approx(1.0, abs=0.05)


def test_a_group_counts_as_one_draw():
    losses = numpy.full(40, 0.5)
    groups = numpy.repeat(numpy.arange(4), 10)
    alone = look_evidence(losses, tolerance=0.25, largest_gain=1.0)
    together = look_evidence(losses, tolerance=0.25, largest_gain=1.0, groups=groups)
    assert together < alone / 5


@pytest.mark.parametrize("largest", [50, None])
def test_a_rare_and_large_group_that_the_sample_lacks_accuses_nobody(largest):
    """One group in fifty holds fifty items and gains more than all the others lose."""
    accused = 0
    for seed in range(400):
        sizes = numpy.where(numpy.random.default_rng(seed).random(60) < 0.02, 50, [1, 2] * 30)
        losses = numpy.repeat(numpy.where(sizes == 50, -0.9, 0.5), sizes)
        evidence = look_evidence(
            losses, tolerance=0.25, largest_gain=1.0, max_group_size=largest,
            groups=numpy.repeat(numpy.arange(60), sizes),
        )  # fmt: skip
        accused += Looks().after(evidence).log_evidence >= math.log(1 / 0.05)
    assert accused / 400 <= (0.05 if largest else 0)


def test_sizes_that_differ_need_a_largest_one():
    sizes = numpy.resize([1, 2, 3], 300)
    given = {"largest_gain": 1.0, "groups": numpy.repeat(numpy.arange(300), sizes)}
    losses = numpy.full(600, 0.8)
    assert look_evidence(losses, tolerance=0.25, **given) == 0.0
    assert lowest_mean(losses, number=1, alpha=0.05, **given) == -1.0
    assert look_evidence(losses, tolerance=0.25, max_group_size=3, **given) > 20
    assert 0.5 < lowest_mean(losses, number=1, alpha=0.05, max_group_size=3, **given) < 0.8
    # Where groups could be larger, each of these counts for less.
    low = lowest_mean(losses, number=1, alpha=0.05, max_group_size=30, **given)
    assert low < lowest_mean(losses, number=1, alpha=0.05, max_group_size=3, **given)
    with pytest.raises(ConfigError, match="max_group_size 2"):
        look_evidence(losses, tolerance=0.25, max_group_size=2, **given)


def test_a_gain_pays_for_no_more_than_the_largest_gain():
    losses = numpy.array([-100.0] + [0.9] * 40)
    capped = numpy.array([-1.0] + [0.9] * 40)
    assert look_evidence(losses, tolerance=0.25, largest_gain=1.0) == look_evidence(
        capped, tolerance=0.25, largest_gain=1.0
    )


def test_the_lower_limit_is_where_the_evidence_reaches_its_bound():
    losses = numpy.random.default_rng(0).normal(0.8, 0.2, 60)
    low = lowest_mean(losses, largest_gain=1.0, number=2, alpha=0.05)
    assert 0 < low < losses.mean()
    bound = math.log(2 * 3 / 0.05)
    assert look_evidence(losses, tolerance=low, largest_gain=1.0) == pytest.approx(bound, abs=0.01)
    assert lowest_mean(losses, largest_gain=1.0, number=9, alpha=0.05) < low


def test_one_item_says_next_to_nothing():
    assert lowest_mean(numpy.array([0.3]), largest_gain=1.0, number=1, alpha=0.05) < -0.9


def test_evidence_never_falls_and_weights_add_up_to_one():
    looks = Looks()
    for _ in range(2000):
        looks = looks.after(0.0)
    assert looks.log_evidence == pytest.approx(math.log(2000 / 2001))
    assert looks.after(-50.0).log_evidence >= looks.log_evidence


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="above 0"):
        look_evidence(numpy.zeros(3), tolerance=0.0, largest_gain=1.0)
    with pytest.raises(RunError, match="not finite"):
        look_evidence(numpy.array([0.0, numpy.nan]), tolerance=0.1, largest_gain=1.0)
