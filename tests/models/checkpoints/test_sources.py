"""Where the weights of a checkpoint are found, and what is refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.model_files import QUANTISATIONS
from driftline.models import open_checkpoint
from driftline.models.checkpoints import _locations, _sources
from driftline.models.checkpoints._locations import locate_base
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
    assert [file.name for file in parts.files[3:]] == [
        "model.safetensors.index.json",
        "config.json",
    ]
    assert [file.name for file in bare.files] == ["model.safetensors"]
    assert (whole.config["model_type"], bare.config) == ("made-up", {})
    assert not whole.is_adapter


def test_two_sets_of_weights_are_refused(folder, sharded):
    """Transformers takes the single file, others the index; nobody can say which is meant."""
    for file in sharded.iterdir():
        if file.name != "config.json":
            shutil.copy(file, folder)
    with pytest.raises(
        ModelError, match=r"names other files than model.safetensors.*delete the one"
    ):
        open_checkpoint(str(folder))


def test_an_index_of_the_single_file_is_the_same_model(folder):
    where = dict.fromkeys(checkpoints.SHAPES, "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    found = open_checkpoint(str(folder))
    assert [file.name for file in found.files] == [
        "model.safetensors",
        "model.safetensors.index.json",
        "config.json",
    ]


STRAYS = [
    "model2.safetensors",
    "model_ema.safetensors",
    "model_backup.safetensors",
    "model-00001-of-00009.safetensors",
    "model.fp16.safetensors",
    "consolidated.safetensors",
    "optimizer.safetensors",
    "pytorch_model.bin",
    "consolidated.00.pth",
    "tf_model.h5",
    "model.Q4_0.GGUF",
    "Model.Safetensors",
]


@pytest.mark.parametrize("name", STRAYS)
def test_stray_weights_are_never_read_and_are_named(folder, sharded, name):
    for place in (folder, sharded):
        whole = open_checkpoint(str(place))
        save_file({next(iter(checkpoints.SHAPES)): torch.ones(2)}, place / name)
        found = open_checkpoint(str(place))
        assert (found.tensors, found.files) == (whole.tensors, whole.files)
        assert found.strays == (name,)
        with pytest.raises(
            ModelError, match=rf"other weights \({name}\) lie beside.*move them out"
        ):
            found.check_alone()


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "training_args.bin",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state_0.pth",
        "random_states_0.pkl",
        "trainer_state.json",
        "model.safetensors.sig",
    ],
)
def test_other_files_may_lie_beside(folder, name):
    (folder / name).write_bytes(b"")
    (folder / "checkpoint-500").mkdir()
    shutil.copy(folder / "model.safetensors", folder / "checkpoint-500")
    found = open_checkpoint(str(folder))
    found.check_alone()
    assert found.strays == ()


@pytest.mark.parametrize("name", ["model.safetensors", "model-00001-of-00002.safetensors"])
def test_a_whole_model_beside_an_adapter_is_refused(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    (folder / "adapter_config.json").write_text("{}")
    save_file({"a": torch.ones(2)}, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=rf"{name}: a whole model lies beside the adapter"):
        open_checkpoint(str(folder))


def test_a_merged_copy_of_another_name_beside_an_adapter_is_a_stray(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    for name in ("adapter_model.safetensors", "pytorch_model.bin"):
        save_file({"a": torch.ones(2)}, tmp_path / name)
    assert open_checkpoint(str(tmp_path)).strays == ("pytorch_model.bin",)


@pytest.mark.parametrize("key", ["transformers_weights", "configuration_files"])
def test_a_config_that_redirects_the_loader_is_refused(tmp_path, key):
    folder = checkpoints.save(tmp_path, checkpoints.weights(), **{key: ["other.safetensors"]})
    with pytest.raises(ModelError, match=rf"{key} sends transformers to other files"):
        open_checkpoint(str(folder))


def test_shards_without_their_index_are_no_model(sharded):
    (sharded / "model.safetensors.index.json").unlink()
    with pytest.raises(ModelError, match=r"nothing says that model-00001-of-00003.safetensors"):
        open_checkpoint(str(sharded))


@pytest.mark.parametrize("where", ["another shard", "nowhere"])
def test_a_shard_that_holds_more_than_the_index_says_is_refused(sharded, where):
    first, second = sorted(sharded.glob("model-*.safetensors"))[:2]
    held = load_file(first)
    name = next(iter(load_file(second))) if where == "another shard" else "left.over"
    save_file({**held, name: torch.ones(2)}, first)
    reason = "puts into" if where == "another shard" else "does not name"
    with pytest.raises(ModelError, match=rf"{first.name}: holds {name}, which .* {reason}"):
        open_checkpoint(str(sharded))


def test_an_index_that_lies_is_named(sharded):
    index = sharded / "model.safetensors.index.json"
    mapping = json.loads(index.read_text())["weight_map"]
    mapping["lm_head.weight"] = mapping["model.embed_tokens.weight"]
    index.write_text(json.dumps({"weight_map": mapping}))
    with pytest.raises(ModelError, match=r"holds lm_head.weight, which .* puts into"):
        open_checkpoint(str(sharded))


def test_a_tensor_that_no_shard_holds_is_named(sharded):
    index = sharded / "model.safetensors.index.json"
    mapping = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": {**mapping, "more": next(iter(mapping.values()))}}))
    with pytest.raises(ModelError, match=r"lacks more, which the index puts there"):
        open_checkpoint(str(sharded))


@pytest.mark.parametrize(
    "target",
    ["../model/model.safetensors", "sub/x.safetensors", "/x.safetensors", "..", "", "a\\b"],
)
def test_an_index_does_not_lead_out_of_its_folder(sharded, folder, target):
    (sharded / "sub").mkdir()
    shutil.copy(folder / "model.safetensors", sharded / "sub/x.safetensors")
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": target}}))
    with pytest.raises(ModelError, match="outside its folder"):
        open_checkpoint(str(sharded))


def test_an_index_names_safetensors_alone(sharded):
    (sharded / "model.bin").write_bytes(b"pickle")
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.bin"}}))
    with pytest.raises(ModelError, match=r"'model.bin', which is not a .safetensors file"):
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


@pytest.mark.parametrize("name", QUANTISATIONS)
@pytest.mark.parametrize("opens", [open_checkpoint, locate_base])
def test_weights_that_only_some_loaders_take_for_quantised_are_refused(folder, name, opens):
    (folder / name).write_text("{}")
    with pytest.raises(ModelError, match=rf"{name}: says how .*; give the unquantised checkpoint"):
        opens(str(folder))


@pytest.mark.parametrize("opens", [open_checkpoint, locate_base])
def test_a_quantisation_under_the_key_that_transformers_does_not_read_is_refused(tmp_path, opens):
    folder = checkpoints.save(tmp_path, checkpoints.weights(), compression_config={"bits": 4})
    with pytest.raises(ModelError, match=r"has a compression_config, and .* give the unquantised"):
        opens(str(folder))


def test_a_quantised_base_may_hold_a_second_note_of_it(tmp_path):
    said = {"quantization_config": {"quant_method": "gptq"}}
    folder = checkpoints.save(tmp_path, checkpoints.weights(), **said)
    (folder / "quantize_config.json").write_text("{}")
    assert folder / "quantize_config.json" in locate_base(str(folder)).files


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

    monkeypatch.setattr(_locations, "snapshot_download", fetched)
    found = open_checkpoint("owner/name@v1")
    assert (asked["name"], asked["revision"]) == ("owner/name", "v1")
    assert all(pattern.endswith((".safetensors", ".json")) for pattern in asked["allow_patterns"])
    assert (found.source, found.revision) == ("owner/name@v1", "v1")


def test_a_hub_id_that_cannot_be_fetched_is_named(monkeypatch):
    def failed(_name, **_options):
        raise OSError("no route to the hub\nmore")

    monkeypatch.setattr(_locations, "snapshot_download", failed)
    with pytest.raises(
        ModelError,
        match=r"owner/name: no such folder here, and it cannot be fetched.*\(no route to the hub\)",
    ):
        open_checkpoint("owner/name")


def test_the_files_of_a_base_are_those_it_is_read_from(folder, sharded, monkeypatch, tmp_path):
    assert locate_base(str(folder)).files == (folder / "model.safetensors", folder / "config.json")
    assert set(locate_base(str(sharded)).files) == set(open_checkpoint(str(sharded)).files)
    packed = tmp_path / "model.gguf"
    packed.touch()
    assert locate_base(str(packed)).files == (packed,)
    monkeypatch.setattr(_locations, "find_named_model", lambda _name: packed)
    assert locate_base("smollm2-135m").files == (packed,)
    monkeypatch.setattr(_locations, "snapshot_download", lambda _name, **_options: str(folder))
    found = locate_base("owner/name@v1")
    assert (found.folder, found.revision) == (folder, "v1")
    assert found.files == locate_base(str(folder)).files


def test_what_lies_beside_a_base_is_read_or_named(folder):
    for name in ("tokenizer.json", "chat_template.jinja", "modeling_own.py", "pytorch_model.bin"):
        (folder / name).write_text("{}")
    found = locate_base(str(folder))
    assert [file.name for file in found.files[2:]] == ["chat_template.jinja", "tokenizer.json"]
    assert found.strays == ("pytorch_model.bin",)
    trusted = locate_base(str(folder), runs_code=True)
    assert {file.name for file in trusted.files} - {file.name for file in found.files} == {
        "modeling_own.py"
    }


def test_code_that_a_config_names_is_a_file_of_the_model(folder):
    for name in ("modeling_own.py", "helper.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    files = locate_base(str(folder)).files[2:]
    assert files == (folder / "custom_generate/generate.py",)
    said = {"auto_map": {"AutoTokenizer": ["modeling_own.Tokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    found = {file.name for file in locate_base(str(folder)).files[2:]}
    assert found == {"modeling_own.py", "helper.py", "generate.py", "tokenizer_config.json"}


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("reference", ["owner/name--own.Model", "/a--own.Model", "sub/own.Model"])
def test_trusted_code_that_lies_elsewhere_is_refused(folder, name, reference):
    (folder / name).write_text(json.dumps({"auto_map": {"AutoTokenizer": [None, reference]}}))
    locate_base(str(folder))
    with pytest.raises(ModelError, match=rf"{name}: names the code '{reference}'.*copy the \.py"):
        locate_base(str(folder), runs_code=True)


def test_the_tokenizer_of_a_hub_id_is_fetched_at_its_revision(folder, monkeypatch):
    asked = []

    def fetched(name, **options):
        asked.append((name, options["revision"], options["allow_patterns"]))
        return str(folder)

    monkeypatch.setattr(_locations, "snapshot_download", fetched)
    checkpoint = open_checkpoint("owner/name@v1")
    assert _sources.fetch_tokenizer(checkpoint) == folder
    assert asked[1][:2] == ("owner/name", "v1")
    assert {"tokenizer*", "*.py", "custom_generate/*.py"} <= set(asked[1][2])
    assert _sources.fetch_tokenizer(open_checkpoint(str(folder))) == folder
    assert len(asked) == 2, "a folder of the user's own is fetched from nowhere"


@pytest.mark.parametrize("name", ["rows.jsonl", "config.json", "model.safetensors"])
def test_a_file_that_is_no_model_is_called_a_file(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="is a file; give the folder of the model"):
        locate_base(str(tmp_path / name))
