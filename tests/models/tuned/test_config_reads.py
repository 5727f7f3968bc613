"""Which keys of a config count: those that the model's code reads and computes with."""

import copy
import json

import pytest
import torch
import transformers

from driftline.errors import ModelError
from driftline.models import open_model, open_tuned_model
from driftline.models.tuned._config_reads import check_configs, recorded_reads
from tests import tiny


def reads_of(config, model):
    with recorded_reads(config) as reads:
        with torch.device("meta"):
            transformers.AutoModelForCausalLM.from_config(copy.deepcopy(config))
        with torch.no_grad():
            model(torch.tensor([[1, 2, 3]]))
    return reads


@pytest.fixture(scope="module")
def moe():
    config = transformers.Qwen3MoeConfig(
        **tiny.SMALL,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        norm_topk_prob=True,
    )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize(
    "change",
    [
        {"unsloth_version": "2026.1"},
        {"unsloth_fixed": True},
        {"model_name": "x/y"},
        {"notes": {"by": "nobody"}},
        {"output_router_logits": True},
        {"router_aux_loss_coef": 0.3},
        {"router_z_loss_coef": 0.1},
        {"gradient_checkpointing": True},
        {"use_cache": False},
        {"initializer_range": 0.5},
        {"attention_dropout": 0.5},
        {"pad_token_id": 3},
        {"architectures": ["Other"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_keys_that_change_no_logit_do_not_count(moe, change):
    tuned = copy.deepcopy(moe.config)
    tuned.update(change)
    check_configs(tuned, moe.config, reads_of(moe.config, moe), source="tuned")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rms_norm_eps": 1e-2}, "rms_norm_eps 0.01"),
        ({"num_experts_per_tok": 1}, "num_experts_per_tok 1"),
        ({"norm_topk_prob": False}, "norm_topk_prob False"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}, "rope_theta 5.0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_keys_that_are_computed_with_count(moe, change, named):
    tuned = copy.deepcopy(moe.config)
    tuned.update(change)
    with pytest.raises(ModelError, match=rf"tuned: its config.json says .*{named}"):
        check_configs(tuned, moe.config, reads_of(moe.config, moe), source="tuned")


def test_another_kind_of_model_is_named():
    llama, qwen = tiny.FAMILIES["llama"](), tiny.FAMILIES["qwen3"]()
    with pytest.raises(ModelError, match="says model_type 'qwen3' and the base's 'llama'"):
        check_configs(qwen, llama, {}, source="tuned")


def test_keys_that_a_class_renames_count_under_their_own_name():
    model = tiny.model("gpt2")
    reads = reads_of(model.config, model)
    assert "n_head" in reads[type(model.config)]
    tuned = copy.deepcopy(model.config)
    tuned.layer_norm_epsilon = 0.1
    with pytest.raises(ModelError, match=r"layer_norm_epsilon 0\.1"):
        check_configs(tuned, model.config, reads, source="tuned")


def test_nested_configs_are_compared_key_by_key():
    nested = transformers.Gemma3Config(
        text_config={**tiny.SMALL, "query_pre_attn_scalar": 8, "sliding_window": 16},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
        mm_tokens_per_image=4,
    )
    model = transformers.AutoModelForCausalLM.from_config(nested).eval()
    reads = reads_of(nested, model)
    tuned = copy.deepcopy(nested)
    tuned.text_config.unsloth_version = "1"
    check_configs(tuned, nested, reads, source="tuned")
    tuned.text_config.query_pre_attn_scalar = 16
    with pytest.raises(ModelError, match=r"says text_config.query_pre_attn_scalar 16 .* 8"):
        check_configs(tuned, nested, reads, source="tuned")


def test_the_classes_are_put_back_and_other_reads_are_not_recorded(moe):
    before = {cls: vars(cls).get("__getattribute__") for cls in type(moe.config).__mro__}
    with recorded_reads(moe.config) as reads:
        _ = moe.config.rms_norm_eps
    _ = moe.config.hidden_act
    assert {cls: vars(cls).get("__getattribute__") for cls in type(moe.config).__mro__} == before
    assert reads == {type(moe.config): {"rms_norm_eps"}}


def test_old_and_new_spellings_of_the_same_are_equal(opened, tmp_path):
    """A config as transformers 4 wrote it: rope_theta and torch_dtype at the top."""
    model = tiny.model()
    with torch.no_grad():
        model.lm_head.weight.mul_(1.5)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["torch_dtype"] = config.pop("dtype")
    (tmp_path / "config.json").write_text(json.dumps(config))
    open_tuned_model(str(tmp_path), opened)
    config["rope_theta"] = 123.0
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"rope_parameters.rope_theta 123.0 and the base's 10000"):
        open_tuned_model(str(tmp_path), opened)


def test_a_model_of_experts_as_trl_saves_it_is_taken(moe, tmp_path):
    for name, scale in (("base", 1.0), ("tuned", 1.1)):
        model = copy.deepcopy(moe)
        with torch.no_grad():
            model.lm_head.weight.mul_(scale)
        model.config.output_router_logits = name == "tuned"
        model.save_pretrained(tmp_path / name)
        tiny.tokenizer().save_pretrained(tmp_path / name)
    base = open_model(str(tmp_path / "base"))
    assert open_tuned_model(str(tmp_path / "tuned"), base).base is base
