"""Singular values by every way, against a dense decomposition."""

import numpy
import pytest

from driftline.measures import (
    largest_singular_values,
    low_rank_singular_values,
    singular_values,
)
from driftline.measures._singular_values import smaller_gram, wide_parts


def normal(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shape", [(7, 7), (30, 8), (8, 30), (1, 9), (9, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_values_are_those_of_a_dense_decomposition(shape, dtype):
    matrix = normal(*shape).astype(dtype)
    wanted = numpy.linalg.svd(matrix.astype("float64"), compute_uv=False)
    assert singular_values(matrix) == pytest.approx(wanted, rel=1e-9)


def test_what_is_lost_in_rounding_is_zero():
    matrix = normal(20, 2) @ normal(2, 12, seed=1)
    found = singular_values(matrix)
    assert numpy.count_nonzero(found) == 2
    assert len(found) == 12
    assert not singular_values(numpy.zeros((3, 5))).any()


@pytest.mark.parametrize(("rows", "columns", "rank"), [(40, 30, 3), (5, 60, 4), (6, 5, 9)])
def test_thin_factors_give_the_values_of_their_product(rows, columns, rank):
    left, right = normal(rows, rank), normal(rank, columns, seed=1)
    wanted = numpy.linalg.svd(left @ right, compute_uv=False)
    found = low_rank_singular_values(left, right)
    assert found == pytest.approx(wanted[: len(found)], rel=1e-9)
    assert wanted[len(found) :] == pytest.approx(0, abs=1e-10)


def test_an_estimate_is_exact_where_the_rank_is_low():
    matrix = (normal(300, 20) @ normal(20, 200, seed=1)).astype("float32")
    wanted = numpy.linalg.svd(matrix.astype("float64"), compute_uv=False)
    values, energy = largest_singular_values(matrix)
    assert values[:20] == pytest.approx(wanted[:20], rel=1e-4)
    assert energy == pytest.approx((wanted**2).sum(), rel=1e-6)


@pytest.mark.parametrize("shape", [(400, 250), (250, 400)])
def test_an_estimate_is_never_above_and_near_even_without_decay(shape):
    matrix = normal(*shape)
    wanted = numpy.linalg.svd(matrix, compute_uv=False)
    values, _energy = largest_singular_values(matrix)
    assert len(values) == 128
    assert (values <= wanted[: len(values)] * (1 + 1e-9)).all()
    assert values[0] == pytest.approx(wanted[0], rel=0.01)


def test_an_estimate_hangs_on_its_seed_alone():
    matrix = normal(200, 150)
    first = largest_singular_values(matrix, seed=1).values
    assert (first == largest_singular_values(matrix, seed=1).values).all()
    assert (first != largest_singular_values(matrix, seed=2).values).any()


@pytest.mark.parametrize("shape", [(3, 3), (2, 40), (40, 2), (1, 1)])
def test_an_estimate_of_a_small_matrix_is_all_of_it(shape):
    matrix = normal(*shape)
    wanted = numpy.linalg.svd(matrix, compute_uv=False)
    assert largest_singular_values(matrix).values == pytest.approx(wanted, rel=1e-9)


def test_the_gram_matrix_is_of_the_shorter_side_whatever_the_parts():
    matrix = normal(3, 700_000)
    assert len(list(wide_parts(matrix.T))) > 1
    assert smaller_gram(matrix) == pytest.approx(matrix @ matrix.T, rel=1e-9)
    assert smaller_gram(matrix.T) == pytest.approx(matrix @ matrix.T, rel=1e-9)
