"""Bad input: an error that names the culprit, exit code 2, no traceback, nothing lost."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from tests import tiny


def _refused(run, planned, *culprits: str, command: str = "forecast") -> None:
    code, out, err = run(*planned.arguments(command))
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    for culprit in culprits:
        assert culprit in err
    assert not (planned.out / "report.json").exists()


@pytest.fixture
def copied_model(tmp_path: Path, model_folder: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def _with_tensor(folder: Path, change) -> str:
    """Change one tensor of a model folder; its name."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.1.mlp.up_proj.weight"
    change(tensors[name])
    save_file(tensors, file, metadata={"format": "pt"})
    return name


def test_a_missing_model_folder(run, planned):
    _refused(run, planned.with_(model="./nowhere/at-all"), "nowhere/at-all", "no such folder")


def test_an_empty_model_folder(run, planned, tmp_path):
    (tmp_path / "empty").mkdir()
    _refused(run, planned.with_(model=str(tmp_path / "empty")), "config.json", "no such file")


def test_truncated_safetensors(run, planned, copied_model):
    file = copied_model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    _refused(run, planned.with_(model=str(copied_model)), str(file), "truncated or corrupt")


def test_corrupt_safetensors(run, planned, copied_model):
    file = copied_model / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[8:40] = b"\xff" * 32
    file.write_bytes(bytes(content))
    _refused(run, planned.with_(model=str(copied_model)), str(file), "truncated or corrupt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite(run, planned, copied_model, value):
    name = _with_tensor(copied_model, lambda tensor: tensor[3].fill_(value))
    _refused(run, planned.with_(model=str(copied_model)), name, "NaN or infinity")


def test_a_pickle_checkpoint(run, planned, copied_model):
    (copied_model / "model.safetensors").unlink()
    torch.save({}, copied_model / "pytorch_model.bin")
    _refused(run, planned.with_(model=str(copied_model)), "pytorch_model.bin", "pickled")


def test_an_adapter_where_a_base_is_wanted(run, planned, tmp_path):
    get_peft_model(tiny.model(), LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(
        tmp_path / "adapter"
    )
    _refused(run, planned.with_(model=str(tmp_path / "adapter")), "adapter, not a base model")


def test_a_tokenizer_that_does_not_fit(run, planned, copied_model):
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens([f"<plain {number}>" for number in range(500)])
    tokenizer.save_pretrained(copied_model)
    _refused(
        run, planned.with_(model=str(copied_model)), str(copied_model), "758 tokens", "320 rows"
    )


def test_missing_data(run, planned, tmp_path):
    _refused(run, planned.with_(data=tmp_path / "gone.jsonl"), "gone.jsonl", "cannot be read")


def test_empty_data(run, planned):
    planned.data.write_text("")
    _refused(run, planned, str(planned.data), "no examples")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "line 3: not a JSON object"),
        ("{'a': 1}", "line 3: not JSON"),
        ('{"a": 1}', "line 3: has a"),
    ],
)
def test_a_malformed_line_of_the_data(run, planned, line, message):
    lines = planned.data.read_text().splitlines()
    lines[2] = line
    planned.data.write_text("\n".join(lines) + "\n")
    _refused(run, planned, str(planned.data), message)


def test_a_malformed_line_of_the_items(run, planned, tmp_path):
    (tmp_path / "items.jsonl").write_text('{"id": "a", "text": "One."}\n{"id": "b", \n')
    suite = tmp_path / "own.yaml"
    suite.write_text(
        "schema: driftline/suite/1\ncapabilities:\n"
        "  - {name: own, scorer: perplexity, metric: nll_nats, tolerance: 0.1, items: items.jsonl}\n"
    )
    _refused(run, planned.with_(suite=str(suite)), "items.jsonl: line 2", "not JSON")


def test_a_suite_with_one_item(run, planned, tmp_path):
    suite = tmp_path / "one.yaml"
    suite.write_text(
        "schema: driftline/suite/1\ncapabilities:\n"
        "  - {name: lonely, scorer: perplexity, metric: nll_nats, tolerance: 0.1,\n"
        "     items: [{id: a, text: One.}]}\n"
    )
    _refused(run, planned.with_(suite=str(suite)), "one.yaml", "lonely", "at least 2")


def test_an_unknown_config_key(run, planned):
    planned.config.write_text("learning_rat: 1.0e-4\nmax_steps: 5\n")
    _refused(run, planned, str(planned.config), "learning_rat", "did you mean learning_rate?")


@pytest.mark.parametrize("value", ["0", "-1.0e-4", ".nan", "high"])
def test_a_learning_rate_that_cannot_be(run, planned, value):
    planned.config.write_text(f"learning_rate: {value}\nmax_steps: 5\n")
    _refused(run, planned, str(planned.config), "learning_rate")


def test_an_output_folder_of_somebody_else(run, planned):
    planned.out.mkdir()
    (planned.out / "thesis.tex").write_text("mine")
    _refused(run, planned, str(planned.out), "exists")
    assert (planned.out / "thesis.tex").read_text() == "mine"


def test_an_output_that_is_a_file(run, planned):
    planned.out.write_text("mine")
    _refused(run, planned, str(planned.out), "is a file")
    assert planned.out.read_text() == "mine"


@pytest.mark.slow
def test_a_finished_run_is_not_overwritten_without_force(run, planned):
    code, out, _err = run(*planned.arguments(), "--json")
    assert code in (0, 1, 3)
    before = (planned.out / "report.json").read_bytes()
    assert json.loads(out) == json.loads(before)
    code, _out, err = run(*planned.arguments())
    assert code == 2
    assert "finished run" in err
    assert (planned.out / "report.json").read_bytes() == before
    (planned.out / "notes.txt").write_text("mine")
    code, _out, err = run(*planned.arguments(), "--force")
    assert code in (0, 1, 3), err
    assert (planned.out / "notes.txt").read_text() == "mine"


def test_an_unknown_option_and_a_missing_one(run, planned):
    assert run(*planned.arguments(), "--nonsense")[0] == 2
    assert run("forecast", planned.model)[0] == 2


@pytest.mark.slow
def test_a_full_disk(start, planned):
    # A limit on the size of files stands in for a full disk: the same call fails the same way.
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    process = start(*planned.arguments(), preexec_fn=limit)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert str(planned.out) in err
    assert "disk is full" in err
    assert "Traceback" not in err
    # With room made, the same command goes on.
    process = start(*planned.arguments())
    _out, err = process.communicate(timeout=120)
    assert process.returncode in (0, 1, 3), err
