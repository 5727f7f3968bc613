"""Tuned models and adapters that move head and embedding apart, on bases that tie them or do not."""

import contextlib
import copy
import json

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import at_point, open_model, open_tuned_model
from tests import tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
IDS = torch.tensor([[256, 1, 2, 3, 200, 100]])


def logits_at_tuned(folder, opened) -> torch.Tensor:
    tuned = open_tuned_model(str(folder), opened)
    with at_point(tuned.base, tuned.point), torch.no_grad():
        logits = tuned.base.model(IDS).logits
    opened.check_unchanged()
    tuned.base.check_unchanged()
    return logits


def save_model(folder, *, tied: bool, seed: int = 5):
    model = tiny.model("llama-tied" if tied else "llama", seed=seed)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("base_ties", [True, False])
@pytest.mark.parametrize("tuned_ties", [True, False])
def test_whole_models_with_and_without_ties(open_family, tmp_path, base_ties, tuned_ties):
    opened = open_family("llama-tied" if base_ties else "llama")
    tuned = save_model(tmp_path, tied=tuned_ties)
    with torch.no_grad():
        wanted = tuned(IDS).logits
    assert torch.allclose(logits_at_tuned(tmp_path, opened), wanted, atol=1e-4)


def test_the_base_with_its_head_on_its_own_computes_the_same(open_family, tmp_path):
    opened = open_family("llama-tied")
    save_model(tmp_path, tied=False)
    base = open_tuned_model(str(tmp_path), opened).base
    assert base is not opened
    with torch.no_grad():
        assert torch.equal(base.model(IDS).logits, opened.model(IDS).logits)
    shared = {id(weight) for weight in opened.model.parameters()}
    own = [name for name, weight in base.model.named_parameters() if id(weight) not in shared]
    assert own == ["lm_head.weight"]
    assert opened.model.config.tie_word_embeddings
    assert opened.model.lm_head.weight is opened.model.model.embed_tokens.weight


def test_a_head_that_differs_under_a_config_that_ties_is_read_as_transformers_reads_it(
    open_family, tmp_path
):
    opened = open_family("llama-tied")
    save_model(tmp_path, tied=False)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    wanted = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        logits = wanted(IDS).logits
    assert torch.allclose(logits_at_tuned(tmp_path, opened), logits, atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "llama-tied"])
def test_a_head_that_neither_ties_nor_lies_in_the_files_is_refused(open_family, tmp_path, family):
    save_model(tmp_path, tied=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    with pytest.raises(ModelError, match=r"lack lm_head.weight and config.json says tie_word_emb"):
        open_tuned_model(str(tmp_path), open_family(family))


def test_the_embedding_alone_is_refused_too_where_only_the_head_is_there(open_family, tmp_path):
    save_model(tmp_path, tied=False)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.embed_tokens.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks model\.embed_tokens\.weight"):
        open_tuned_model(str(tmp_path), open_family("llama"))


@pytest.mark.parametrize("ensured", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"target_modules": ["embed_tokens"]},
        {"target_modules": ["lm_head", "q_proj"]},
        {"trainable_token_indices": [3, 5]},
    ],
    ids=str,
)
def test_adapters_on_tied_weights_are_what_peft_computes(open_family, tmp_path, fields, ensured):
    opened = open_family("llama-tied")
    torch.manual_seed(2)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=8, ensure_weight_tying=ensured, **fields
    )
    adapted = peft.get_peft_model(copy.deepcopy(opened.model), config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        wanted = adapted.eval()(IDS).logits
    adapted.save_pretrained(tmp_path)
    assert torch.allclose(logits_at_tuned(tmp_path, opened), wanted, atol=1e-4)


def test_a_base_that_cannot_be_merged_into_says_how_to_untie_it(open_family, tmp_path, monkeypatch):
    opened = open_family("llama-tied")
    save_model(tmp_path / "tuned", tied=False)
    monkeypatch.setattr(type(opened), "can_be_merged_into", False)
    with pytest.raises(
        ModelError, match=r"the base ties them; save the base with its head untied"
    ) as caught:
        open_tuned_model(str(tmp_path / "tuned"), opened)
    monkeypatch.undo()
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    with contextlib.chdir(tmp_path):
        exec("\n".join(lines), {})
    base = open_model(str(tmp_path / "base-untied"))
    assert open_tuned_model(str(tmp_path / "tuned"), base).base is base
