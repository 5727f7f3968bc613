"""Intruder dimensions against the plain definition, and against what is planted."""

import numpy
import pytest

from driftline.errors import RunError
from driftline.measures import intruder_dimensions

SHAPES = [(24, 24), (40, 18), (18, 40)]


def normal(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


def dense(delta, base, top_k, threshold):
    """As PEFT has it: two full decompositions, all cosines."""
    before = numpy.linalg.svd(base.astype("float64"), full_matrices=False)[0]
    after = numpy.linalg.svd((base + delta).astype("float64"), full_matrices=False)[0]
    largest = numpy.abs(after.T @ before).max(axis=1)[:top_k]
    return largest, numpy.flatnonzero(largest < threshold)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_definition(shape, size, dtype):
    base, delta = normal(*shape).astype(dtype), (size * normal(*shape, seed=1)).astype(dtype)
    largest, indices = dense(delta, base, 10, 0.5)
    found = intruder_dimensions(delta, base)
    assert found.largest_cosines == pytest.approx(tuple(largest), abs=1e-6)
    assert found.indices == tuple(indices)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_planted_direction_is_found_and_no_other(shape):
    base = normal(*shape)
    left, right = normal(shape[0], seed=1), normal(shape[1], seed=2)
    planted = 40 * numpy.outer(left, right) / numpy.linalg.norm(left) / numpy.linalg.norm(right)
    found = intruder_dimensions(planted, base, threshold=0.6)
    # It is the strongest direction there is, and lies between all those of the base.
    assert found.indices[0] == 0
    assert intruder_dimensions(0 * planted, base).indices == ()
    assert intruder_dimensions(0 * planted, base).largest_cosines == pytest.approx((1.0,) * 10)


@pytest.mark.parametrize("shape", SHAPES)
def test_strengthening_what_is_there_brings_nothing_in(shape):
    base = normal(*shape)
    u, s, v = numpy.linalg.svd(base, full_matrices=False)
    assert intruder_dimensions(20 * s[5] * numpy.outer(u[:, 5], v[5]), base).indices == ()


def test_the_top_k_are_all_that_there_are():
    base, delta = normal(30, 4), normal(30, 4, seed=1)
    assert len(intruder_dimensions(delta, base, top_k=10).largest_cosines) == 4
    assert len(intruder_dimensions(delta, base, top_k=2).largest_cosines) == 2


def test_directions_that_are_rounding_do_not_count():
    base = normal(30, 2) @ normal(2, 12, seed=1)
    found = intruder_dimensions(numpy.zeros((30, 12)), base)
    assert found.largest_cosines == pytest.approx((1.0, 1.0))
    assert found.indices == ()


@pytest.mark.parametrize("shape", [(12, 30), (30, 12)])
def test_all_directions_are_new_where_the_base_is_zero(shape):
    found = intruder_dimensions(normal(*shape), numpy.zeros(shape), top_k=3)
    assert found.indices == (0, 1, 2)


def test_the_inputs_stay_as_they_are():
    base, delta = normal(9, 7), normal(9, 7, seed=1)
    kept = base.copy(), delta.copy()
    intruder_dimensions(delta, base)
    assert (base == kept[0]).all()
    assert (delta == kept[1]).all()


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"threshold": 0.0}, {"threshold": 1.5}])
def test_what_cannot_be_asked(wrong):
    with pytest.raises(RunError, match="must be at least 1 and the threshold"):
        intruder_dimensions(normal(3, 3), normal(3, 3), **wrong)
