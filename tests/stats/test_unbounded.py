"""Unbounded means: within its assumptions it errs as it says, and outside it refuses."""

import numpy
import pytest
import scipy.stats

from driftline.errors import ConfigError, RunError
from driftline.stats import mean_interval, unbounded_noninferiority

NUM_REPEATS = 150
MOST = 0.05 + 3 * (0.05 * 0.95 / NUM_REPEATS) ** 0.5


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator, num: generator.normal(size=num),
        lambda generator, num: generator.standard_t(3, num),
        lambda generator, num: 1 - generator.exponential(size=num),
    ],
)
def test_it_errs_at_most_as_often_as_it_says(draw):
    claims = 0
    for seed in range(NUM_REPEATS):
        changes = draw(numpy.random.default_rng(seed), 30) - 0.3
        try:
            found = unbounded_noninferiority(changes, margin=0.3, seed=seed)
        except RunError:
            continue
        claims += found.verdict == "non_inferior"
    assert claims / NUM_REPEATS <= MOST


def test_its_limits_are_no_narrower_than_students():
    changes = numpy.random.default_rng(0).normal(size=50)
    groups = numpy.arange(50) // 2
    found = unbounded_noninferiority(changes, margin=0.3, groups=groups)
    student = mean_interval(changes, groups=[str(g) for g in groups], confidence_level=0.9)
    assert found.change == pytest.approx(student.value)
    assert found.low <= student.low + 1e-12
    assert found.high >= student.high - 1e-12
    assert found.low == pytest.approx(student.low, abs=0.1)


def test_verdict_limits_and_pvalue_agree():
    for change, verdict in ((0.0, "non_inferior"), (-0.3, "inconclusive"), (-1.0, "inferior")):
        changes = numpy.random.default_rng(1).normal(change, 0.5, 60)
        found = unbounded_noninferiority(changes, margin=0.3)
        assert found.verdict == verdict
        assert (found.low >= -0.3) == (verdict == "non_inferior") == (found.pvalue <= 0.05)


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
    # However clear the case is, Holm's correction does not get more than the items can show.
    assert unbounded_noninferiority(changes, margin=9.0).pvalue == pytest.approx(1 / 99)


def test_it_is_read_at_four_fifths_of_alpha():
    """Where nothing is skewed, a p-value is a quarter larger than Student's."""
    changes = numpy.random.default_rng(3).normal(size=400)
    found = unbounded_noninferiority(changes, margin=0.1 - changes.mean())
    student = scipy.stats.ttest_1samp(changes, -found.margin, alternative="greater")
    assert found.pvalue >= student.pvalue / 0.8
    assert found.pvalue == pytest.approx(student.pvalue / 0.8, rel=0.25)


def test_a_level_beyond_the_bootstrap_is_refused():
    with pytest.raises(ConfigError, match="reach"):
        unbounded_noninferiority(numpy.arange(40.0), margin=0.3, confidence_level=0.9999)


@pytest.mark.parametrize("seed", range(8))
def test_at_the_edge_nothing_passes_with_a_pvalue_above_alpha(seed):
    changes = numpy.random.default_rng(seed).normal(0.0, 1.0, 100)
    for level in (0.95, 0.99):
        first = unbounded_noninferiority(changes, margin=0.5, confidence_level=level)
        edge = unbounded_noninferiority(changes, margin=-first.low, confidence_level=level)
        assert edge.verdict != "non_inferior" or edge.pvalue <= 1 - level
