"""What a LoRA adapter changes, read from its factors, against what PEFT merges and computes."""

import copy
import importlib.util

import peft
import pytest
import torch

from driftline.errors import ModelError
from driftline.models import Placement, Point, Term, at_point, open_model
from driftline.models.language_model._weights import weights_change
from driftline.models.points._directions import LowRank
from driftline.models.points._low_rank import lora_change, open_lora, unreadable_field
from driftline.models.tuned._tuned_adapter import merge_adapter
from tests import tiny
from tests.adapters import adapt
from tests.directions import open_tuned

# Saving an adapter of the embedding saves the embedding too, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning")

IDS = torch.tensor([[256, 1, 2, 3, 200, 100]])
PLAIN = {
    "attention": {},
    "all linear": {"target_modules": "all-linear", "use_rslora": True},
    "ranks by module": {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"up_proj": 2}},
    "embedding": {"target_modules": ["embed_tokens", "v_proj"]},
    "saved module": {"modules_to_save": ["lm_head"]},
    "one layer": {"layers_to_transform": [1], "target_modules": ["down_proj"]},
}
MORE_THAN_PLAIN = {
    "use_dora": True,
    "bias": "lora_only",
    "lora_bias": True,
    "init_lora_weights": "pissa",
    "trainable_token_indices": [1, 2],
    "target_parameters": ["mlp.up_proj.weight"],
}


def dense(change) -> dict[str, torch.Tensor]:
    return {n: c.dense() if isinstance(c, LowRank) else c for n, c in change.items()}


@pytest.fixture
def on_disk(base):
    return open_model(base.source, placement=Placement({"": "disk"}))


@pytest.mark.parametrize("fields", PLAIN.values(), ids=PLAIN)
def test_the_factors_say_what_peft_merges(base, tmp_path, fields):
    adapted = adapt(base.model, **fields)
    adapted.save_pretrained(tmp_path)
    wanted = weights_change(base.model, merge_adapter(copy.deepcopy(adapted)))

    for found in (
        dense(lora_change(adapted, base.model)),
        dense(lora_change(open_lora(tmp_path, base.model), base.model)),
    ):
        assert found.keys() == wanted.keys()
        for name, change in found.items():
            assert (change.dtype, change.device.type) == (torch.float32, "cpu")
            assert torch.allclose(change, wanted[name], atol=1e-5), name


def test_transposed_layers_are_read_as_they_lie(open_family):
    model = open_family("gpt2").model
    adapted = adapt(model, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)
    wanted = weights_change(model, merge_adapter(copy.deepcopy(adapted)))
    found = dense(lora_change(adapted, model))

    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-5) for name in wanted)


def test_an_untrained_adapter_changes_nothing(base):
    adapted = peft.get_peft_model(copy.deepcopy(base.model), peft.LoraConfig(r=4))
    assert lora_change(adapted, base.model) == {}


@pytest.mark.parametrize(("field", "value"), MORE_THAN_PLAIN.items())
def test_what_is_more_than_factors_is_named(field, value):
    config = peft.LoraConfig(r=4, target_modules=["q_proj"], **{field: value})
    assert unreadable_field(config) == field
    assert unreadable_field(peft.LoraConfig(r=4, target_modules=["q_proj"])) is None


def test_every_other_kind_is_more_than_factors():
    for config in (peft.AdaLoraConfig(total_step=10), peft.IA3Config(), peft.LoHaConfig()):
        assert unreadable_field(config) == "peft_type"


def test_what_is_more_than_factors_is_refused(base, on_disk, tmp_path):
    adapted = adapt(base.model, use_dora=True)
    with pytest.raises(ModelError, match="use_dora makes the adapter more than plain LoRA"):
        lora_change(adapted, base.model)
    adapted.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"use_dora makes .* plain LoRA.*; merge it into its base"):
        open_tuned(tmp_path, on_disk)


def test_another_kind_of_adapter_is_refused(base):
    config = peft.IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
    )
    adapted = peft.get_peft_model(copy.deepcopy(base.model), config)
    with pytest.raises(ModelError, match="peft_type makes the adapter more than plain LoRA"):
        lora_change(adapted, base.model)


def test_an_adapter_on_the_head_of_a_tied_base_is_refused(open_family):
    tied, untied = open_family("llama-tied"), open_family("llama")
    adapted = adapt(untied.model, target_modules=["lm_head"])
    with pytest.raises(ModelError, match=r"lies on lm_head.weight, one of two tied"):
        lora_change(adapted, tied.model)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_an_adapter_on_one_of_two_tied_weights_is_refused(open_family):
    tied = open_family("llama-tied")
    on_disk = open_model(tied.source, placement=Placement({"": "disk"}))
    adapted = adapt(tied.model, target_modules=["embed_tokens", "v_proj"])
    for base in (tied, on_disk):
        with pytest.raises(ModelError, match=r"lies on model.embed_tokens.weight, one of two tied"):
            lora_change(adapted, base.model)


@pytest.mark.parametrize("fields", PLAIN.values(), ids=PLAIN)
def test_an_adapter_opens_on_a_base_that_is_fetched(base, on_disk, tmp_path, fields):
    adapted = adapt(base.model, **fields)
    adapted.save_pretrained(tmp_path)
    point = Point("adapter", (Term(open_tuned(tmp_path, on_disk), 1.0),))
    with at_point(on_disk, point), torch.no_grad():
        moved = on_disk.model(IDS).logits
    with torch.no_grad():
        assert torch.allclose(moved, adapted(IDS).logits, atol=1e-4)
        assert not torch.allclose(moved, base.model(IDS).logits, atol=1e-2)


def test_an_adapter_of_another_model_is_refused(on_disk, tmp_path):
    adapt(tiny.model(**tiny.WIDE)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="the LORA adapter does not fit"):
        open_tuned(tmp_path, on_disk)


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)
@pytest.mark.parametrize("load_in", ["4bit", "8bit"])
def test_beside_a_quantised_base_the_change_is_the_adapter(tmp_path, load_in):
    source = str(tiny.save(tmp_path / "base", **tiny.WIDE))
    # Packed for bfloat16, the change would be rounded to it: that is another test's.
    quantised = open_model(source, load_in=load_in, dtype=torch.float32)
    adapted = adapt(quantised.model, target_modules="all-linear")
    adapted.save_pretrained(tmp_path / "adapter")
    point = Point("adapter", (Term(open_tuned(tmp_path / "adapter", quantised), 1.0),))
    with torch.no_grad():
        wanted, base = adapted(IDS).logits, quantised.model(IDS).logits
        with at_point(quantised, point):
            moved = quantised.model(IDS).logits
    quantised.check_unchanged()
    error = float((moved - wanted).norm() / wanted.norm())
    assert error < (1e-4 if load_in == "4bit" else 0.02)
    assert float((moved - base).norm() / base.norm()) > 0.1
