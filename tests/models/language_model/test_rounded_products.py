"""Products of bfloat16 matrices in float32, rounded: what instructions for bfloat16 would give."""

import pytest
import torch
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.utils._python_dispatch import _get_current_dispatch_mode

from driftline.models import rounded_products
from driftline.models.language_model import is_rounded
from tests import tiny

ROWS, OTHERS = (torch.randn(40, 64, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
LAYER = torch.nn.Linear(2, 2)
A, B, BIAS = ROWS.bfloat16(), OTHERS.bfloat16(), OTHERS[0, :40].bfloat16()


@pytest.mark.parametrize(
    "product",
    [
        lambda a, b, bias: a @ b.T,
        lambda a, b, bias: a[None] @ b.T[None],
        lambda a, b, bias: linear(a, b),
        lambda a, b, bias: linear(a, b, bias),
        lambda a, b, bias: torch.baddbmm(bias.expand(1, 40, 40), a[None], b.T[None]),
        lambda a, b, bias: torch.einsum("ik,jk->ij", a, b),
        lambda a, b, bias: torch.mm(a, b.T, out=a.new_empty(40, 40)),
        lambda a, b, bias: bias.repeat(40, 1).addmm_(a, b.T),
        lambda a, b, bias: torch.bmm(a[None], b.T[None], out=a.new_empty(1, 40, 40)),
        lambda a, b, bias: bias.repeat(1, 40, 1).baddbmm_(a[None], b.T[None]),
    ],
    ids=[
        "mm",
        "bmm",
        "linear",
        "linear with bias",
        "baddbmm",
        "einsum",
        "mm out",
        "addmm_",
        "bmm out",
        "baddbmm_",
    ],
)
@pytest.mark.parametrize("gradients", [torch.no_grad, torch.enable_grad])
def test_a_product_is_that_of_float32_rounded(processor, product, gradients):
    processor(is_native=False)
    with gradients(), rounded_products(LAYER, bfloat16=True):
        found = product(A, B, BIAS)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, product(A.float(), B.float(), BIAS.float()).bfloat16())


def test_other_numbers_are_left_alone(processor):
    processor(is_native=False)
    with rounded_products(LAYER, bfloat16=True):
        assert torch.equal(ROWS @ OTHERS.T, linear(ROWS, OTHERS))
        assert (ROWS.half() @ OTHERS.T.half()).dtype == torch.float16


@pytest.mark.parametrize("mask", [None, torch.zeros(40, 40).bfloat16()], ids=["causal", "mask"])
def test_attention_and_its_gradient_are_those_of_float32_rounded(processor, mask):
    processor(is_native=False)
    shape = (1, 4, 40, 16)
    how = {"is_causal": mask is None}

    def outcome(dtype):
        inputs = [each.reshape(shape).to(dtype).requires_grad_() for each in (A, B, A + B)]
        result = scaled_dot_product_attention(
            *inputs, attn_mask=None if mask is None else mask.to(dtype), **how
        )
        gradients = torch.autograd.grad(result.float().square().sum(), inputs)
        return result.detach(), *gradients

    with rounded_products(LAYER, bfloat16=True):
        found = outcome(torch.bfloat16)
    for ours, wanted in zip(found, outcome(torch.float32), strict=True):
        assert ours.dtype == torch.bfloat16
        # One step of bfloat16 is 2^-8 of a number; the gradient meets the rounded result.
        torch.testing.assert_close(
            ours.float(), wanted, rtol=2**-6, atol=2**-6 * float(wanted.std())
        )


def test_a_gradient_is_the_emulated_one_but_for_the_order_of_additions(processor):
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Linear(64, 128), torch.nn.SiLU(), torch.nn.Linear(128, 128, bias=False)
    )

    def gradient(*, bfloat16):
        layers.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = layers(ROWS).float().logsumexp(-1).mean()
        loss.backward()
        return torch.cat([weight.grad.flatten() for weight in layers.parameters()])

    processor(is_native=True)
    with rounded_products(LAYER, bfloat16=True):
        emulated, wide = gradient(bfloat16=True), gradient(bfloat16=False)
    processor(is_native=False)
    with rounded_products(LAYER, bfloat16=True):
        rounded = gradient(bfloat16=True)
    assert (rounded - emulated).norm() < 0.3 * (wide - emulated).norm()


@pytest.mark.parametrize(
    "product",
    [
        lambda: A @ OTHERS.T,
        lambda: linear(A, OTHERS),
        lambda: linear(A, B, BIAS.float()),
        lambda: torch.zeros(40, 40).addmm_(A, B.T),
        lambda: torch.mm(A, B.T, out=torch.zeros(40, 40)),
    ],
    ids=["matrices", "weight", "bias", "in place", "out"],
)
def test_mixed_numbers_are_refused_as_by_pytorch(processor, product):
    processor(is_native=False)
    with pytest.raises(RuntimeError):
        product()
    with rounded_products(LAYER, bfloat16=True), pytest.raises(RuntimeError):
        product()


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
@pytest.mark.parametrize("shape", [(0,), (3, 40, 40), (40, 40)])
def test_a_given_result_takes_the_shape_of_the_product(processor, shape):
    processor(is_native=False)
    out = torch.zeros(shape).bfloat16()
    with rounded_products(LAYER, bfloat16=True):
        assert torch.mm(A, B.T, out=out) is out
    assert torch.equal(out, A @ B.T)


def test_a_model_whose_attention_compiles_itself_is_left_alone(processor):
    processor(is_native=False)
    model = tiny.model()
    assert is_rounded(model, bfloat16=True)
    model.config._attn_implementation = "flex_attention"
    assert not is_rounded(model, bfloat16=True)


@pytest.mark.parametrize(
    ("dtype", "autocast", "is_taken_over"),
    [
        (torch.float32, False, False),
        (torch.float32, True, True),
        (torch.bfloat16, False, True),
        (torch.float16, False, False),
    ],
)
def test_it_is_entered_only_where_something_is_in_bfloat16(
    processor, dtype, autocast, is_taken_over
):
    processor(is_native=False)
    with rounded_products(torch.nn.Linear(2, 2, dtype=dtype), bfloat16=autocast):
        assert (_get_current_dispatch_mode() is not None) == is_taken_over


def test_nothing_is_taken_over_where_bfloat16_is_computed_nor_after_the_block(processor):
    processor(is_native=True)
    with rounded_products(LAYER, bfloat16=True):
        assert _get_current_dispatch_mode() is None
    processor(is_native=False)
    with pytest.raises(RuntimeError, match="middle"):
        _fail_inside()
    assert _get_current_dispatch_mode() is None


def _fail_inside():
    with rounded_products(LAYER, bfloat16=True):
        assert _get_current_dispatch_mode() is not None
        raise RuntimeError("in the middle")
