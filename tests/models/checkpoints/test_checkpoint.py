"""Folders that are no checkpoint, or a broken one, told before any library opens them."""

import json
import shutil

import pytest

from driftline.errors import ModelError
from driftline.models.checkpoints._checkpoint import (
    is_adapter_folder,
    read_folder,
    read_json,
)
from tests import tiny


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy of the tiny Llama's folder, to be broken."""
    return shutil.copytree(model_folder, tmp_path / "copy")


@pytest.fixture
def sharded(tmp_path):
    """A tiny model in several files."""
    folder = tmp_path / "sharded"
    tiny.model().save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def test_a_whole_folder_passes(folder, sharded):
    read_folder(folder)
    read_folder(sharded)
    assert not is_adapter_folder(folder)


def test_an_empty_folder_names_what_is_missing(tmp_path):
    with pytest.raises(ModelError, match=r"config.json: no such file; a model is a folder with"):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
def test_a_folder_around_the_model_names_the_folder_to_give(tmp_path, name):
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5" / name).write_text("{}")
    with pytest.raises(
        ModelError, match=r"models lie in its folders checkpoint-5; give .*checkpoint-5$"
    ):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_link_to_nothing_is_named_with_its_target(folder, name):
    (folder / name).unlink()
    (folder / name).symlink_to("blobs/gone")
    with pytest.raises(ModelError, match=rf"{name}: is a link to blobs/gone, which does not exist"):
        read_folder(folder)


def test_a_pointer_of_git_lfs_is_told_from_a_broken_file(folder):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    (folder / "model.safetensors").write_text(text)
    with pytest.raises(
        ModelError, match=r"model.safetensors: is a pointer of Git LFS.*git lfs pull"
    ):
        read_folder(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
    ],
)
def test_a_broken_config_is_named(folder, content, reason):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=rf"config.json: {reason}.*save it again"):
        read_folder(folder)
    with pytest.raises(ModelError, match=reason):
        read_json(folder / "config.json")


def test_a_truncated_file_is_named(folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 12, 3, 0):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"model.safetensors: truncated or corrupt"):
            read_folder(folder)


def test_a_corrupt_header_is_named(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    for position, byte in ((8, ord("x")), (7, 0xFF), (40, ord("}"))):
        broken = bytearray(content)
        broken[position] = byte
        path.write_bytes(broken)
        with pytest.raises(ModelError, match=r"model.safetensors: truncated or corrupt"):
            read_folder(folder)


@pytest.mark.parametrize("suffix", ["bin", "pt", "pth", "ckpt", "pkl"])
def test_a_pickle_is_refused_and_not_read(folder, suffix):
    (folder / "model.safetensors").unlink()
    (folder / f"pytorch_model.{suffix}").write_bytes(b"not even a pickle")
    with pytest.raises(ModelError, match=rf"pytorch_model.{suffix}: a pickled checkpoint can run"):
        read_folder(folder)


def test_a_pickle_beside_safetensors_does_no_harm(folder):
    (folder / "training_args.bin").write_bytes(b"pickle")
    read_folder(folder)


def test_no_weights_at_all(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no model.safetensors"):
        read_folder(folder)


def test_a_missing_shard_is_named(sharded):
    lost = sorted(sharded.glob("model-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(ModelError, match=rf"{lost.name}: missing shard"):
        read_folder(sharded)


def test_a_truncated_shard_is_named(sharded):
    broken = sorted(sharded.glob("model-*.safetensors"))[1]
    broken.write_bytes(broken.read_bytes()[:-4])
    with pytest.raises(ModelError, match=rf"{broken.name}: truncated"):
        read_folder(sharded)


@pytest.mark.parametrize("content", [{}, {"weight_map": []}])
def test_an_index_without_a_map_is_named(sharded, content):
    (sharded / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"index.json: has no weight_map"):
        read_folder(sharded)


def test_an_adapter_without_its_weights(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    assert is_adapter_folder(tmp_path)
    with pytest.raises(ModelError, match=r"holds no adapter_model.safetensors"):
        read_folder(tmp_path)
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match=r"adapter_model.bin: a pickled checkpoint"):
        read_folder(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="truncated or corrupt"):
        read_folder(tmp_path)
