"""Norms of stored weights and their changes, against dense float64 arithmetic."""

import math

import pytest
import torch
from safetensors.torch import save_file

from driftline.models import WeightPair
from driftline.models.checkpoints._stored import BLOCK, read_header
from driftline.models.pairing._weight_pairs import ROUNDING_SHARE, equal_values


@pytest.fixture
def pair_of(tmp_path):
    """Stores two tensors and pairs them."""

    def make(base, tuned, name="model.layers.3.mlp.up_proj.weight") -> WeightPair:
        save_file({name: base.contiguous()}, tmp_path / "base.safetensors")
        save_file({name: tuned.contiguous()}, tmp_path / "tuned.safetensors")
        stored = [read_header(tmp_path / f"{side}.safetensors")[name] for side in ("base", "tuned")]
        return WeightPair(name, *stored)

    return make


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn]


@pytest.mark.parametrize("tuned_dtype", DTYPES, ids=str)
@pytest.mark.parametrize("base_dtype", DTYPES, ids=str)
def test_the_sums_are_those_of_dense_arithmetic(pair_of, base_dtype, tuned_dtype):
    base = normal(300, 700).to(base_dtype)
    tuned = (base.float() + 0.1 * normal(300, 700, seed=1)).to(tuned_dtype)
    pair = pair_of(base, tuned)
    delta = tuned.double() - base.double()
    moments = pair.moments()
    assert pair.base.num_elements > BLOCK
    assert moments.base_squared == pytest.approx(float((base.double() ** 2).sum()), rel=1e-5)
    assert moments.change_squared == pytest.approx(float((delta**2).sum()), rel=1e-5)
    assert not moments.is_rounded_copy
    assert torch.allclose(pair.change(), delta.float(), atol=1e-6)
    assert torch.equal(pair.base_value(), base.float())
    assert (pair.layer, pair.role) == (3, "up")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_equal_weights_have_not_moved(pair_of, dtype):
    weight = normal(200, 900).to(dtype)
    moments = pair_of(weight, weight).moments()
    assert moments.change_squared == 0
    assert not moments.is_rounded_copy


@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_number_is_seen_however_small(pair_of, place):
    base = normal(200, 900)
    tuned = base.clone()
    base.view(-1)[place], tuned.view(-1)[place] = 0.0, 1e-30
    assert pair_of(base, tuned).moments().change_squared == pytest.approx(1e-60, rel=1e-5)


def test_numbers_whose_squares_overflow_are_finite(pair_of):
    moments = pair_of(torch.full((4,), 1e25), torch.full((4,), 3e25)).moments()
    assert moments.base_is_finite
    assert moments.tuned_is_finite
    assert moments.change_squared == pytest.approx(4 * 4e50, rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("sides", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_not_finite_is_told_by_its_side(pair_of, value, sides, dtype):
    weights = [normal(200, 900).to(dtype), normal(200, 900, seed=1).to(dtype)]
    for weight, is_bad in zip(weights, sides, strict=True):
        if is_bad:
            weight.view(-1)[-7] = value
    moments = pair_of(*weights).moments()
    assert (not moments.base_is_finite, not moments.tuned_is_finite) == sides


def test_a_copy_in_a_coarser_dtype_has_not_moved(pair_of):
    base = normal(300, 700)
    moments = pair_of(base, base.bfloat16()).moments()
    assert moments.is_rounded_copy
    assert moments.change_squared == 0
    tuned = base.bfloat16()
    tuned[299, 699] *= 2
    assert not pair_of(base, tuned).moments().is_rounded_copy


def test_a_finer_tuned_weight_is_no_rounded_copy(pair_of):
    base = normal(300, 700).bfloat16()
    assert not pair_of(base, base.float() * (1 + 1e-4)).moments().is_rounded_copy
    assert pair_of(base, base.float()).moments().change_squared == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_rounding_floor_is_what_rounding_really_does(pair_of, dtype):
    weight = 0.02 * normal(500, 500)
    error = (weight.to(dtype).double() - weight.double()).norm() / weight.double().norm()
    floor = pair_of(weight, weight.to(dtype)).rounding_floor
    assert floor == pytest.approx(float(error), rel=0.15)
    assert floor == pytest.approx(ROUNDING_SHARE * torch.finfo(dtype).eps / 2)
    assert pair_of(weight.to(dtype), weight).rounding_floor == floor


def test_integers_are_not_rounded(pair_of):
    pair = pair_of(torch.arange(5), torch.arange(5) + 2**40)
    assert pair.rounding_floor is None
    assert pair.moments().change_squared == pytest.approx(5 * 2.0**80)


def test_equality_is_of_values(pair_of):
    weight = normal(300, 700).bfloat16()
    for other, is_equal in ((weight.float(), True), (weight + 1, False), (weight.T, False)):
        pair = pair_of(weight, other)
        assert equal_values(pair.base, pair.tuned) == is_equal
