"""Names, layers and roles of every family, and the digest that proves what was measured."""

import hashlib
import struct

import pytest
import torch

from driftline.errors import ModelError
from driftline.models import list_weights, weight_role, weights_digest
from driftline.models.language_model._weights import weights_change
from tests import tiny

MATRICES_OF_A_LAYER = {
    "llama": {"q", "k", "v", "o", "gate", "up", "down"},
    "gpt2": {"qkv", "o", "up", "down"},
    "gpt-neox": {"qkv", "o", "up", "down"},
}
MATRICES_OUTSIDE = {
    "llama": ["embedding", "head"],
    "gpt-neox": ["embedding", "head"],
    "gpt2": ["embedding", "position"],
    "llama-tied": ["embedding"],
    "qwen2": ["embedding", "head"],
    "qwen3": ["embedding", "head"],
    "mistral": ["embedding", "head"],
    "gemma": ["embedding"],
    "gemma2": ["embedding"],
    "gemma3": ["embedding"],
}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_weight_has_its_layer_and_role(family):
    model = tiny.model(family)
    weights = list_weights(model)

    assert [weight.role for weight in weights if weight.role == "other"] == []
    wanted = MATRICES_OF_A_LAYER.get(family, MATRICES_OF_A_LAYER["llama"])
    for layer in (0, 1):
        roles = [w.role for w in weights if w.layer == layer and w.is_matrix]
        assert sorted(roles) == sorted(wanted)
    assert {weight.layer for weight in weights} == {None, 0, 1}
    outside = [w.role for w in weights if w.layer is None and w.is_matrix]
    assert outside == MATRICES_OUTSIDE[family]
    last = [w.role for w in weights if w.layer is None and not w.is_matrix]
    assert set(last) == {"norm"}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_layer_0_is_next_to_the_embedding(family):
    model = tiny.model(family)
    reached = []
    for name, module in model.named_modules():
        if name.endswith((".0", ".1")):
            module.register_forward_pre_hook(lambda *_args, name=name: reached.append(name))
    model(torch.tensor([[1, 2, 3]]))

    first = next(w.name for w in list_weights(model) if w.layer == 0)
    assert first.startswith(reached[0] + ".")


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_tied_weights_stand_once_and_every_number_counts(family):
    model = tiny.model(family)
    weights = list_weights(model)
    storages = {parameter.data_ptr() for parameter in model.parameters()}

    assert len(weights) == len(storages)
    assert sum(weight.num_elements for weight in weights) == model.num_parameters()
    head = model.get_output_embeddings().weight
    is_tied = head.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    assert is_tied == ("head" not in {weight.role for weight in weights})


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("model.layers.0.self_attn.q_norm.weight", "norm"),
        ("model.layers.10.self_attn.qkv_proj.weight", "qkv"),
        ("model.layers.10.mlp.gate_up_proj.weight", "gate_up"),
        ("transformer.h.0.attn.c_proj.weight", "o"),
        ("transformer.h.0.mlp.c_proj.weight", "down"),
        ("gpt_neox.layers.0.attention.dense.bias", "o"),
        ("gpt_neox.layers.0.mlp.dense_h_to_4h.weight", "up"),
        ("gpt_neox.layers.0.mlp.dense_4h_to_h.weight", "down"),
        ("transformer.h.11.ln_1.bias", "norm"),
        ("model.layers.0.block_sparse_moe.router.weight", "router"),
        ("model.layers.0.mlp.gate.weight", "router"),
        ("model.layers.0.mlp.shared_expert_gate.weight", "router"),
        ("model.layers.0.mlp.shared_expert.gate_proj.weight", "gate"),
        ("model.layers.0.mlp.experts.gate_up_proj", "experts"),
        ("model.layers.0.mlp.experts.down_proj_bias", "experts"),
        ("model.layers.0.mlp.experts.3.down_proj.weight", "down"),
        ("model.layers.0.block_sparse_moe.input_linear.weight", "experts"),
        ("transformer.h.0.self_attention.dense.weight", "o"),
        ("model.layers.0.self_attn.dense.bias", "o"),
        ("transformer.h.0.mlp.fc_out.weight", "down"),
        ("model.layers.0.self_attn.sinks", "other"),
    ],
)
def test_roles_of_names(name, role):
    assert weight_role(name) == role


def test_layers_count_past_nine():
    layers = torch.nn.ModuleList([torch.nn.Linear(1, 1) for _ in range(12)])
    holder = torch.nn.ModuleDict({"model": torch.nn.ModuleDict({"layers": layers})})

    assert [w.layer for w in list_weights(holder)][::2] == list(range(12))


def flip_lowest_bit(tensor: torch.Tensor) -> None:
    bits = tensor.data.view(-1)[-1:].view(torch.uint8)
    bits[0] ^= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_digest_sees_one_flipped_bit_in_any_weight(family, dtype):
    model = tiny.model(family).to(dtype)
    before = weights_digest(model)

    assert weights_digest(model) == before
    assert before.startswith("sha256:")
    for parameter in model.parameters():
        flip_lowest_bit(parameter)
        assert weights_digest(model) != before
        flip_lowest_bit(parameter)
    assert weights_digest(model) == before


def test_digest_is_of_content_and_not_of_layout():
    linear = torch.nn.Linear(3, 4, bias=False)
    other = torch.nn.Linear(3, 4, bias=False)
    other.weight = torch.nn.Parameter(linear.weight.detach().t().contiguous().t())

    assert not other.weight.is_contiguous()
    assert weights_digest(other) == weights_digest(linear)


def test_digest_sees_dtype_shape_and_name():
    def holding(**tensors: torch.Tensor) -> torch.nn.ParameterDict:
        return torch.nn.ParameterDict(tensors)

    modules = [  # eight zero bytes each
        holding(a=torch.zeros(4, dtype=torch.float16)),
        holding(a=torch.zeros(4, dtype=torch.bfloat16)),
        holding(a=torch.zeros(2, 2, dtype=torch.float16)),
        holding(b=torch.zeros(4, dtype=torch.float16)),
        holding(a=torch.zeros(2)),
    ]

    assert len({weights_digest(module) for module in modules}) == len(modules)


def test_digest_is_as_documented():
    module = torch.nn.Module()
    module.b = torch.nn.Parameter(torch.arange(3.0))
    module.a = torch.nn.Parameter(torch.ones(2, 2))
    content = b"a|torch.float32|(2, 2)|" + struct.pack("<4f", 1, 1, 1, 1)
    content += b"b|torch.float32|(3,)|" + struct.pack("<3f", 0, 1, 2)

    assert weights_digest(module) == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_change_is_of_the_weights_that_differ_only():
    left, right = tiny.model("llama-tied"), tiny.model("llama-tied")
    name = "model.layers.1.mlp.up_proj.weight"
    with torch.no_grad():
        right.get_parameter(name).add_(0.5)
    change = weights_change(left, right)

    assert list(change) == [name]
    assert torch.allclose(change[name], torch.tensor(0.5))


def test_a_head_that_only_the_tuned_model_ties_moves_to_the_tuned_embedding():
    base, tuned = tiny.model("llama"), tiny.model("llama-tied", seed=1)
    change = weights_change(base, tuned)
    every = dict(tuned.named_parameters(remove_duplicate=False))
    for name, weight in base.named_parameters():
        assert torch.allclose(weight + change.get(name, 0.0), every[name], atol=1e-6), name
    equal = tiny.model("llama-tied")
    equal.lm_head.weight = torch.nn.Parameter(equal.lm_head.weight.detach().clone())
    assert weights_change(tiny.model("llama-tied"), equal) == {}


def test_change_between_other_shapes_or_names_is_refused():
    with pytest.raises(ModelError, match=r"lm_head.weight and .* differ after .* base ties them"):
        weights_change(tiny.model("llama-tied"), tiny.model("llama"))
    with pytest.raises(ModelError, match=r"is missing after tuning"):
        weights_change(tiny.model("llama"), tiny.model("gpt2"))
    wider = tiny.model("llama")
    wider.resize_token_embeddings(330, mean_resizing=False)
    with pytest.raises(ModelError, match=r"embed_tokens.weight: has shape \(330, 32\)"):
        weights_change(tiny.model("llama"), wider)
