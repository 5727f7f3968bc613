"""`--dry-run` reads no weights, and a request that failed at once never blocks the next."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file


@pytest.fixture
def hollow(planned, tmp_path):
    """The planned run on a model whose weights no run accepts."""
    folder = tmp_path / "hollow"
    shutil.copytree(planned.model, folder)
    weights = load_file(folder / "model.safetensors")
    weights[next(iter(weights))][0] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return planned.with_(model=str(folder))


def _arguments(planned, command):
    if command == "certify":
        return (
            "certify",
            planned.model,
            planned.model,
            "--suite",
            planned.suite,
            "--out",
            str(planned.out),
        )
    if command == "train":
        return (
            "train", str(planned.config), "--model", planned.model, "--data", str(planned.data),
            "--suite", planned.suite, "--out", str(planned.out),
        )  # fmt: skip
    return planned.arguments(command)


@pytest.mark.parametrize(
    "command", ["assess", "margin", "map", "forecast", "plan", "train", "certify"]
)
def test_it_needs_no_weights_and_writes_nothing(run, hollow, command):
    code, out, err = run(*_arguments(hollow, command), "--dry-run", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["schema"] == "driftline/estimate/1"
    assert document["tokens_forward"] > 0
    assert document["minutes"] > 0
    assert document["memory_gib"] > 0
    assert (document["tokens_trained"] > 0) == (command != "certify")
    assert not hollow.out.exists()


def test_a_plan_of_few_trials_or_items_is_estimated_as_such(run, hollow):
    def tokens(*more):
        code, out, err = run(*_arguments(hollow, "plan"), "--dry-run", "--json", *more)
        assert code == 0, err
        document = json.loads(out)
        return document["tokens_forward"], document["tokens_trained"]

    forward, trained = tokens()
    assert tokens("--trials", "2")[1] == pytest.approx(trained / 10, abs=1)
    assert tokens("--trials", "2")[0] < forward / 5
    assert tokens("--trials", "50") == (forward, trained)
    fewer = tokens("--items", "2")
    assert fewer[0] < forward
    assert fewer[1] == trained


@pytest.mark.parametrize("kind", ["configs", "checkpoints"])
def test_a_comparison_needs_no_weights_and_writes_nothing(run, hollow, tmp_path, kind):
    other = tmp_path / "gentle.yaml"
    other.write_text(hollow.config.read_text().replace("1.0e-3", "1.0e-5"))
    named = ("--config", str(hollow.config), "--config", str(other))
    if kind == "checkpoints":
        named = (hollow.model,)
    code, out, err = run(
        "compare", hollow.model, *named, "--data", str(hollow.data), "--suite", hollow.suite,
        "--out", str(hollow.out), "--dry-run", "--json",
    )  # fmt: skip
    assert code == 0, err
    document = json.loads(out)
    assert document["command"] == "compare"
    assert document["tokens_forward"] > 0
    assert (document["tokens_trained"] > 0) == (kind == "configs")
    assert not hollow.out.exists()


@pytest.mark.slow
def test_the_cost_of_a_comparison_of_configs_is_what_it_then_takes(run, planned, tmp_path):
    configs = []
    for rate in ("1.0e-5", "2.0e-5"):
        path = tmp_path / f"{rate}.yaml"
        path.write_text(planned.config.read_text().replace("1.0e-3", rate))
        configs += ["--config", str(path)]
    asked = (
        "compare", planned.model, *configs, "--data", str(planned.data), "--suite", planned.suite,
        "--out", str(planned.out), "--items", "4", "--json",
    )  # fmt: skip
    code, out, err = run(*asked, "--dry-run")
    assert code == 0, err
    guessed = json.loads(out)
    code, out, err = run(*asked)
    assert code in (0, 3), err
    spent = json.loads(out)["cost"]
    assert guessed["tokens_trained"] == pytest.approx(spent["tokens_backward"], rel=0.3)
    assert guessed["tokens_forward"] == pytest.approx(spent["tokens_forward"], rel=0.5)


def test_lora_is_counted_without_its_layers(run, hollow):
    hollow.config.write_text(hollow.config.read_text() + "use_peft: true\nlora_r: 4\n")
    code, out, err = run(*hollow.arguments("forecast"), "--dry-run")
    assert code == 0, err
    assert "disk     the size of the adapter" in out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "no/such/folder"}, "no/such/folder"),
        ({"suite": "nowhere.yaml"}, "nowhere.yaml"),
        ({"data": Path("nowhere.jsonl")}, "nowhere.jsonl"),
        ({"config": Path("nowhere.yaml")}, "nowhere.yaml"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_wrong_input_is_named_before_a_folder_exists(run, planned, change, said, options):
    code, _out, err = run(*planned.with_(**change).arguments("forecast"), *options)
    assert code == 2
    assert said in err
    assert not planned.out.exists()


def test_a_config_that_the_trainer_refuses_never_blocks_the_next_request(run, planned):
    text = planned.config.read_text()
    planned.config.write_text(text + "use_peft: true\nlora_target_modules: [no_such]\n")
    code, _out, err = run(*planned.arguments("forecast"))
    assert code == 2
    assert "no_such" in err
    assert not planned.out.exists()
    planned.config.write_text(text)
    code, _out, err = run(*planned.arguments("forecast"))
    assert code in (0, 1, 3), err


@pytest.mark.parametrize("first", ["forecast", "train", "certify", "plan"])
def test_a_request_that_failed_at_once_never_blocks_the_next(run, planned, hollow, first):
    code, _out, err = run(*_arguments(hollow, first))
    assert code == 2
    assert "holds NaN" in err
    assert not planned.out.exists()
    code, _out, err = run(
        "score", planned.model, "--suite", planned.suite, "--out", str(planned.out)
    )
    assert code == 0, err


def test_a_training_run_that_the_monitor_refuses_never_blocks_the_next(run, planned):
    code, _out, err = run(*_arguments(planned, "train"))
    assert code == 2
    assert "raise no alarm" in err
    code, _out, err = run(
        "score", planned.model, "--suite", planned.suite, "--out", str(planned.out)
    )
    assert code == 0, err


@pytest.mark.parametrize(
    "arguments", [["-h"], ["assess", "-h"], ["runs", "-h"], ["runs", "list", "-h"]]
)
def test_short_help_is_help(run, arguments):
    short, long = run(*arguments), run(*arguments[:-1], "--help")
    assert short == long
    assert short[0] == 0


def test_the_version_is_the_installed_one(run):
    from driftline.provenance import driftline_version

    assert run("--version") == (0, f"driftline {driftline_version()}\n", "")


def test_completion_is_offered(tmp_path):
    script = tmp_path / "driftline"
    script.write_text("from driftline.cli import main\nmain()\n")
    asked = {
        "_DRIFTLINE_COMPLETE": "complete_bash",
        "COMP_WORDS": "driftline asse",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["assess"]
