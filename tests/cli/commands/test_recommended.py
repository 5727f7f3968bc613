"""The recommended change is a config to copy: the user's own, with the changed values alone."""

import json

import pytest
import yaml

from driftline.cli._next_command import after_assessment
from driftline.models import read_training_config
from driftline.questions import Answer
from driftline.questions.planned_runs._recommended import with_recommended
from driftline.results import Assessment, ForecastAdvice

from .test_continue import write_files

CONFIGS = {
    "config.yaml": "learning_rate: 1.0e-2 # far too high\nmax_steps: 10\n"
    "per_device_train_batch_size: 4\nmax_length: 64\nactivation_checkpointing: false\nseed: 0\n",
    "config.json": json.dumps(
        {"per_device_train_batch_size": 4, "learning_rate": 4e-3, "num_train_epochs": 2,
         "max_length": 64, "use_peft": True, "lora_r": 4, "seed": 0}
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_written_named_and_forecast_next(run, tmp_path, name):
    asked, folder = write_files(tmp_path, tolerance=0.1), tmp_path / "run"
    config = tmp_path / name
    config.write_text(CONFIGS[name])
    asked[asked.index("--config") + 1] = str(config)
    code, out, err = run(*asked)
    document = Assessment.from_json((folder / "report.json").read_text())
    advice = document.advice
    assert document.verdict in ("unsafe", "at_risk"), err
    assert advice.changes
    written = folder / advice.config_file
    assert written.name == f"recommended{config.suffix}"
    before, after = yaml.safe_load(CONFIGS[name]), yaml.safe_load(written.read_text())
    assert after == {**before, **advice.changes}
    assert list(after)[: len(before)] == list(before)
    assert any(before.get(key) != value for key, value in advice.changes.items())
    if config.suffix == ".json":
        json.loads(written.read_text())
    read_training_config(written)
    if advice.action in ("lower_learning_rate", "fewer_steps"):
        assert f"--config {written}" in out
        assert out.count("Next: driftline forecast") == 1
    # The same command again writes no second file, and leaves what is not ours.
    code, _out, err = run(*asked, "--force")
    assert code in (1, 3), err
    assert [p.name for p in folder.glob("recommended*")] == [written.name]


def assessed(assessment_advice):
    advice = ForecastAdvice(sentence="Do it.", **assessment_advice)
    return Assessment.model_construct(verdict="unsafe", advice=advice, checkpoint=None)


LOWER = {
    "action": "lower_learning_rate", "learning_rate": 1e-5, "changes": {"learning_rate": 1e-5},
}  # fmt: skip


@pytest.mark.parametrize("values", [{"learning_rate": 1e-3, "lora_r": 4, "use_peft": True}])
def test_a_file_that_is_not_ours_stays(tmp_path, values):
    (tmp_path / "recommended.yaml").write_text("mine: true\n")
    found, files = with_recommended(assessed(LOWER), values, tmp_path, force=False)
    assert list(files) == [found.advice.config_file] == ["recommended-2.yaml"]
    assert yaml.safe_load(files["recommended-2.yaml"]) == {**values, "learning_rate": 1e-5}
    assert (tmp_path / "recommended.yaml").read_text() == "mine: true\n"
    found, files = with_recommended(assessed(LOWER), values, tmp_path, force=True)
    assert list(files) == ["recommended.yaml"]


def test_names_of_files_beside_the_config_are_found_from_the_copy(tmp_path):
    (tmp_path / "template.jinja").write_text("{{ messages }}")
    config = tmp_path / "sft.yaml"
    config.write_text("learning_rate: 1.0e-3\nchat_template_path: template.jinja\n")
    out = tmp_path / "out"
    _, files = with_recommended(assessed(LOWER), config, out, force=False)
    copied = yaml.safe_load(files["recommended.yaml"])
    assert copied["chat_template_path"] == str(tmp_path / "template.jinja")


def test_a_run_that_needs_no_change_gets_no_file(tmp_path):
    safe = {"action": "train", "learning_rate": 1e-3}
    found, files = with_recommended(assessed(safe), {"seed": 0}, tmp_path, force=False)
    assert files == {}
    assert found.advice.config_file is None


@pytest.mark.parametrize(
    ("advice", "command"),
    [
        ({**LOWER, "config_file": "recommended.yaml"},
         "driftline forecast base --data d --config out/recommended.yaml --suite core"),
        ({**LOWER, "action": "fewer_steps", "config_file": "recommended.json"},
         "driftline forecast base --data d --config out/recommended.json --suite core"),
        ({"action": "measure_more", "num_items": 90},
         "driftline forecast base --data d --config c --suite core --items 90"),
        ({"action": "lower_learning_rate"},
         "driftline plan base --data d --config c --suite core"),
    ],
)  # fmt: skip
def test_the_next_command_is_the_one_thing_to_do(tmp_path, advice, command):
    values = {"model": "base", "data": "d", "config": "c", "suites": ["core"]}
    answer = Answer(assessed(advice), tmp_path)
    found = after_assessment(answer, tmp_path / "out", values)
    assert found.replace(f"{tmp_path}/", "") == command
