"""Regions of hidden states: planted subspaces are found, and overlap means what it says."""

import numpy
import pytest

from driftline.analyses.fragility._regions import layer_regions
from driftline.engine.evaluation._slopes import CapabilitySlopes
from driftline.models import HiddenGradients

from ..conftest import PAIRS, TEXTS

GENERATOR = numpy.random.default_rng(0)
WIDTH = 64


def gradients(basis, num_rows=200, scale=1e-6):
    rows = GENERATOR.normal(size=(num_rows, len(basis))) @ basis * scale
    return HiddenGradients(rows.astype(numpy.float32), numpy.arange(num_rows) // 4)


def slopes_of(capability, *hidden):
    return CapabilitySlopes(capability, numpy.zeros((6, 1)), hidden)


def test_a_planted_region_is_found():
    basis = numpy.eye(WIDTH)
    own = slopes_of(PAIRS, gradients(basis[:4]), gradients(basis[:4]))
    data = slopes_of(TEXTS, gradients(basis[2:6]), gradients(basis[10:14]))
    first, second = layer_regions([own], data)
    assert (first.capability, first.layer, first.width) == ("pairs", 0, WIDTH)
    assert first.participation_ratio == pytest.approx(4, rel=0.15)
    assert first.dimension == 4
    assert first.own_share > 0.9
    assert 0.3 < first.data_share < 0.7
    assert second.layer == 1
    assert second.data_share < 0.05
    assert first.random_share == first.dimension / WIDTH
    assert first.reason is None


def test_data_without_preference_have_the_share_of_chance():
    own = slopes_of(PAIRS, gradients(numpy.eye(WIDTH)[:4]))
    data = slopes_of(TEXTS, gradients(numpy.eye(WIDTH), num_rows=2000))
    (found,) = layer_regions([own], data)
    assert found.data_share == pytest.approx(found.random_share, rel=0.15)


def test_items_beyond_the_clip_have_no_say():
    felt = gradients(numpy.eye(WIDTH)[:4], num_rows=100)
    silent = HiddenGradients(
        numpy.concatenate([felt.rows, numpy.zeros((100, WIDTH), numpy.float32)]),
        numpy.concatenate([felt.items, 1000 + numpy.arange(100)]),
    )
    data = slopes_of(TEXTS, gradients(numpy.eye(WIDTH)))
    (expected,), (found,) = (
        layer_regions([slopes_of(PAIRS, each)], data) for each in (felt, silent)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (numpy.zeros((8, 4)), "no gradient reaches this layer"),
        (numpy.zeros((0, 4)), "no gradient reaches this layer"),
        (numpy.eye(4)[:1], "no two items have gradients"),
    ],
)
def test_an_undefined_region_has_its_reason(rows, reason):
    own = HiddenGradients(rows.astype(numpy.float32), numpy.arange(len(rows)))
    data = HiddenGradients(numpy.eye(4, dtype=numpy.float32), numpy.arange(4))
    (found,) = layer_regions([slopes_of(PAIRS, own)], slopes_of(TEXTS, data))
    assert found.participation_ratio is found.dimension is found.data_share is None
    assert found.own_share is found.random_share is None
    assert found.reason.startswith(reason)


def test_planned_data_without_gradients_have_no_share():
    own = slopes_of(PAIRS, gradients(numpy.eye(WIDTH)[:4]))
    nothing = HiddenGradients(numpy.zeros((5, WIDTH), numpy.float32), numpy.arange(5))
    (found,) = layer_regions([own], slopes_of(TEXTS, nothing))
    assert found.data_share is None
    assert found.dimension is not None
