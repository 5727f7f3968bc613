"""Means of several rows over resampled groups."""

import numpy
import pytest

from driftline.errors import RunError
from driftline.stats import resampled_means, standard_error


def draw(values, groups, num_draws=4000):
    generator = numpy.random.default_rng(0)
    return resampled_means(values, groups, num_draws=num_draws, generator=generator)


@pytest.mark.parametrize("group_size", [1, 4])
def test_the_spread_of_draws_is_the_clustered_standard_error(group_size):
    generator = numpy.random.default_rng(3)
    groups = numpy.arange(240) // group_size
    values = generator.normal(0, 1, 240) + generator.normal(0, 1, 240)[groups]
    spread = draw(values[None], groups).std()
    expected = standard_error(values, groups=[str(group) for group in groups])
    assert spread == pytest.approx(expected, rel=0.06)


def test_rows_stay_paired_and_unequal_groups_count_by_their_items():
    values = numpy.array([[0.0, 0.0, 3.0], [1.0, 1.0, 4.0]])
    draws = draw(values, numpy.array([0, 0, 1]))
    assert draws[:, 1] - draws[:, 0] == pytest.approx(1.0)
    assert set(numpy.round(draws[:, 0], 6)) == {0.0, 1.0, 3.0}


def test_one_group_has_no_spread():
    with pytest.raises(RunError, match="at least 2 independent items and there are 1"):
        draw(numpy.ones((1, 3)), numpy.zeros(3, dtype=int))
