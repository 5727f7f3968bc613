"""Unbounded means: within its assumptions it errs as it says, and outside it refuses."""

import numpy
import pytest
import scipy.stats

from driftline.errors import ConfigError, RunError
from driftline.stats import mean_interval, unbounded_noninferiority

NUM_REPEATS = 150
MOST = 0.05 + 3 * (0.05 * 0.95 / NUM_REPEATS) ** 0.5


@pytest.mark.statistics
@pytest.mark.parametrize(
    "draw",
    [
        lambda generator, num: generator.normal(size=num),
        lambda generator, num: generator.standard_t(3, num),
        lambda generator, num: generator.exponential(size=num) - 1,
    ],
)
def test_within_its_assumptions_a_loss_is_claimed_as_seldom_as_it_says(draw):
    claims = 0
    for seed in range(NUM_REPEATS):
        changes = draw(numpy.random.default_rng(seed), 30) - 0.3
        try:
            found = unbounded_noninferiority(changes, margin=0.3, seed=seed)
        except RunError:
            continue
        claims += found.verdict == "inferior"
    assert claims / NUM_REPEATS <= MOST


@pytest.mark.parametrize("num", [20, 50, 2000])
@pytest.mark.parametrize("shift", [0.0, 5.0, 1e6])
def test_nothing_without_a_range_is_ever_kept(num, shift):
    changes = numpy.random.default_rng(num).normal(shift, 0.1, num)
    found = unbounded_noninferiority(changes, margin=0.3)
    assert (found.verdict, found.low, found.pvalue) == ("inconclusive", -numpy.inf, 1.0)


def test_its_limit_is_no_narrower_than_students():
    changes = numpy.random.default_rng(0).normal(size=50)
    groups = numpy.arange(50) // 2
    found = unbounded_noninferiority(changes, margin=0.3, groups=groups)
    student = mean_interval(changes, groups=[str(g) for g in groups], confidence_level=0.9)
    assert found.change == pytest.approx(student.value)
    assert found.high >= student.high - 1e-12
    assert found.high == pytest.approx(student.high, abs=0.1)


def test_verdict_and_limit_agree():
    for change, verdict in ((0.0, "inconclusive"), (-0.3, "inconclusive"), (-1.0, "inferior")):
        changes = numpy.random.default_rng(1).normal(change, 0.5, 60)
        found = unbounded_noninferiority(changes, margin=0.3)
        assert found.verdict == verdict
        assert (found.high < -0.3) == (verdict == "inferior")


def test_copies_within_a_group_are_no_evidence():
    changes = numpy.random.default_rng(2).normal(size=40)
    once = unbounded_noninferiority(changes, margin=0.3)
    groups = numpy.repeat(numpy.arange(40), 5)
    copied = unbounded_noninferiority(numpy.repeat(changes, 5), margin=0.3, groups=groups)
    assert copied[:3] == pytest.approx(once[:3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (scipy.stats.norm.ppf(numpy.linspace(0.1, 0.9, 19)), "too few"),
        (numpy.zeros(40), "all changes are the same"),
        (numpy.append(numpy.zeros(99), -9.0), "skewness"),
    ],
)
def test_what_it_cannot_judge_is_refused(changes, message):
    with pytest.raises(RunError, match=message):
        unbounded_noninferiority(changes, margin=0.3)


def test_as_many_items_are_needed_as_one_over_alpha():
    changes = numpy.random.default_rng(0).normal(size=99)
    with pytest.raises(RunError, match="at least 100 are needed"):
        unbounded_noninferiority(changes, margin=9.0, confidence_level=0.99)


def test_a_level_beyond_the_bootstrap_is_refused():
    with pytest.raises(ConfigError, match="reach"):
        unbounded_noninferiority(numpy.arange(40.0), margin=0.3, confidence_level=0.9999)
