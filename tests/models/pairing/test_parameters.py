"""Names are paired as transformers loads them; the truth is what from_pretrained computes."""

import json
import re
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from driftline.analyses import DiffRequest, diff
from driftline.errors import ModelError
from driftline.models import pair_checkpoints
from tests import architectures, tiny
from tests.architectures import EXPERTS, loaded, nudged, true_change

AUTO = transformers.AutoModelForCausalLM
MULTIMODAL = {
    "gemma3": transformers.Gemma3ForConditionalGeneration,
    "llava": transformers.LlavaForConditionalGeneration,
}


def renamed(folder, rename) -> str:
    """Give the tensors of a folder other names."""
    file = folder / "model.safetensors"
    tensors = {rename(name): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})
    return str(folder)


def compared(base, tuned):
    return diff(DiffRequest(str(base), str(tuned), "none"))


def check_truth(found, change: float) -> None:
    assert found.total.relative_change == pytest.approx(change, rel=1e-5)
    assert (found.lone_parts, found.verdict) == ((), None)
    assert (found.only_in_base, found.only_in_tuned) == ((), ())


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_dense_families(family, tmp_path):
    tiny.model(family).save_pretrained(tmp_path / "base")
    nudged(tiny.model(family)).save_pretrained(tmp_path / "tuned")
    found = compared(tmp_path / "base", tmp_path / "tuned")
    check_truth(found, true_change(loaded(tmp_path / "base"), loaded(tmp_path / "tuned")))


@pytest.mark.parametrize("fused", ["base", "tuned", "both", "none"])
@pytest.mark.parametrize("kind", EXPERTS)
def test_experts_one_by_one_and_fused(kind, fused, tmp_path):
    for side, model in (
        ("base", architectures.experts(kind)),
        ("tuned", nudged(architectures.experts(kind), "experts")),
    ):
        model.save_pretrained(tmp_path / side, save_original_format=fused not in (side, "both"))
    found = compared(tmp_path / "base", tmp_path / "tuned")
    change = true_change(loaded(tmp_path / "base"), loaded(tmp_path / "tuned"))
    assert change > 0.01
    check_truth(found, change)
    assert "MOVED" in found.headline
    assert {c.layer for c in found.changes} == ({1} if kind == "deepseek_v3" else {0, 1})


@pytest.mark.parametrize("old", ["base", "tuned", "both"])
@pytest.mark.parametrize("kind", MULTIMODAL)
def test_multimodal_prefixes_old_and_new(kind, old, tmp_path):
    made = {side: architectures.multimodal(kind) for side in ("base", "tuned")}
    nudged(made["tuned"], "language_model")
    for side, model in made.items():
        model.save_pretrained(tmp_path / side, save_original_format=old in (side, "both"))
    names = [set(load_file(tmp_path / side / "model.safetensors")) for side in made]
    assert (names[0] == names[1]) == (old == "both")
    found = compared(tmp_path / "base", tmp_path / "tuned")
    truth = (loaded(tmp_path / side, MULTIMODAL[kind]) for side in made)
    check_truth(found, true_change(*truth))
    assert {c.layer for c in found.changes if "layers" in c.name} == {0, 1}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"_fsdp_wrapped_module.{name}",
        lambda name: re.sub(r"(layers\.\d+)\.", r"\1._checkpoint_wrapped_module.", name),
        lambda name: re.sub(r"(layers\.\d+)\.", r"\1._fsdp_wrapped_module._orig_mod.", name),
        lambda name: f"base_model.model.{name}",
    ],
    ids=["compile", "ddp", "ddp of compile", "fsdp", "checkpointing", "fsdp by layer", "peft"],
)
@pytest.mark.parametrize("has_config", [True, False])
def test_wrappers_of_training_are_removed_and_named(wrap, has_config, tmp_path):
    tiny.model().save_pretrained(tmp_path / "base")
    nudged(tiny.model()).save_pretrained(tmp_path / "tuned")
    change = true_change(loaded(tmp_path / "base"), loaded(tmp_path / "tuned"))
    tuned = renamed(tmp_path / "tuned", wrap)
    sides = [str(tmp_path / "base"), tuned]
    if not has_config:
        sides = [f"{side}/model.safetensors" for side in sides]
    found = compared(*sides)
    check_truth(found, change)
    removed = next(iter(set(wrap("layers.0.x").split(".")) - {"layers", "0", "x"}))
    assert any(f"{removed}." in caveat and "random weights" in caveat for caveat in found.caveats)
    assert any("names alone" in caveat for caveat in found.caveats) == (not has_config)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox"])
def test_a_body_saved_without_its_name(family, tmp_path):
    model = tiny.model(family)
    model.save_pretrained(tmp_path / "base")
    nudged(tiny.model(family)).save_pretrained(tmp_path / "tuned")
    change = true_change(loaded(tmp_path / "base"), loaded(tmp_path / "tuned"))
    prefix = f"{model.base_model_prefix}."
    tuned = renamed(tmp_path / "tuned", lambda name: name.removeprefix(prefix))
    check_truth(compared(tmp_path / "base", tuned), change)


def test_a_text_model_and_its_multimodal_wrapper_meet_without_the_tower(tmp_path):
    whole = architectures.multimodal("gemma3")
    whole.save_pretrained(tmp_path / "base")
    text = transformers.Gemma3ForCausalLM(whole.config.text_config)
    state = {
        name.replace("model.language_model.", "model."): value
        for name, value in whole.state_dict().items()
        if "language_model" in name or "lm_head" in name
    }
    text.load_state_dict(state)
    nudged(text, "layers.0").save_pretrained(tmp_path / "tuned")
    found = compared(tmp_path / "base", tmp_path / "tuned")
    assert {c.layer for c in found.changes} == {0}
    assert found.verdict == "inconclusive"
    assert found.headline.startswith("INCOMPLETE: ")
    (tower,) = [part for part in found.lone_parts if "vision_tower" in part.name]
    held = loaded(tmp_path / "base")
    share = sum(v.numel() for n, v in held.items() if "vision_tower" in n)
    assert tower.num_parameters == share
    assert tower.share == pytest.approx(share / sum(v.numel() for v in held.values()))
    assert not found.only_in_tuned


@pytest.mark.parametrize("lacks", ["base", "tuned", "both"])
def test_a_head_that_the_config_calls_untied_is_missing_not_tied(lacks, tmp_path):
    for side in ("base", "tuned"):
        tiny.model().save_pretrained(tmp_path / side)
        if lacks in (side, "both"):
            file = tmp_path / side / "model.safetensors"
            tensors = load_file(file)
            del tensors["lm_head.weight"]
            save_file(tensors, file, metadata={"format": "pt"})
    found = compared(tmp_path / "base", tmp_path / "tuned")
    missing = {"base": found.missing_in_base, "tuned": found.missing_in_tuned}
    for side, names in missing.items():
        assert names == (("lm_head.weight",) if lacks in (side, "both") else ())
    assert found.verdict == "inconclusive"
    assert "missing in its files (lm_head.weight)" in found.headline
    assert found.headline.startswith("INCOMPLETE")
    assert (found.tied, found.untied) == ((), ())


@pytest.mark.parametrize("unties", ["base", "tuned"])
def test_a_head_that_one_side_ties_is_held_against_its_embedding(unties, tmp_path):
    for side in ("base", "tuned"):
        model = nudged(tiny.model("llama-tied" if side != unties else "llama"))
        model.save_pretrained(tmp_path / side)
    found = pair_checkpoints(str(tmp_path / "base"), str(tmp_path / "tuned"))
    assert (found.untied, found.lone) == (("lm_head.weight",), ())
    pair = next(pair for pair in found.pairs if pair.name == "lm_head.weight")
    weights = {side: tiny_state(tmp_path / side) for side in ("base", "tuned")}
    wanted = weights["tuned"]["lm_head.weight"] - weights["base"]["lm_head.weight"]
    assert torch.equal(pair.change(), wanted)


def tiny_state(folder) -> dict[str, torch.Tensor]:
    return AUTO.from_pretrained(folder, dtype=torch.float32).state_dict()


@pytest.mark.parametrize("side", ["base", "tuned"])
@pytest.mark.parametrize("name", ["v_head.summary.weight", "model.layers.0.mlp.up_proj.bias"])
def test_a_tensor_without_a_place_leads_the_answer(side, name, tmp_path):
    for folder in ("base", "tuned"):
        tiny.model().save_pretrained(tmp_path / folder)
    file = tmp_path / side / "model.safetensors"
    save_file({**load_file(file), name: torch.ones(4)}, file, metadata={"format": "pt"})
    found = compared(tmp_path / "base", tmp_path / "tuned")
    assert (found.only_in_base if side == "base" else found.only_in_tuned) == (name,)
    assert found.headline.startswith("INCOMPLETE: 1 weights of the")
    assert found.verdict == "inconclusive"


def test_old_buffers_that_no_class_loads_are_named_and_count_nowhere(tmp_path):
    for folder in ("base", "tuned"):
        tiny.model("gpt2").save_pretrained(tmp_path / folder)
    file = tmp_path / "tuned" / "model.safetensors"
    odd = {"transformer.h.0.attn.bias": torch.ones(1, 1, 4, 4)}
    save_file({**load_file(file), **odd}, file, metadata={"format": "pt"})
    found = compared(tmp_path / "base", tmp_path / "tuned")
    assert found.headline.startswith("IDENTICAL")
    assert found.verdict is None
    assert any("transformer.h.0.attn.bias" in caveat for caveat in found.caveats)


@pytest.mark.parametrize("kind", ["qwen3_5", "llama4"])
def test_what_the_text_model_of_a_wrapper_does_not_load_is_compared_all_the_same(kind, tmp_path):
    model, tower = architectures.text_of_wrapper(kind)
    model.save_pretrained(tmp_path / "base")
    names = [name for name in load_file(tmp_path / "base" / "model.safetensors") if tower in name]
    same = compared(tmp_path / "base", tmp_path / "base")
    assert same.headline.startswith("IDENTICAL")
    assert (same.verdict, same.lone_parts, same.changed_beside) == (None, (), ())
    nudged(model, tower).save_pretrained(tmp_path / "tuned")
    found = compared(tmp_path / "base", tmp_path / "tuned")
    moved = (
        f"MOVED: {len(names)} tensors that are no weights of the model's class differ ({names[0]}"
    )
    assert found.headline.startswith(moved)
    assert set(found.changed_beside) == set(names)
    assert (found.verdict, found.lone_parts, found.total.num_changed) == (None, (), 0)
    assert any("does not load" in c and c.endswith("they were compared.") for c in found.caveats)


def test_a_tower_of_another_shape_or_dtype(tmp_path):
    model, tower = architectures.text_of_wrapper("qwen3_5")
    model.save_pretrained(tmp_path / "base")
    for side, change in (
        ("cast", lambda t: t.to(torch.bfloat16)),
        ("longer", lambda t: torch.cat([t, t])),
    ):
        folder = shutil.copytree(tmp_path / "base", tmp_path / side)
        file = folder / "model.safetensors"
        tensors = {n: change(t) if tower in n else t for n, t in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})
    assert compared(tmp_path / "base", tmp_path / "cast").changed_beside == ()
    assert compared(tmp_path / "base", tmp_path / "longer").headline.startswith("MOVED: ")


def test_stored_buffers_are_compared_and_count_nowhere(tmp_path):
    fields = {**tiny.SMALL, "num_local_experts": 2, "num_experts_per_tok": 1, "block_size": 16}
    fields["layer_types"] = ["linear_attention", "full_attention"]
    model = AUTO.from_config(transformers.MiniMaxConfig(**fields))
    model.save_pretrained(tmp_path / "base", save_original_format=False)
    stored = load_file(tmp_path / "base" / "model.safetensors")
    buffers = {name for name, _ in model.named_buffers()} & stored.keys()
    assert buffers
    same = compared(tmp_path / "base", tmp_path / "base")
    assert same.total.num_parameters == sum(p.numel() for p in model.parameters())
    assert any(f"{len(buffers)} stored buffers" in caveat for caveat in same.caveats)
    folder = shutil.copytree(tmp_path / "base", tmp_path / "tuned")
    moved = next(name for name in sorted(buffers) if name.endswith("slope_rate"))
    save_file(
        {**stored, moved: stored[moved] * 2},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    found = compared(tmp_path / "base", folder)
    assert (found.changed_beside, found.total.num_changed) == ((moved,), 0)
    assert found.headline.startswith("MOVED: 1 tensor that is no weight of the model's class")


def test_a_missing_expert_is_refused_by_name(tmp_path):
    architectures.experts("mixtral").save_pretrained(tmp_path / "base", save_original_format=True)
    folder = shutil.copytree(tmp_path / "base", tmp_path / "tuned")
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if "experts.2.w3" in name)
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"gate_up_proj cannot be made from .*experts\.0"):
        compared(tmp_path / "base", folder)


def test_shapes_that_contradict_the_config_are_refused(tmp_path):
    tiny.model().save_pretrained(tmp_path / "base")
    folder = shutil.copytree(tmp_path / "base", tmp_path / "tuned")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(
        ModelError, match=r"down_proj.weight has shape \(32, 64\), and config.json says \(32, 48\)"
    ):
        compared(tmp_path / "base", folder)


def test_two_tensors_for_one_weight_are_refused(tmp_path):
    tiny.model().save_pretrained(tmp_path / "base")
    folder = shutil.copytree(tmp_path / "base", tmp_path / "tuned")
    file = folder / "model.safetensors"
    tensors = load_file(file)
    twice = {"layers.0.mlp.up_proj.weight": tensors["model.layers.0.mlp.up_proj.weight"] + 1}
    save_file({**tensors, **twice}, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"are both the weight model.layers.0.mlp.up_proj.weight"):
        compared(tmp_path / "base", folder)


def test_bare_files_meet_by_rules_for_names(tmp_path):
    architectures.experts("qwen3_moe").save_pretrained(tmp_path / "base", save_original_format=True)
    nudged(architectures.experts("qwen3_moe"), "experts").save_pretrained(
        tmp_path / "tuned", save_original_format=False
    )
    change = true_change(loaded(tmp_path / "base"), loaded(tmp_path / "tuned"))
    rename = {"model.": "model.language_model."}
    renamed(tmp_path / "tuned", lambda n: n.replace("model.", rename["model."], 1))
    found = compared(*(f"{tmp_path / side}/model.safetensors" for side in ("base", "tuned")))
    check_truth(found, change)
