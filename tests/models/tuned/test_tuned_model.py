"""Tuned models as points of their base, with the tokenizer that came with them."""

import json
from dataclasses import replace

import pytest
import torch

from driftline.errors import ModelError
from driftline.models import BASE, digest_at, open_model, open_tuned_model
from tests import adapters, tiny


@pytest.fixture
def tuned_folder(tmp_path):
    model = tiny.model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.25)
    model.save_pretrained(tmp_path / "tuned")
    tiny.tokenizer().save_pretrained(tmp_path / "tuned")
    return tmp_path / "tuned"


def test_the_point_has_the_tuned_weights_and_the_base_comes_back(opened, tuned_folder):
    found = open_tuned_model(str(tuned_folder), opened)
    assert digest_at(opened, found.point) == open_model(str(tuned_folder)).digest
    assert digest_at(opened, BASE) == opened.digest
    assert found.tokenizer.get_vocab() == opened.tokenizer.get_vocab()
    opened.check_unchanged()


def test_an_adapter_may_come_without_a_tokenizer_or_with_one(opened, tmp_path):
    adapters.adapt(tiny.model()).save_pretrained(tmp_path)
    assert open_tuned_model(str(tmp_path), opened).tokenizer is None
    tiny.tokenizer(num_extra=1).save_pretrained(tmp_path)
    found = open_tuned_model(str(tmp_path), opened)
    assert found.checkpoint.is_adapter
    assert len(found.tokenizer) == len(opened.tokenizer) + 1


def test_a_tokenizer_with_tokens_that_have_no_row_is_refused(opened, tuned_folder):
    rows = opened.model.get_input_embeddings().weight.shape[0]
    too_many = rows - len(opened.tokenizer) + 1
    tokenizer = tiny.tokenizer(num_extra=too_many - 1)
    tokenizer.add_tokens(["<another>"])
    tokenizer.save_pretrained(tuned_folder)
    with pytest.raises(ModelError, match=rf"has {rows + 1} tokens and the embedding {rows} rows"):
        open_tuned_model(str(tuned_folder), opened)


def test_a_special_token_without_a_row_is_taken_unless_the_template_writes_it(opened, tuned_folder):
    rows = opened.model.get_input_embeddings().weight.shape[0]
    tokenizer = tiny.tokenizer(num_extra=rows - len(opened.tokenizer))
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tuned_folder)
    assert len(open_tuned_model(str(tuned_folder), opened).tokenizer) == rows + 1
    tokenizer.chat_template = "{% for m in messages %}[PAD]{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(tuned_folder)
    with pytest.raises(ModelError, match=r"so \[PAD\] has no row"):
        open_tuned_model(str(tuned_folder), opened)


def test_a_file_of_weights_alone_is_refused(opened, tuned_folder):
    with pytest.raises(ModelError, match="weights alone say too little"):
        open_tuned_model(str(tuned_folder / "model.safetensors"), opened)


def test_points_that_are_held_beside_the_weights_have_no_digest(opened, monkeypatch):
    monkeypatch.setattr(type(opened), "can_be_merged_into", False)
    assert digest_at(opened, BASE) is None


def _name_code(folder, reference):
    path = folder / "config.json"
    said = json.loads(path.read_text()) | {"auto_map": {"AutoModelForCausalLM": reference}}
    path.write_text(json.dumps(said))


@pytest.mark.parametrize("kind", ["named", "elsewhere", "in the folder", "generates"])
def test_code_that_the_base_does_not_have_is_refused_unless_it_is_trusted(
    opened, tuned_folder, kind
):
    if kind == "generates":
        (tuned_folder / "custom_generate").mkdir()
        (tuned_folder / "custom_generate/generate.py").write_text("")
    else:
        _name_code(tuned_folder, "owner/name--own.Model" if kind == "elsewhere" else "own.Model")
    if kind == "in the folder":
        (tuned_folder / "own.py").write_text("")
    with pytest.raises(ModelError, match="Python code that the base does not have") as refusal:
        open_tuned_model(str(tuned_folder), opened)
    # Code that lies elsewhere is refused where it is trusted too.
    assert ("--trust-remote-code" in str(refusal.value)) == (kind != "elsewhere")


def test_code_that_nothing_names_or_imports_is_no_part_of_the_model(tuned_folder, tmp_path):
    base = tiny.save(tmp_path / "base")
    for folder in base, tuned_folder:
        _name_code(folder, "own.Model")
        (folder / "own.py").write_text("from .parts import Part")
        (folder / "parts.py").write_text("Part = 1")
    opened = open_model(str(base))
    (tuned_folder / "handler.py").write_text("")
    assert open_tuned_model(str(tuned_folder), opened).base is opened
    (tuned_folder / "parts.py").write_text("Part = 2")
    with pytest.raises(ModelError, match=r"parts\.py: Python code that the base does not have"):
        open_tuned_model(str(tuned_folder), opened)


def test_code_of_the_base_is_taken_and_that_of_the_same_name_is_not(tuned_folder, tmp_path):
    base = tiny.save(tmp_path / "base")
    for folder, reference in ((base, "own.Model"), (tuned_folder, "owner/name--own.Model")):
        _name_code(folder, reference)
        (folder / "own.py").write_text("")
    opened = open_model(str(base))
    assert open_tuned_model(str(tuned_folder), opened).base is opened
    in_memory = replace(opened, files=type(opened.files)())
    (tuned_folder / "own.py").unlink()
    assert open_tuned_model(str(tuned_folder), in_memory).base is in_memory
    (tuned_folder / "own.py").write_text("pass")
    with pytest.raises(ModelError, match=r"own\.py: Python code that the base does not have"):
        open_tuned_model(str(tuned_folder), opened)


def test_trusted_code_that_lies_elsewhere_is_refused(opened, tuned_folder):
    _name_code(tuned_folder, "owner/name--own.Model")
    trusting = replace(opened, trust_remote_code=True)
    with pytest.raises(ModelError, match=r"config.json: names the code 'owner/name--own.Model'"):
        open_tuned_model(str(tuned_folder), trusting)
