"""The names of files are those that transformers reads."""

import json
import re
from pathlib import Path

import pytest
import transformers

from driftline.errors import ModelError
from driftline.model_files import certified_name, folder_files, is_settings
from driftline.models import open_model
from tests import tiny


def test_every_file_that_a_tokenizer_of_transformers_reads_is_known():
    sources = Path(transformers.__file__).parent.glob("models/*/tokenization*.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    names = set(re.findall(r'"\w+_file": "([^"/]+)"', text))
    assert {"vocab.json", "tokenizer.model", "spiece.model"} <= names
    assert {name for name in names if not is_settings(name)} == set()


def test_every_config_that_transformers_reads_by_name_is_known():
    text = Path(transformers.utils.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r'^[A-Z_]+_NAME = "(\w+_config\.json)"', text, flags=re.MULTILINE))
    assert {"processor_config.json", "video_preprocessor_config.json"} <= names
    assert {name for name in names if not is_settings(name)} == set()


def test_files_are_named_as_in_certificates(tmp_path):
    templates, code = "additional_chat_templates", "custom_generate"
    for name in ("a.bin", f"{templates}/x.jinja", f"{templates}/y.txt", f"{code}/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / templates / "z.jinja").mkdir()
    found = folder_files(tmp_path)
    assert list(found) == ["a.bin", f"{templates}/x.jinja", f"{code}/x.py"]
    assert [certified_name(path) for path in found.values()] == list(found)


def _name_versions(folder, *names):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fast_tokenizer_files": names}))


@pytest.mark.parametrize(
    "name", ["sub/tokenizer.4.0.0.json", "../tokenizer.4.json", "my_tokenizer.4.0.0.json", "a.json"]
)
def test_a_tokenizer_by_version_under_another_name_is_refused(tmp_path, name):
    folder = tiny.save(tmp_path / "base")
    _name_versions(folder, name)
    with pytest.raises(ModelError, match=r"fast_tokenizer_files sends transformers to") as raised:
        open_model(str(folder))
    assert name in str(raised.value)


def test_a_tokenizer_by_version_is_a_file_of_the_model(tmp_path):
    folder = tiny.save(tmp_path / "base")
    _name_versions(folder, "tokenizer.4.0.0.json")
    (folder / "tokenizer.json").rename(folder / "tokenizer.4.0.0.json")
    files = {path.name for path in open_model(str(folder)).files.digests}
    assert "tokenizer.4.0.0.json" in files
