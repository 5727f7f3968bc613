"""Where the weights of a checkpoint are found, and what is refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from driftline.errors import ModelError
from driftline.models import _sources, model_files, open_checkpoint
from tests import checkpoints


@pytest.fixture
def folder(tmp_path):
    return checkpoints.save(tmp_path / "model", checkpoints.weights())


@pytest.fixture
def sharded(tmp_path):
    return checkpoints.save(tmp_path / "sharded", checkpoints.weights(), shards=3)


def test_a_folder_a_file_and_shards_hold_the_same(folder, sharded):
    whole, parts = open_checkpoint(str(folder)), open_checkpoint(str(sharded))
    bare = open_checkpoint(str(folder / "model.safetensors"))
    assert set(whole.tensors) == set(parts.tensors) == set(bare.tensors) == set(checkpoints.SHAPES)
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor.value(), parts.tensors[name].value())
    assert [file.name for file in whole.files] == ["model.safetensors", "config.json"]
    assert len(parts.files) == 4
    assert [file.name for file in bare.files] == ["model.safetensors"]
    assert (whole.config["model_type"], bare.config) == ("llama", {})
    assert not whole.is_adapter


def test_one_file_goes_before_shards_that_were_left_behind(folder, sharded):
    for file in sharded.iterdir():
        if file.name != "config.json":
            shutil.copy(file, folder)
    assert [file.name for file in open_checkpoint(str(folder)).files] == [
        "model.safetensors",
        "config.json",
    ]


def test_a_shard_outside_the_index_is_not_read(sharded):
    save_file({"old": torch.ones(2)}, sharded / "model-old.safetensors")
    assert "old" not in open_checkpoint(str(sharded)).tensors


def test_an_index_that_lies_is_named(sharded):
    index = sharded / "model.safetensors.index.json"
    mapping = json.loads(index.read_text())["weight_map"]
    mapping["lm_head.weight"] = mapping["model.embed_tokens.weight"]
    index.write_text(json.dumps({"weight_map": mapping}))
    with pytest.raises(ModelError, match=r"lacks lm_head.weight, which the index puts there"):
        open_checkpoint(str(sharded))


def test_an_index_does_not_lead_out_of_its_folder(sharded, folder):
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": f"../{folder.name}/model.safetensors"}}))
    with pytest.raises(ModelError, match="outside its folder"):
        open_checkpoint(str(sharded))


def test_a_missing_or_truncated_shard_is_named(sharded):
    shard = sorted(sharded.glob("model-*.safetensors"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[:-4])
    with pytest.raises(ModelError, match=rf"{shard.name}: truncated"):
        open_checkpoint(str(sharded))
    shard.unlink()
    with pytest.raises(ModelError, match=rf"{shard.name}: missing shard"):
        open_checkpoint(str(sharded))


@pytest.mark.parametrize("source", ["smollm2-135m", "some/where.gguf"])
def test_gguf_is_refused_with_the_mend(source):
    with pytest.raises(ModelError, match=r"packed weights.*save_pretrained\(FOLDER\)"):
        open_checkpoint(source)


def test_what_is_quantised_is_refused(tmp_path):
    folder = checkpoints.save(
        tmp_path, checkpoints.weights(), quantization_config={"load_in_4bit": True}
    )
    with pytest.raises(ModelError, match="its weights are quantised"):
        open_checkpoint(str(folder))


def test_files_that_are_no_checkpoint(tmp_path, folder):
    (tmp_path / "model.bin").write_bytes(b"pickle")
    (tmp_path / "notes.txt").write_text("x")
    shutil.copy(folder / "model.safetensors", tmp_path / "adapter_model.safetensors")
    for name, reason in (
        ("model.bin", "pickled checkpoint can run code"),
        ("notes.txt", "is not a .safetensors file"),
        ("adapter_model.safetensors", "give its folder"),
    ):
        with pytest.raises(ModelError, match=reason):
            open_checkpoint(str(tmp_path / name))


@pytest.mark.parametrize("source", ["./nowhere/at-all", "nowhere", "/no/such/place"])
def test_a_source_that_is_nowhere(source):
    with pytest.raises(ModelError, match="no such folder or file; give a model folder"):
        open_checkpoint(source)


def test_a_hub_id_is_fetched_at_its_revision(folder, monkeypatch):
    asked = {}

    def fetched(name, **options):
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr(_sources, "snapshot_download", fetched)
    found = open_checkpoint("owner/name@v1")
    assert (asked["name"], asked["revision"]) == ("owner/name", "v1")
    assert all(pattern.endswith((".safetensors", ".json")) for pattern in asked["allow_patterns"])
    assert (found.source, found.revision) == ("owner/name@v1", "v1")


def test_a_hub_id_that_cannot_be_fetched_is_named(monkeypatch):
    def failed(_name, **_options):
        raise OSError("no route to the hub\nmore")

    monkeypatch.setattr(_sources, "snapshot_download", failed)
    with pytest.raises(ModelError, match=r"owner/name: cannot be fetched.*\(no route to the hub\)"):
        open_checkpoint("owner/name")


def test_the_files_of_a_base_are_those_it_was_read_from(folder, sharded, monkeypatch, tmp_path):
    assert model_files(str(folder)) == (folder / "model.safetensors", folder / "config.json")
    assert set(model_files(str(sharded))) == set(open_checkpoint(str(sharded)).files)
    packed = tmp_path / "model.gguf"
    packed.touch()
    assert model_files(str(packed)) == (packed,)
    monkeypatch.setattr(_sources, "find_named_model", lambda _name: packed)
    assert model_files("smollm2-135m") == (packed,)
    monkeypatch.setattr(_sources, "snapshot_download", lambda _name, **_options: str(folder))
    assert model_files("owner/name@v1") == model_files(str(folder))


def test_the_tokenizer_of_a_hub_id_is_fetched_at_its_revision(folder, monkeypatch):
    asked = []

    def fetched(name, **options):
        asked.append((name, options["revision"], options["allow_patterns"]))
        return str(folder)

    monkeypatch.setattr(_sources, "snapshot_download", fetched)
    checkpoint = open_checkpoint("owner/name@v1")
    assert _sources.fetch_tokenizer(checkpoint) == folder
    assert asked[1][:2] == ("owner/name", "v1")
    assert "tokenizer*" in asked[1][2]
    assert _sources.fetch_tokenizer(open_checkpoint(str(folder))) == folder
    assert len(asked) == 2, "a folder of the user's own is fetched from nowhere"
