"""The guard that compares the base at the tuned point with the tuned model's own logits."""

import json

import peft
import pytest
import torch
import transformers

from driftline.errors import ModelError
from driftline.models import BASE, open_model, open_tuned_model
from driftline.models.tuned import _tuned_layout as sources
from driftline.models.tuned._reference import check_point, logits_of, probe_tokens, tolerance
from tests import adapters, tiny


@pytest.fixture
def tuned_folder(tmp_path):
    model = tiny.model("mistral")
    with torch.no_grad():
        model.lm_head.weight.mul_(1.1)
    model.save_pretrained(tmp_path / "tuned")
    return tmp_path / "tuned"


@pytest.mark.parametrize(
    "change",
    [
        {"rms_norm_eps": 0.05},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        {"hidden_act": "gelu"},
        {"sliding_window": 4},
        {"sliding_window": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_fires_where_the_comparison_of_configs_missed_a_key(
    tmp_path, tuned_folder, monkeypatch, change, dtype
):
    opened = open_model(str(tiny.save(tmp_path / "base", "mistral")), dtype=dtype)
    path = tuned_folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    monkeypatch.setattr(sources, "check_configs", lambda *_args, **_options: None)
    with pytest.raises(ModelError, match=r"of their spread away from those of the tuned model"):
        open_tuned_model(str(tuned_folder), opened)
    opened.check_unchanged()


def test_it_leaves_random_states_weights_and_modes_alone(tmp_path, tuned_folder):
    opened = open_model(str(tiny.save(tmp_path / "base", "mistral")))
    adapters.adapt(opened.model).save_pretrained(tmp_path / "adapter")
    state = torch.get_rng_state()
    for folder in (tuned_folder, tmp_path / "adapter"):
        open_tuned_model(str(folder), opened)
    assert torch.equal(torch.get_rng_state(), state)
    opened.check_unchanged()
    assert not opened.model.training


@pytest.mark.parametrize("window", [8, 40, 200, 4096])
def test_the_tokens_leave_a_short_window(tmp_path, window):
    opened = open_model(str(tiny.save(tmp_path, "mistral", sliding_window=window)))
    tokens = probe_tokens(opened)
    assert tokens.shape[1] >= 48
    assert tokens.shape[1] <= opened.model.config.max_position_embeddings
    if window < 256:
        assert tokens.shape[1] > min(1.2 * window, 250)
    assert not set(tokens[0].tolist()) & set(opened.tokenizer.all_special_ids)


def test_the_tokens_stay_within_a_short_context(tmp_path):
    opened = open_model(str(tiny.save(tmp_path, "gpt2", n_positions=16)))
    assert probe_tokens(opened).shape == (1, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_limit_is_a_share_of_the_spread_of_the_logits(opened, dtype):
    tokens = probe_tokens(opened)
    own = logits_of(opened.model, tokens, opened.device)
    check_point(opened, BASE, tokens, own)
    spread = (own - own.mean(-1, keepdim=True)).square().mean().sqrt()
    assert tolerance(dtype) >= tolerance(torch.float32)
    few = own.clone()
    few[: len(few) // 20] += spread
    check_point(opened, BASE, tokens, few)
    with pytest.raises(ModelError, match="on 48 tokens the logits"):
        check_point(opened, BASE, tokens, own + 2 * tolerance(torch.float32) * spread)
    with pytest.raises(ModelError, match="have shape"):
        check_point(opened, BASE, tokens, own[:, 1:])
    with pytest.raises(ModelError, match="inf of their spread"):
        check_point(opened, BASE, tokens, own * torch.nan)


def test_an_adapter_that_computes_something_else_before_it_is_merged_says_to_merge_it(tmp_path):
    """Jamba uses the weight of this layer past PEFT, so an adapter on it acts only when merged."""
    config = transformers.JambaConfig(
        **{k: v for k, v in tiny.SMALL.items() if k != "head_dim"},
        num_experts=2,
        attn_layer_period=2,
        attn_layer_offset=1,
        mamba_dt_rank=8,
    )
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    opened = open_model(str(tmp_path / "base"))
    adapted = adapters.adapt(opened.model, target_modules=["dt_proj", "in_proj", "x_proj"])
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.mul_(8)
    adapted.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"not merged, .*merge it with merge_and_unload"):
        open_tuned_model(str(tmp_path / "adapter"), opened)
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    open_tuned_model(str(tmp_path / "merged"), opened)


def test_an_adapter_that_breaks_the_model_is_refused(opened, tmp_path, monkeypatch):
    adapters.adapt(opened.model).save_pretrained(tmp_path)

    def broken(*_args, **_options):
        raise AttributeError("'tuple' object has no attribute 'dtype'")

    monkeypatch.setattr(peft.PeftModelForCausalLM, "forward", broken)
    with pytest.raises(ModelError, match=r"its code fails on 48 plain tokens .AttributeError"):
        open_tuned_model(str(tmp_path), opened)
