"""Tuned models and adapters as directions, against their own weights and PEFT's own outputs."""

import copy
import json
import math
import shutil

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import Point, Term, at_point
from driftline.models.language_model._weights import TiedWeightsError
from tests import tiny
from tests.adapters import adapt
from tests.directions import open_tuned

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

IDS = torch.tensor([[256, 1, 2, 3, 200, 100]])


@pytest.fixture
def save_tuned(tmp_path):
    """Saves a tuned model: the family's tiny one, every weight a little elsewhere."""

    def save(family="llama", change=lambda model: None, **options):
        model = tiny.model(family)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.01)
        change(model)
        model.save_pretrained(tmp_path / "tuned", **options)
        return tmp_path / "tuned", model

    return save


def logits_at(opened, direction, scale: float = 1.0) -> torch.Tensor:
    with at_point(opened, Point("tuned", (Term(direction, scale),))), torch.no_grad():
        return opened.model(IDS).logits


def test_the_whole_direction_leads_to_the_tuned_weights(family_model, save_tuned, weights_of):
    folder, tuned = save_tuned(family_model.source.rsplit("/", 1)[1])
    direction = open_tuned(folder, family_model)
    before = weights_of(family_model.model)
    direction.prepare()
    with at_point(family_model, Point("tuned", (Term(direction, 1.0),))):
        during = weights_of(family_model.model)
    with at_point(family_model, Point("halfway", (Term(direction, 0.5),))):
        halfway = weights_of(family_model.model)

    for name, weight in tuned.named_parameters():
        assert torch.allclose(during[name], weight, atol=1e-6, rtol=1e-6), name
        assert torch.allclose(halfway[name], (before[name] + weight) / 2, atol=1e-6), name
    assert torch.allclose(logits_at(family_model, direction), tuned(IDS).logits, atol=1e-4)


def test_a_sharded_tuned_model_is_the_same_direction(base, save_tuned):
    folder, tuned = save_tuned(max_shard_size="40KB")
    direction = open_tuned(folder, base)

    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert torch.allclose(logits_at(base, direction), tuned(IDS).logits, atol=1e-4)


def test_a_half_precision_tuned_model_gives_a_float32_change(base, save_tuned):
    folder, tuned = save_tuned(change=lambda model: model.to(torch.bfloat16))
    name, weight = next(iter(base.model.named_parameters()))
    change = open_tuned(folder, base).delta(name, weight)

    assert change.dtype == torch.float32
    assert torch.equal(change, tuned.get_parameter(name).float() - weight.detach())


def test_a_checkpoint_with_other_names_is_read_through_transformers(open_family, save_tuned):
    gpt2 = open_family("gpt2")
    folder, tuned = save_tuned("gpt2")
    path = folder / "model.safetensors"
    tensors = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})  # as OpenAI's own checkpoint has them
    direction = open_tuned(folder, gpt2)

    assert torch.allclose(logits_at(gpt2, direction), tuned(IDS).logits, atol=1e-4)
    tensors["h.0.ln_1.weight"][0] = math.nan
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"h.0.ln_1.weight holds NaN"):
        open_tuned(folder, gpt2)


def test_identity_is_the_content_and_not_the_place(base, save_tuned, tmp_path):
    folder, _model = save_tuned()
    identity = open_tuned(folder, base).identity()
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    assert open_tuned(elsewhere, base).identity() == identity

    tensors = load_file(elsewhere / "model.safetensors")
    tensors["lm_head.weight"][0, 0] += 1
    save_file(tensors, elsewhere / "model.safetensors")
    assert open_tuned(elsewhere, base).identity() != identity


def test_a_tuned_model_of_another_kind_is_refused(base, save_tuned):
    folder, _model = save_tuned("gpt2")
    with pytest.raises(ModelError, match=r"is missing after tuning.*tuned from another model"):
        open_tuned(folder, base)


def test_a_tuned_model_of_another_shape_is_refused(base, save_tuned):
    folder, _model = save_tuned(
        change=lambda model: model.resize_token_embeddings(330, mean_resizing=False)
    )
    with pytest.raises(
        ModelError,
        match=r"lm_head.weight has shape \(330, 32\) and the base \(320, 32\).*"
        r"base.resize_token_embeddings\(330\)",
    ):
        open_tuned(folder, base)


def test_a_head_that_tuning_moved_away_from_the_embedding_is_no_direction_of_a_tied_base(
    open_family, save_tuned
):
    tied = open_family("llama-tied")
    folder, _model = save_tuned("llama")
    mend = r"(?s)lm_head.weight and model.embed_tokens.weight differ.*tie_word_embeddings = False"
    with pytest.raises(TiedWeightsError, match=mend):
        open_tuned(folder, tied)


def test_a_tied_tensor_that_is_saved_twice_does_no_harm(open_family, save_tuned):
    tied = open_family("llama-tied")
    folder, tuned = save_tuned("llama-tied")
    tensors = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in tensors
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, folder / "model.safetensors")

    logits = logits_at(tied, open_tuned(folder, tied))
    assert torch.allclose(logits, tuned(IDS).logits, atol=1e-4)
    tied.check_unchanged()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_tuned_tensor_that_is_not_finite_is_named(base, save_tuned, value):
    def spoil(model):
        with torch.no_grad():
            model.get_parameter("lm_head.weight")[3, 3] = value

    folder, _model = save_tuned(change=spoil)
    direction = open_tuned(folder, base)
    with pytest.raises(ModelError, match=r"tensor lm_head.weight holds NaN or infinity"):
        logits_at(base, direction)
    base.check_unchanged()


def test_folders_that_cannot_be_opened(base, save_tuned, tmp_path):
    with pytest.raises(ModelError, match="no such folder or file; give a model folder"):
        open_tuned(tmp_path / "nothing", base)
    with pytest.raises(ModelError, match=r"config.json: no such file"):
        open_tuned(tmp_path, base)
    folder, _model = save_tuned()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="truncated or corrupt"):
        open_tuned(folder, base)


ADAPTERS = {
    "lora": {},
    "all-linear": {"target_modules": "all-linear"},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 32}},
    "with-head": {"modules_to_save": ["lm_head"]},
    "embedding": {"target_modules": ["embed_tokens", "q_proj"]},
    "bias": {"layers_to_transform": [1]},
}


@pytest.mark.filterwarnings("ignore:.*save_embedding_layers.*:UserWarning")
@pytest.mark.parametrize("fields", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_leads_to_what_peft_itself_computes(base, tmp_path, fields):
    adapted = adapt(base.model, **fields)
    adapted.save_pretrained(tmp_path)
    direction = open_tuned(tmp_path, base)
    with torch.no_grad():
        wanted = adapted(IDS).logits
        merged = adapted.merge_and_unload()(IDS).logits

    found = logits_at(base, direction)
    assert torch.allclose(found, merged, atol=1e-4)
    assert torch.allclose(found, wanted, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(found, base.model(IDS).logits, atol=0.1)
    base.check_unchanged()


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "gpt-neox", "gemma3", "llama-tied"])
@pytest.mark.filterwarnings("ignore:.*fan_in_fan_out.*:UserWarning")
def test_adapters_of_other_families(open_family, tmp_path, family):
    opened = open_family(family)
    adapted = adapt(opened.model)
    adapted.save_pretrained(tmp_path)
    with torch.no_grad():
        wanted = adapted(IDS).logits

    found = logits_at(opened, open_tuned(tmp_path, opened))
    assert torch.allclose(found, wanted, atol=1e-3, rtol=1e-3)
    opened.check_unchanged()


def test_an_adapter_moves_its_targets_only_and_keeps_no_gradient(base, tmp_path):
    adapt(base.model).save_pretrained(tmp_path)
    direction = open_tuned(tmp_path, base)
    direction.prepare()

    moved = [n for n, w in base.model.named_parameters() if direction.delta(n, w) is not None]
    assert moved == [
        f"model.layers.{i}.self_attn.{n}.weight" for i in (0, 1) for n in ("q_proj", "v_proj")
    ]
    assert not any(direction.delta(n, base.model.get_parameter(n)).requires_grad for n in moved)
    assert not any(isinstance(m, peft.tuners.lora.LoraLayer) for m in base.model.modules())


def test_an_adapters_identity_is_its_content(base, tmp_path):
    adapt(base.model).save_pretrained(tmp_path / "a")
    adapt(base.model).save_pretrained(tmp_path / "b")
    adapt(base.model, seed=3).save_pretrained(tmp_path / "c")
    identity = [open_tuned(tmp_path / name, base).identity() for name in "abc"]

    assert identity[0] == identity[1]
    assert identity[0] != identity[2]


def llama_of(**sizes) -> transformers.PreTrainedModel:
    config = tiny.FAMILIES["llama"]()
    for key, value in sizes.items():
        setattr(config, key, value)
    return transformers.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(
    "other",
    [
        {"hidden_size": 16, "head_dim": 4},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
        {"num_key_value_heads": 4},
    ],
    ids=str,
)
def test_an_adapter_for_another_model_is_refused(base, tmp_path, other):
    adapt(llama_of(**other)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"LORA adapter does not fit .*another model"):
        open_tuned(tmp_path, base)


def test_an_adapter_for_another_architecture_is_refused(base, open_family, tmp_path):
    with pytest.warns(UserWarning, match="fan_in_fan_out"):
        adapted = adapt(open_family("gpt2").model)
    adapted.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="does not fit"):
        open_tuned(tmp_path, base)


@pytest.mark.parametrize("layer", [0, 1])
def test_an_adapter_that_lacks_a_tensor_is_refused(base, tmp_path, layer):
    adapt(base.model).save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    lost = next(name for name in tensors if f"layers.{layer}" in name)
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, path)
    with pytest.raises(ModelError, match="missing adapter keys"):
        open_tuned(tmp_path, base)


def test_an_untrained_adapter_is_refused(base, tmp_path):
    config = peft.LoraConfig(task_type="CAUSAL_LM")
    peft.get_peft_model(copy.deepcopy(base.model), config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="changes no weight; it is untrained"):
        open_tuned(tmp_path, base)


def test_an_adapter_that_is_not_finite_is_refused(base, tmp_path):
    adapt(base.model).save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values()))[0, 0] = math.nan
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"q_proj.weight infinite or NaN"):
        open_tuned(tmp_path, base)


KINDS = {
    "PROMPT_TUNING": peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "PREFIX_TUNING": peft.PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "P_TUNING": peft.PromptEncoderConfig(
        num_virtual_tokens=3, encoder_hidden_size=8, task_type="CAUSAL_LM"
    ),
    "ADAPTION_PROMPT": peft.AdaptionPromptConfig(
        adapter_len=3, adapter_layers=1, task_type="CAUSAL_LM"
    ),
    "POLY": peft.PolyConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_has_nothing_to_merge_is_refused_as_that(base, tmp_path, kind):
    peft.get_peft_model(copy.deepcopy(base.model), KINDS[kind]).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=rf"a {kind} adapter has no change of the weights that"):
        open_tuned(tmp_path, base)


SAID = {
    "a rank": ({"r": 8}, r"size mismatch for .*q_proj.lora_A.weight.* or r, rank_pattern or"),
    "one rank": ({"rank_pattern": {"v_proj": 2}}, r"size mismatch for .*v_proj.lora_A.weight"),
    "layers": ({"target_modules": ["q_proj", "v_proj", "up_proj"]}, r"file lacks: .*; 4 in all"),
    "no layer": ({"target_modules": ["nothing"]}, r"'nothing'.*save the adapter again"),
    "invocation": ({"alora_invocation_tokens": [1]}, r"aLoRA.*PEFT cannot merge it into its base"),
    "a later key": ({"lora_next": {"power": 3}}, r"adapter_config.json: holds lora_next, which"),
    "a text": ({"lora_alpha": "16"}, r"adapter_config.json: lora_alpha is '16', and a number"),
}


@pytest.mark.parametrize(("said", "told"), SAID.values(), ids=SAID)
def test_what_the_config_says_wrong_is_named_with_a_mend(base, tmp_path, said, told):
    adapt(base.model, target_modules=["q_proj", "v_proj"]).save_pretrained(tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    with pytest.raises(ModelError, match=told) as refused:
        open_tuned(tmp_path, base)
    assert ".default" not in str(refused.value)
    assert len(str(refused.value)) < 700


def test_a_key_that_peft_does_not_know_is_refused_for_every_kind(base, tmp_path):
    config = peft.IA3Config(target_modules=["k_proj"], feedforward_modules=[])
    peft.get_peft_model(copy.deepcopy(base.model), config).save_pretrained(tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "ia3_next": 2}))
    with pytest.raises(ModelError, match=r"ia3_next, which PEFT [\d.]+ does not know for IA3"):
        open_tuned(tmp_path, base)
