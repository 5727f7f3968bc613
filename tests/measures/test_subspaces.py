"""Principal directions and angles against closed forms and a plain singular value decomposition."""

import math

import numpy
import pytest

from driftline.errors import RunError
from driftline.measures import gram_matrix, principal_angles, principal_directions


def states(num, width, seed=0):
    return numpy.random.default_rng(seed).standard_normal((num, width))


def directions(x, top_k):
    return principal_directions(x, gram_matrix(x), top_k=top_k)


def test_directions_are_those_of_the_centred_states():
    x = states(50, 12) * numpy.linspace(4, 0.5, 12) + 20
    found = directions(x, 5)
    right = numpy.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:5].T
    assert found.T @ found == pytest.approx(numpy.eye(5), abs=1e-9)
    # Each direction by itself, up to its sign.
    assert numpy.abs((found * right).sum(axis=0)) == pytest.approx(numpy.ones(5), abs=1e-6)


@pytest.mark.parametrize("num", [6, 40])
def test_more_or_fewer_tokens_than_dimensions(num):
    x = states(num, 10)
    assert directions(x, 3).shape == (10, 3)


@pytest.mark.parametrize(("num", "width", "top_k"), [(5, 9, 5), (9, 4, 5), (1, 4, 1)])
def test_there_may_be_too_few_directions(num, width, top_k):
    assert directions(states(num, width), top_k) is None


def test_states_on_a_line_have_one_direction():
    line = numpy.outer(numpy.arange(10.0), [3.0, 4.0, 0.0]) + 1
    assert numpy.abs(directions(line, 1)[:, 0]) == pytest.approx([0.6, 0.8, 0], abs=1e-9)
    assert directions(line, 2) is None
    assert directions(numpy.ones((10, 3)), 1) is None


def test_no_direction_is_no_question():
    with pytest.raises(RunError, match="at least 1"):
        directions(states(5, 5), 0)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, math.pi / 2])
def test_a_planted_angle_is_found(angle):
    plane = numpy.eye(4)[:, :2]
    tilted = plane.copy()
    tilted[:, 1] = [0, math.cos(angle), math.sin(angle), 0]
    assert principal_angles(plane, tilted) == pytest.approx([0, angle], abs=1e-9)


def test_angles_do_not_hang_on_the_basis():
    a, b = directions(states(30, 9), 3), directions(states(30, 9, 1), 3)
    turn = numpy.linalg.qr(states(3, 3))[0]
    found = principal_angles(a, b)
    assert principal_angles(a @ turn, -b) == pytest.approx(found)
    assert principal_angles(b, a) == pytest.approx(found)
    assert list(found) == sorted(found)
    cosines = numpy.linalg.svd(a.T @ b, compute_uv=False)
    assert numpy.cos(found) == pytest.approx(cosines)


def test_angles_see_a_rotation_that_cka_does_not():
    x = states(40, 9) * numpy.array([9, 8, 7, 1, 1, 1, 1, 1, 1])
    turned = numpy.roll(x, 3, axis=1)
    assert principal_angles(directions(x, 3), directions(turned, 3)).min() > 1
