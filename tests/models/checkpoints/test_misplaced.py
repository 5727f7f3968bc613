"""Tensors that no loader puts to use: what needs them is refused, and what does not is taken."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import open_model, open_tuned_model
from driftline.models.checkpoints import check_placed

Q = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy of the tiny Llama's folder, to be broken."""
    return shutil.copytree(model_folder, tmp_path / "copy")


def change(folder, added, removed=()):
    path = folder / "model.safetensors"
    tensors = {**load_file(path), **added}
    save_file({n: t for n, t in tensors.items() if n not in removed}, path, {"format": "pt"})


def refused(folder, opened, words):
    """Refused as the tuned model, and as the base."""
    with pytest.raises(ModelError, match=words):
        open_tuned_model(str(folder), opened)
    with pytest.raises(ModelError, match=words):
        open_model(str(folder))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{Q}.lora_A.weight", "of an adapter that was not merged.*merge_and_unload"),
        (f"{Q}.lora_magnitude_vector", "of an adapter that was not merged"),
        (f"{Q}.base_layer.weight", "of an adapter that was not merged"),
        (f"{Q}.bias", f"config.json gives {Q} no bias"),
        ("model.layers.2.input_layernorm.weight", "of a layer that config.json does not have"),
        (f"{Q}.weight_scale", "belongs to packed weights.*give the unquantised checkpoint"),
        (f"{Q}.weight_scale_inv", "belongs to packed weights"),
        (f"{Q}.qzeros", "belongs to packed weights"),
        ("model.layers.0.mlp.experts.gate_up_proj_scale_inv", "belongs to packed weights"),
    ],
)
def test_what_the_model_needs_and_no_loader_places_is_refused(folder, opened, name, words):
    change(folder, {name: torch.ones(4)})
    refused(folder, opened, rf"tensor {name}.*{words}")


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.bool, torch.int32])
def test_weights_in_integers_are_packed(folder, opened, dtype):
    change(
        folder, {f"{Q}.weight": load_file(folder / "model.safetensors")[f"{Q}.weight"].to(dtype)}
    )
    refused(folder, opened, rf"tensor {Q}.weight \({str(dtype)[6:]}\) belongs to packed weights")


@pytest.mark.parametrize(
    "name",
    [
        "score.weight",
        "v_head.summary.weight",
        "vision_tower.layers.7.self_attn.q_proj.weight",
        "vision_tower.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
    ],
)
def test_a_part_that_causal_scores_do_not_need_is_no_fault(folder, opened, name):
    change(folder, {name: torch.ones(4)})
    assert open_model(str(folder)).digest == opened.digest
    open_tuned_model(str(folder), opened)


def test_a_bias_of_zeros_adds_nothing(folder, opened):
    change(folder, {f"{Q}.bias": torch.zeros(4)})
    assert open_model(str(folder)).digest == opened.digest


def test_layers_for_further_tokens_are_no_layers_of_the_model(folder, opened):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"num_nextn_predict_layers": 1}
    path.write_text(json.dumps(config))
    change(folder, {"model.layers.2.input_layernorm.weight": torch.ones(4)})
    assert open_model(str(folder)).digest == opened.digest
    change(folder, {"model.layers.3.input_layernorm.weight": torch.ones(4)})
    with pytest.raises(ModelError, match=r"layers\.3\.input_layernorm"):
        open_model(str(folder))


def test_a_layer_that_few_layers_have_parts_of_is_no_end_of_the_model():
    """As in hybrids, where a tensor of a later layer may be left over and not be needed."""
    own = {"model.layers.0.a.weight", "model.layers.1.b.weight", "model.layers.4.b.weight"}
    check_placed(["model.layers.3.a.weight"], own, {}, source="it")
    with pytest.raises(ModelError, match=r"layers\.5\.a\.weight is of a layer"):
        check_placed(["model.layers.5.a.weight"], own, {}, source="it")
    check_placed(["model.layers.5.a.weight"], own, {}, source="it", num_more_layers=1)
    check_placed(["model.layers.5.c.weight", "other.layers.9.a.weight"], own, {}, source="it")
