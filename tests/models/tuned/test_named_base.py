"""The base that an adapter names in its own config, against the one that it is scored on."""

import contextlib
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models import open_model, open_tuned_model
from driftline.models.checkpoints import OpenedFiles
from tests import adapters, tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return open_model(str(tiny.save(tmp_path_factory.mktemp("named") / "base")))


@pytest.fixture
def caveats_of(base, tmp_path):
    """Open an adapter that names something as its base; return the caveats."""

    def opened(name: object, on=base, **fields: object) -> tuple[str, ...]:
        folder = tmp_path / "adapter"
        adapters.adapt(base.model).save_pretrained(folder)
        adapters.say(folder, base_model_name_or_path=name, **fields)
        return open_tuned_model(str(folder), on).caveats

    return opened


def change_config(folder, **fields) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.mark.parametrize("name", [None, "", 3])
def test_an_adapter_that_names_no_base_has_no_caveat(caveats_of, name):
    assert caveats_of(name) == ()


def test_the_bases_own_path_has_no_caveat(base, caveats_of, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(base.source)
    assert caveats_of(base.source) == ()
    assert caveats_of(str(tmp_path / "link")) == ()
    monkeypatch.chdir(f"{base.source}/..")
    assert caveats_of("base") == ()
    assert caveats_of("./base/") == ()


def test_a_relative_path_is_one_from_the_working_folder(base, caveats_of, tmp_path):
    tiny.save(tmp_path / "base", seed=5)
    with (
        contextlib.chdir(tmp_path),
        pytest.raises(ModelError, match="names 'base', which is anoth"),
    ):
        caveats_of("base")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    with contextlib.chdir(elsewhere):
        assert "names 'base' as its base" in caveats_of("base")[0]


@pytest.mark.parametrize("how", ["copied", "sharded", "in bfloat16", "note in the config"])
def test_the_same_weights_elsewhere_have_no_caveat(base, caveats_of, tmp_path, how):
    copy, on = tmp_path / "copy", base
    shutil.copytree(base.source, copy)
    if how == "sharded":
        shutil.rmtree(copy)
        base.model.save_pretrained(copy, max_shard_size="20KB")
        assert len(list(copy.glob("model-*"))) > 1
    elif how == "in bfloat16":
        rounded = tiny.model().to(torch.bfloat16)
        rounded.save_pretrained(copy)
        tiny.tokenizer().save_pretrained(copy)
        rounded.float().save_pretrained(tmp_path / "wide")
        tiny.tokenizer().save_pretrained(tmp_path / "wide")
        on = open_model(str(tmp_path / "wide"))
    elif how == "note in the config":
        change_config(copy, unsloth_version="2026.1")
    assert caveats_of(str(copy), on) == ()


OTHER = {
    "one weight": r"model.norm.weight differs",
    "rounded": r"weight differs",
    "config": r"says rms_norm_eps 0.1 and the base's",
    "a layer more": r"only one of the two has .*layers\.2\.",
    "another size": r"has shape",
    "adapter": r"it is an adapter",
}


@pytest.mark.parametrize(("how", "told"), OTHER.items(), ids=OTHER)
def test_another_model_under_that_name_is_refused_with_the_mend(
    base, caveats_of, tmp_path, how, told
):
    other = tmp_path / "other"
    shutil.copytree(base.source, other)
    weights = other / "model.safetensors"
    if how == "one weight":
        tensors = load_file(weights)
        tensors["model.norm.weight"] = tensors["model.norm.weight"] + 1e-6
        save_file(tensors, weights, metadata={"format": "pt"})
    elif how == "rounded":
        tiny.model().to(torch.bfloat16).save_pretrained(other)
    elif how == "config":
        change_config(other, rms_norm_eps=0.1)
    elif how == "adapter":
        shutil.rmtree(other)
        adapters.adapt(base.model).save_pretrained(other)
    elif how == "a layer more":
        tensors = load_file(weights)
        more = {n.replace("layers.1.", "layers.2."): t.clone() for n, t in tensors.items()}
        save_file(tensors | more, weights, metadata={"format": "pt"})
        change_config(other, num_hidden_layers=3)
    else:
        tiny.model(**tiny.WIDE).save_pretrained(other)
    mend = "correct base_model_name_or_path, or give"
    with pytest.raises(ModelError, match=rf"adapter_config.json: .*{told}.*{mend}"):
        caveats_of(str(other))


@pytest.mark.parametrize("name", ["some/model", "/nowhere/model", "x" * 5000, "a\0b", "~/model"])
def test_a_name_that_is_no_folder_here_is_a_caveat(base, caveats_of, name):
    (caveat,) = caveats_of(name)
    assert f"names {name!r} as its base and was scored on {base.source}" in caveat
    assert "follows the name computes is not certified" in caveat


def test_a_folder_that_cannot_be_compared_is_a_caveat(caveats_of, tmp_path):
    (pickled := tmp_path / "pickled").mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    assert "cannot be read so as to be compared" in caveats_of(str(pickled))[0]


@pytest.mark.parametrize(
    ("source", "revision", "said", "has_caveat"),
    [
        ("some/model", None, None, False),
        ("some/model@v1", "v1", "v1", False),
        ("some/model@v1", "v1", None, True),
        ("some/model", None, "v1", True),
        ("some/model", None, "main", False),
        ("some/other", None, None, True),
    ],
)
def test_a_hub_id_is_compared_as_a_name(base, caveats_of, source, revision, said, has_caveat):
    on = replace(base, source=source, revision=revision)
    assert bool(caveats_of("some/model", on, revision=said)) == has_caveat


def test_a_folder_in_the_hubs_cache_is_that_hub_id(base, caveats_of, tmp_path):
    cached = tmp_path / "hub" / "models--some--model" / "snapshots" / "0123"
    shutil.copytree(base.source, cached)
    on = open_model(str(cached))
    assert caveats_of("some/model", on) == ()
    assert len(caveats_of("some/other", on)) == 1


def test_a_base_in_memory_cannot_be_compared(base, caveats_of):
    (caveat,) = caveats_of(base.source, replace(base, source="memory", files=OpenedFiles()))
    assert "was scored on memory" in caveat
