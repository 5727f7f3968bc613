"""Every difference between a folder and what was certified is named."""

import hashlib

import pytest

from driftline.certificates import file_digest, file_faults
from driftline.errors import CertificateError

WEIGHTS = bytes(range(256))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "config.json").write_bytes(b"{}")
    return tmp_path


@pytest.fixture
def certified(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_files_have_no_faults(folder, certified):
    assert file_faults(certified, folder) == ()


def test_every_single_byte_flip_is_found(folder, certified):
    file = folder / "model.safetensors"
    for index in range(len(WEIGHTS)):
        changed = bytearray(WEIGHTS)
        changed[index] ^= 1 << index % 8
        file.write_bytes(changed)
        (fault,) = file_faults(certified, folder)
        assert "model.safetensors was changed" in fault


def test_missing_and_cut_files_are_named(folder, certified):
    (folder / "config.json").unlink()
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1])
    found = file_faults(certified, folder)
    assert "config.json is missing" in found
    assert any("model.safetensors was changed" in fault for fault in found)


@pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "pytorch_model.bin", "model.GGUF", "tf_model.h5"]
)
def test_weights_beside_them_are_named(folder, certified, name):
    (folder / name).write_bytes(b"")
    assert file_faults(certified, folder) == (f"{name} holds weights that were not certified",)


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors.index.json",
        "adapter_config.json",
        "chat_template.jinja",
        "tokenizer.json",
        "tokenizer.4.0.0.json",
        "tokenizer.model",
        "tokenizer.model.v3",
        "tekken.json",
        "my_tekken_240911.json",
        "qwen.tiktoken",
        "tiktoken.model",
        "spm.model",
        "additional_chat_templates/default.jinja",
        "additional_chat_templates/tool_use.jinja",
        "custom_generate/generate.py",
        "custom_generate/helper.py",
        "processor_config.json",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
        "audio_tokenizer_config.json",
        "hf_quant_config.json",
        "quantize_config.json",
        "quant_config.json",
        "quantization_config.json",
        "quant_model_description.json",
    ],
)
def test_settings_beside_them_that_a_loader_reads_are_named(folder, certified, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"{}")
    for others in (True, False):
        found = file_faults(certified, folder, others_are_faults=others)
        assert found == (f"{name} would be read and was not certified",)


NAMED = '{"auto_map": {"AutoModelForCausalLM": "own.Model"}}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", NAMED),
        ("config.json", NAMED.replace("auto_map", "auto\\u005fmap")),
        ("config.json", '{"custom_pipelines": {"text": {"impl": "own.Pipeline"}}}'),
        ("config.json", '{"model_file": "own.py"}'),
        ("config.json", "{"),
        ("tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["own.Slow", null]}}'),
        ("processor_config.json", f'{{"image_processor": {NAMED}}}'),
    ],
)
def test_code_beside_a_config_that_names_code_is_named(folder, certified, name, content):
    (folder / name).write_text(content)
    certified[name] = hashlib.sha256(content.encode()).hexdigest()
    (folder / "helper.py").write_text("")
    for others in (True, False):
        found = file_faults(certified, folder, others_are_faults=others)
        assert found == ("helper.py would be read and was not certified",)
    certified["helper.py"] = hashlib.sha256(b"").hexdigest()
    assert file_faults(certified, folder) == ()


def test_of_a_base_only_what_transformers_would_read_counts(folder, certified):
    for name in ("pytorch_model.bin", "model_ema.safetensors"):
        (folder / name).write_bytes(b"")
    assert file_faults(certified, folder, others_are_faults=False) == ()
    sharded = {name: digest for name, digest in certified.items() if name == "config.json"}
    (fault,) = file_faults(sharded, folder, others_are_faults=False)
    assert fault == "model.safetensors holds weights that were not certified"


def test_beside_an_adapter_a_config_chooses_the_tokenizer_and_an_index_nothing(tmp_path):
    (tmp_path / "adapter_config.json").write_bytes(b"{}")
    certified = {"adapter_config.json": hashlib.sha256(b"{}").hexdigest()}
    for name in ("model.safetensors.index.json", "generation_config.json"):
        (tmp_path / name).write_bytes(b"{}")
    assert file_faults(certified, tmp_path) == ()
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    assert file_faults(certified, tmp_path) == ("config.json would be read and was not certified",)


@pytest.mark.parametrize(
    "name",
    [
        "model.sig",
        "manifest.json",
        "README.md",
        "training_args.bin",
        "optimizer.pt",
        "train.py",
        "additional_chat_templates/README.md",
        "additional_chat_templates/tekken.json",
        "custom_generate/README.md",
        "other_templates/default.jinja",
    ],
)
def test_what_is_no_weights_may_be_there(folder, certified, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    assert file_faults(certified, folder) == ()


def test_a_folder_of_that_name_is_no_file(folder, certified):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    assert file_faults(certified, folder) == ("config.json is missing",)


def test_one_file_is_compared_by_its_name(folder, certified):
    file = folder / "model.safetensors"
    assert file_faults({file.name: certified[file.name]}, file) == ()
    assert file_faults(certified, file) == ("config.json is missing",)


def test_no_such_place_is_bad_input(tmp_path):
    with pytest.raises(CertificateError, match="no such folder or file"):
        file_faults({}, tmp_path / "nowhere")
    with pytest.raises(CertificateError, match="cannot be read"):
        file_digest(tmp_path / "nowhere")
