"""The recommended change is a config to copy: the user's own, with the changed values alone."""

import json
import os

import pytest
import yaml

from driftline.cli._next_command import after_assessment
from driftline.models import read_training_config
from driftline.questions import Answer
from driftline.questions.inputs import read_config
from driftline.questions.planned_runs._recommended import read_recommending, with_recommended
from driftline.results import Assessment, ForecastAdvice
from tests.report.sample import build

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


def recommended(config, folder, *, force=False):
    """Go through a run in this folder, up to its report: (files, name)."""
    made_from = read_recommending(config, read_config(config), folder, force=force)
    made_from.drop_earlier()
    document, files = with_recommended(assessed(LOWER), made_from, folder)
    return files, document.advice.config_file


def test_a_file_that_is_not_ours_stays(tmp_path):
    values = {"learning_rate": 1e-3, "lora_r": 4, "use_peft": True}
    (tmp_path / "recommended.yaml").write_text("mine: true\n")
    (tmp_path / "recommended-2.yaml").symlink_to(tmp_path / "gone.yaml")
    for force in (False, True):
        files, name = recommended(values, tmp_path, force=force)
        assert list(files) == [name] == ["recommended-3.yaml"]
        assert yaml.safe_load(files[name]) == {**values, "learning_rate": 1e-5}
    assert (tmp_path / "recommended.yaml").read_text() == "mine: true\n"


@pytest.fixture
def earlier(tmp_path):
    """A run folder with `recommended.yaml` as a run has left it, and its report."""
    folder = tmp_path / "run"
    folder.mkdir()
    files, name = recommended({"learning_rate": 4e-4, "seed": 0}, folder)
    (folder / name).write_text(files[name])
    advice = ForecastAdvice(sentence="Do it.", config_file=name, **LOWER)
    report = build().model_copy(update={"advice": advice})
    (folder / "report.json").write_text(report.to_json())
    return folder


def test_the_file_of_the_run_that_is_replaced_is_ours(earlier):
    files, name = recommended({"learning_rate": 2e-4}, earlier, force=True)
    assert list(files) == [name] == ["recommended.yaml"]
    assert not (earlier / name).exists()


def test_the_config_of_the_run_itself_stays(earlier):
    config = earlier / "recommended.yaml"
    before = config.read_text()
    values = {**yaml.safe_load(before), "learning_rate": 1e-5}
    for place in (config, earlier.parent / "link.yaml"):
        if place != config:
            place.symlink_to(config)
        files, name = recommended(place, earlier, force=True)
        assert config.read_text() == before
        assert yaml.safe_load(files[name]) == values


EDITS = {
    "comment": lambda text: f"# mine\n{text}",
    "rate": lambda text: text.replace("1.0e-05", "2.0e-05"),
    "later": lambda text: text.replace("seed: 0", "seed: 1"),
    "no mapping": lambda _text: "- 1\n",
    "no YAML": lambda _text: "{",
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edited_file_stays(earlier, kind):
    path = earlier / "recommended.yaml"
    edited = EDITS[kind](path.read_text())
    path.write_text(edited)
    written = (earlier / "report.json").stat().st_mtime_ns
    # An edit that keeps the form is known by its time alone.
    when = written + 10**9 if kind == "later" else written - 10**9
    os.utime(path, ns=(when, when))
    files, name = recommended({"learning_rate": 2e-4}, earlier, force=True)
    assert list(files) == [name] == ["recommended-2.yaml"]
    assert path.read_text() == edited


@pytest.mark.parametrize("advice", [{"config_file": None}, {"config_file": "../config.yaml"}])
def test_only_a_name_of_ours_is_removed(earlier, advice):
    (earlier.parent / "config.yaml").write_text((earlier / "recommended.yaml").read_text())
    report = json.loads((earlier / "report.json").read_text())
    report["advice"].update(advice)
    (earlier / "report.json").write_text(json.dumps(report))
    recommended({"learning_rate": 2e-4}, earlier, force=True)
    assert (earlier / "recommended.yaml").exists()
    assert (earlier.parent / "config.yaml").exists()


def test_a_config_that_can_be_read_only_once_is_taken_as_it_was_read(tmp_path):
    parsed = read_config({"learning_rate": 2e-4})
    made_from = read_recommending("/dev/null", parsed, tmp_path, force=False)
    assert (made_from.values, made_from.suffix) == (parsed.values, ".yaml")


@pytest.mark.slow
def test_a_run_on_its_own_recommendation_keeps_it(run, planned):
    config = planned.out / "recommended.yaml"
    assert run(*planned.arguments())[0] in (0, 1, 3)
    config.write_text(planned.config.read_text())
    before = config.read_bytes()
    code, _, err = run(*planned.with_(config=config).arguments(), "--force")
    assert code in (0, 1, 3), err
    assert config.read_bytes() == before


def test_names_of_files_beside_the_config_are_found_from_the_copy(tmp_path):
    (tmp_path / "template.jinja").write_text("{{ messages }}")
    config = tmp_path / "sft.yaml"
    config.write_text("learning_rate: 1.0e-3\nchat_template_path: template.jinja\n")
    out = tmp_path / "out"
    files, _ = recommended(config, out)
    copied = yaml.safe_load(files["recommended.yaml"])
    assert copied["chat_template_path"] == str(tmp_path / "template.jinja")


def test_a_run_that_needs_no_change_gets_no_file(tmp_path):
    safe = {"action": "train", "learning_rate": 1e-3}
    made_from = read_recommending({"seed": 0}, read_config({"seed": 0}), tmp_path, force=False)
    found, files = with_recommended(assessed(safe), made_from, tmp_path)
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
