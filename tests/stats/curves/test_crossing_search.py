"""The search for a crossing: it finds what a fine grid finds, with few looks."""

import math

import numpy
import pytest

from driftline.stats import CrossingSearch, ScaleGrid, first_crossing

GRID = ScaleGrid(1.05, 1e-4, 1.0)


def search(curve, *, tolerance=0.25, guess=0.05, grid=GRID):
    made = CrossingSearch(grid, tolerance, guess)
    while (index := made.next_index()) is not None:
        assert index not in made.losses, "looked twice"
        assert made.is_open_at(index)
        assert grid.bottom <= index <= grid.top
        made.tell(index, float(curve(grid.scale(index))))
        assert len(made.losses) < 60
    return made


def saturating(power, scale, height=4.0):
    return lambda s: height * (1 - math.exp(-((s / scale) ** power)))


CURVES = {
    f"power {power}, scale {scale:g}": saturating(power, scale)
    for power in (0.7, 1.0, 2.0, 4.0)
    for scale in (0.01, 0.03, 0.1, 0.5)
} | {
    "a gain first": lambda s: -0.3 * math.sin(min(s, 0.3) * 10) + 30 * s**2,
    "flat, then a cliff": lambda s: 0.001 if s < 0.11 else 3.0,
    "a step just under the tolerance": lambda s: 0.24 if s < 0.3 else 0.26,
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
@pytest.mark.parametrize("guess", [0.0003, 0.05, 0.9])
def test_it_finds_what_a_fine_grid_finds(curve, guess):
    fine = numpy.geomspace(1e-4, 1.0, 20_001)
    wanted = first_crossing(fine, numpy.array([curve(s) for s in fine]), 0.25)
    found = search(curve, guess=guess)
    assert found.lowest_above - found.highest_below == 1
    low, high = GRID.scale(found.highest_below), GRID.scale(found.lowest_above)
    assert low * 0.999 <= wanted <= high * 1.001


def test_few_looks_on_average():
    generator = numpy.random.default_rng(0)
    looks = []
    for _ in range(300):
        power, scale = generator.uniform(0.7, 3), 10 ** generator.uniform(-2.5, -0.5)
        looks.append(len(search(saturating(power, scale)).losses))
    assert numpy.mean(looks) <= 9
    assert max(looks) <= 16


def test_a_good_guess_is_worth_looks():
    curve = saturating(2, 0.1)
    (known,) = [search(curve).lowest_above]
    assert len(search(curve, guess=GRID.scale(known)).losses) <= 4


@pytest.mark.parametrize(
    ("curve", "passed"), [(lambda _s: 0.1, False), (lambda _s: -1.0, False), (lambda _s: 0.3, True)]
)
def test_what_lies_beyond_the_ladder_ends_at_its_end(curve, passed):
    found = search(curve)
    if passed:
        assert (found.lowest_above, found.highest_below) == (GRID.bottom, None)
    else:
        assert (found.lowest_above, found.highest_below) == (None, GRID.top)


def test_looks_for_others_count():
    made = CrossingSearch(GRID, 0.25, 0.05)
    made.tell(GRID.index_of(0.01), 0.0)
    made.tell(GRID.index_of(0.5), 1.0)
    assert not made.is_open_at(GRID.index_of(0.6))
    assert not made.is_open_at(GRID.index_of(0.009))
    assert made.is_open_at(GRID.index_of(0.1))
    assert GRID.index_of(0.01) < made.next_index() < GRID.index_of(0.5)


def test_a_grids_scales_are_the_same_numbers_everywhere():
    scales = [GRID.scale(index) for index in range(GRID.bottom, GRID.top + 1)]
    assert all(len(f"{s:.15g}".lstrip("0.").rstrip("0")) <= 6 for s in scales)
    assert scales == sorted(set(scales))
    assert scales[-1] == 1.0
    assert scales[0] >= 1e-4
    assert [GRID.index_of(scale) for scale in scales] == list(range(GRID.bottom, GRID.top + 1))


def test_a_curve_that_passes_and_comes_back_is_found_at_its_first_passage():
    def twice(scale):
        return 0.5 if 0.08 < scale < 0.24 else 0.0 if scale < 0.3 else 1.0

    grid = ScaleGrid(1.05, 1e-4, 1.0)
    for guess in (0.3, 0.4, 0.9):
        made = CrossingSearch(grid, 0.25, guess)
        while (index := made.next_index()) is not None:
            assert made.is_open_at(index)
            made.tell(index, twice(grid.scale(index)))
        assert grid.scale(made.lowest_above) == pytest.approx(0.08, rel=0.06)


def test_half_way_is_looked_at_once_and_only_where_nothing_is_known():
    grid = ScaleGrid(1.05, 1e-4, 1.0)
    made = CrossingSearch(grid, 0.25, 0.1)
    crossing = grid.index_of(0.1)
    made.tell(crossing, 0.3)
    made.tell(crossing - 1, 0.2)
    half = made.next_index()
    assert grid.scale(half) == pytest.approx(0.05, rel=0.03)
    made.tell(half, 0.0)
    assert made.next_index() is None
    known = CrossingSearch(grid, 0.25, 0.1)
    for index, loss in ((crossing, 0.3), (crossing - 1, 0.2), (half + 2, 0.1)):
        known.tell(index, loss)
    assert known.next_index() is None
