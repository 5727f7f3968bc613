"""Writing a scaled update: the same weights as the point, rank kept, nothing else lost."""

import json
from pathlib import Path

import peft
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from driftline.models import (
    at_point,
    can_stay_adapter,
    open_model,
    open_tuned_model,
    scaled_point,
    write_scaled,
)
from driftline.models.tuned import _scaled as module
from tests import adapters, tiny


def _scales(opened, low=0.25):
    """Another scale for the first layer and for embeddings than for the rest."""
    return {
        w.name: low if w.layer == 0 else 0.0 if w.role == "embedding" else 0.5
        for w in opened.weights
    }


def _moved(opened, seed=5):
    model = tiny.model()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.05)
    return model


def _at(opened, point):
    with at_point(opened, point):
        return {n: p.detach().clone() for n, p in opened.model.named_parameters()}


@pytest.fixture
def tuned_folder(base, tmp_path):
    _moved(base).save_pretrained(tmp_path / "tuned")
    tiny.tokenizer().save_pretrained(tmp_path / "tuned")
    return tmp_path / "tuned"


def test_a_model_is_written_as_the_point_is(base, tuned_folder, tmp_path):
    tuned, scales = open_tuned_model(str(tuned_folder), base), _scales(base)
    assert not can_stay_adapter(tuned)
    assert write_scaled(tuned, base, scales, folder=tmp_path / "out") == "model"
    expected = _at(base, scaled_point(tuned, scales, label="p"))
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == expected.keys()
    for name, weight in written.items():
        assert torch.equal(weight, expected[name]), name
    before = dict(base.model.named_parameters())
    assert torch.equal(written["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.equal(loaded.lm_head.weight, expected["lm_head.weight"])
    assert (tmp_path / "out" / "tokenizer.json").exists()


def test_it_keeps_the_dtype_that_the_tuned_model_is_stored_in(base, tmp_path):
    _moved(base).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    tuned, scales = open_tuned_model(str(tmp_path / "half"), base), _scales(base)
    write_scaled(tuned, base, scales, folder=tmp_path / "out")
    expected = _at(base, scaled_point(tuned, scales, label="p"))
    for name, weight in load_file(tmp_path / "out" / "model.safetensors").items():
        assert torch.equal(weight, expected[name].to(torch.bfloat16)), name


def test_large_models_are_written_in_shards(base, tuned_folder, tmp_path, monkeypatch):
    tuned, scales = open_tuned_model(str(tuned_folder), base), _scales(base)
    write_scaled(tuned, base, scales, folder=tmp_path / "one")
    monkeypatch.setattr(module, "SHARD_BYTES", 50_000)
    write_scaled(tuned, base, scales, folder=tmp_path / "many")
    files = sorted((tmp_path / "many").glob("model-*.safetensors"))
    assert len(files) > 1
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {file.name for file in files}
    one, many = (
        AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict()
        for name in ("one", "many")
    )
    assert all(torch.equal(one[name], many[name]) for name in one)


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": ["q_proj", "down_proj"]},
        {
            "target_modules": ["v_proj"],
            "use_rslora": True,
            "rank_pattern": {"layers.1.self_attn.v_proj": 2},
        },
        {"target_modules": ["o_proj"], "modules_to_save": ["lm_head"]},
    ],
)
def test_an_adapter_stays_one_of_the_same_rank(base, tmp_path, fields):
    folder, _merged = adapters.save_both(tmp_path, base.model, **fields)
    tuned, scales = open_tuned_model(folder, base), _scales(base)
    assert can_stay_adapter(tuned)
    assert write_scaled(tuned, base, scales, folder=tmp_path / "out") == "adapter"
    before = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    after = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert {n: t.shape for n, t in after.items()} == {n: t.shape for n, t in before.items()}
    expected = _at(base, scaled_point(tuned, scales, label="p"))
    merged = PeftModel.from_pretrained(tiny.model(), tmp_path / "out").merge_and_unload()
    for name, weight in merged.named_parameters():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-6)
    reopened = _at(base, open_tuned_model(str(tmp_path / "out"), base).point)
    assert not all(torch.equal(reopened[n], p) for n, p in base.model.named_parameters())


def test_an_adapter_that_is_more_than_its_factors_becomes_a_model(base, tmp_path):
    folder, _merged = adapters.save_both(
        tmp_path, base.model, target_modules=["q_proj"], use_dora=True
    )
    tuned, scales = open_tuned_model(folder, base), _scales(base)
    assert not can_stay_adapter(tuned)
    assert write_scaled(tuned, base, scales, folder=tmp_path / "out") == "model"
    expected = _at(base, scaled_point(tuned, scales, label="p"))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    for name, weight in loaded.named_parameters():
        assert torch.equal(weight, expected[name]), name
    assert (tmp_path / "out" / "tokenizer.json").exists()


@pytest.mark.parametrize("has_ranks", [False, True])
def test_adalora_becomes_a_model(base, tmp_path, has_ranks):
    config = peft.AdaLoraConfig(
        task_type="CAUSAL_LM", init_r=4, target_r=2, total_step=10, target_modules=["q_proj"]
    )
    torch.manual_seed(2)
    adapted = peft.get_peft_model(tiny.model(), config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    adapted.save_pretrained(tmp_path / "adapter")
    if has_ranks:
        # As PEFT saves it once ranks are allocated: switches, all on here.
        path = tmp_path / "adapter" / "adapter_config.json"
        name = "model.layers.{}.self_attn.q_proj.lora_E"
        ranks = {name.format(number): [True] * 4 for number in range(2)}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"rank_pattern": ranks}))
    tuned = open_tuned_model(str(tmp_path / "adapter"), base)
    assert not can_stay_adapter(tuned)
    assert write_scaled(tuned, base, _scales(base), folder=tmp_path / "out") == "model"
    open_tuned_model(str(tmp_path / "out"), base)


@pytest.mark.parametrize("family", ["llama-tied", "gpt2", "gpt-neox", "gemma3"])
def test_what_is_written_loads_in_every_family(open_family, family, tmp_path):
    opened = open_family(family)
    tuned_model = tiny.model(family)
    with torch.no_grad():
        for weight in tuned_model.parameters():
            weight.add_(0.01)
    tuned_model.save_pretrained(tmp_path / "tuned")
    tuned, scales = open_tuned_model(str(tmp_path / "tuned"), opened), _scales(opened)
    expected = _at(opened, scaled_point(tuned, scales, label="p"))
    write_scaled(tuned, opened, scales, folder=tmp_path / "out")
    reopened = _at(opened, open_tuned_model(str(tmp_path / "out"), opened).point)
    for name, weight in reopened.items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-6)
    opened.check_unchanged()


def test_pickled_states_of_a_trainer_stay_behind(base, tuned_folder, tmp_path):
    (tuned_folder / "training_args.bin").write_bytes(b"x")
    (tuned_folder / "chat_template.jinja").write_text("{{ messages }}")
    tuned = open_tuned_model(str(tuned_folder), base)
    write_scaled(tuned, base, _scales(base), folder=tmp_path / "out")
    assert not (tmp_path / "out" / "training_args.bin").exists()
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == "{{ messages }}"


@pytest.mark.parametrize("kind", ["whole", "dora"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_other_weights_stay_behind_and_further_templates_come_along(tmp_path, kind):
    source = tiny.save(tmp_path / "base")
    fields = {"use_dora": True} if kind == "dora" else {}
    tuned = Path(adapters.save_both(tmp_path, tiny.model(), **fields)[kind == "whole"])
    copied = tuned if kind == "whole" else source
    (copied / "additional_chat_templates").mkdir()
    (copied / "additional_chat_templates" / "tool_use.jinja").write_text("{{ 1 }}")
    (copied / "original").mkdir()
    opened = open_model(str(source))
    found = open_tuned_model(str(tuned), opened)
    # TUNED may hold no others when it is opened; a base may.
    stale = ("tf_model.h5", "flax_model.msgpack", "model.onnx", "model.npz", "ema.safetensors")
    lists = ("pytorch_model.bin.index.json", "model.fp16.index.json", "trainer_state.json")
    for name in (*stale, *lists, "optimizer.pt"):
        (copied / name).write_bytes(b"{}")
    write_scaled(found, opened, _scales(opened), folder=tmp_path / "out")
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*")}
    assert not written & {*stale, *lists, "optimizer.pt", "original"}
    assert "additional_chat_templates/tool_use.jinja" in written
    assert open_tuned_model(str(tmp_path / "out"), opened).checkpoint.strays == ()


@pytest.mark.parametrize("kind", ["whole", "adapter", "dora"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_head_that_tuning_untied_is_written_on_its_own(tmp_path, kind):
    tied = open_model(str(tiny.save(tmp_path / "base", "llama-tied")))
    if kind == "whole":
        tiny.model("llama", seed=3).save_pretrained(tmp_path / "tuned")
    else:
        fields = {"modules_to_save": ["embed_tokens", "lm_head"], "use_dora": kind == "dora"}
        adapters.adapt(tied.model, **fields).save_pretrained(tmp_path / "tuned")
    tuned = open_tuned_model(str(tmp_path / "tuned"), tied)
    half = {weight.name: 0.5 for weight in tuned.base.weights}
    wanted = _at(tuned.base, scaled_point(tuned, half, label="half"))
    write_scaled(tuned, tuned.base, half, folder=tmp_path / "out")

    written = open_tuned_model(str(tmp_path / "out"), tied)
    reopened = _at(written.base, written.point)
    assert reopened.keys() == wanted.keys()
    assert "lm_head.weight" in wanted
    for name, value in wanted.items():
        assert torch.allclose(reopened[name], value, atol=1e-5), name
