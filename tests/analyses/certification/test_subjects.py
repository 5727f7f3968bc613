"""The files of two models, as documents name them."""

import json
from dataclasses import replace

import pytest

from driftline.analyses.certification._subjects import (
    base_subject,
    code_caveats,
    stray_caveats,
    tuned_subject,
)
from driftline.errors import ModelError
from driftline.models import OpenedFiles, open_model, open_tuned_model
from driftline.provenance import digest_file
from tests import adapters, tiny


def test_both_are_named_by_the_digests_of_their_files(opened, model_folder, tmp_path):
    base = base_subject(opened)
    assert (base.kind, base.source) == ("model", str(model_folder))
    assert {f.name for f in base.files} == {path.name for path in model_folder.iterdir()}
    for file in base.files:
        assert file.digest == digest_file(model_folder / file.name)
    folder, _merged = adapters.save_both(tmp_path, tiny.model(), target_modules=["q_proj"])
    tuned = tuned_subject(open_tuned_model(folder, opened))
    assert tuned.kind == "adapter"
    assert {f.name for f in tuned.files} == {"adapter_model.safetensors", "adapter_config.json"}


def test_everything_that_a_tokenizer_is_made_from_is_a_file_of_the_model(tmp_path):
    folder = tiny.save(tmp_path / "base")
    names = {
        "tekken.json",
        "tokenizer.model.v3",
        "additional_chat_templates/default.jinja",
        "custom_generate/generate.py",
        "processor_config.json",
    }
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "additional_chat_templates/notes.txt").write_text("not read")
    before = {path.name for path in folder.iterdir() if path.is_file()}
    opened = open_model(str(folder))
    assert {file.name for file in base_subject(opened).files} == before | names
    assert opened.tokenizer.chat_template == "{}"  # which is why it has to be listed


def test_other_weights_beside_the_base_are_named(tmp_path):
    folder = tiny.save(tmp_path / "base")
    assert stray_caveats(open_model(str(folder))) == ()
    (folder / "model_ema.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (caveat,) = stray_caveats(open_model(str(folder)))
    assert caveat.startswith("model_ema.safetensors: lie in the base's folder and were not read")


@pytest.fixture
def with_code(tmp_path):
    """A base and a tuned model whose configs name code that lies beside them."""
    for name in ("base", "tuned"):
        folder = tiny.save(tmp_path / name)
        for file, named in (
            ("config", "AutoModelForCausalLM"),
            ("tokenizer_config", "AutoTokenizer"),
        ):
            path = folder / f"{file}.json"
            said = json.loads(path.read_text()) | {"auto_map": {named: f"own.{named}"}}
            path.write_text(json.dumps(said))
        for file in ("own.py", "helper.py"):
            (folder / file).write_text("")
    return tmp_path / "base", tmp_path / "tuned"


def test_code_that_did_not_run_is_a_file_of_the_model_and_a_caveat(
    with_code,
):
    base, tuned = with_code
    for folder in with_code:
        (folder / "custom_generate").mkdir()
        (folder / "custom_generate/generate.py").write_text("")
    opened = open_model(str(base))
    found = open_tuned_model(str(tuned), opened)
    assert {"own.py", "helper.py"} <= {file.name for file in base_subject(opened).files}
    wanted = {"own.py", "helper.py", "custom_generate/generate.py"}
    assert wanted <= {file.name for file in tuned_subject(found).files}
    for caveat, whose in zip(code_caveats(opened, found), ("base", "tuned model"), strict=True):
        names = "own.AutoModelForCausalLM, own.AutoTokenizer, custom_generate/generate.py"
        assert caveat.startswith(f"{names}: Python code of the {whose}, which did not run here")


def test_code_that_lies_elsewhere_is_said_to_have_no_digest(with_code):
    base, tuned = with_code
    path = tuned / "config.json"
    path.write_text(path.read_text().replace("own.Auto", "owner/name--own.Auto"))
    opened = open_model(str(base))
    of_base, of_tuned = code_caveats(opened, open_tuned_model(str(tuned), opened))
    assert "no digest covers" not in of_base
    assert of_tuned.endswith("no digest covers what lies in another place.")


def test_of_code_that_is_trusted_only_what_was_not_compared_is_a_caveat(with_code):
    base, tuned = with_code
    opened = open_model(str(base))
    found = open_tuned_model(str(tuned), opened)
    trusting = replace(opened, trust_remote_code=True)
    assert code_caveats(trusting, found) == ()
    for folder in with_code:
        (folder / "custom_generate").mkdir()
        (folder / "custom_generate/generate.py").write_text("")
    opened = open_model(str(base))
    (tuned / "custom_generate/generate.py").write_text("pass")
    found = replace(found, files=OpenedFiles.take(tuned.glob("custom_generate/*.py")))
    (caveat,) = code_caveats(replace(opened, trust_remote_code=True), found)
    assert caveat.startswith("custom_generate/generate.py: Python code of the tuned model")


@pytest.mark.parametrize("how", ["changed", "replaced", "deleted"])
def test_a_file_that_does_not_stay_as_it_was_opened_is_an_error(tmp_path, how):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    files = OpenedFiles.take((path, path))
    files.check_unchanged()
    if how == "changed":
        with path.open("r+b") as file:
            file.write(b"W")
    elif how == "replaced":
        (tmp_path / "new").write_bytes(b"other")
        (tmp_path / "new").replace(path)
    else:
        path.unlink()
    with pytest.raises(ModelError, match=r"model.safetensors: was changed or replaced while"):
        files.check_unchanged()
