"""What the trainer's own record says, and what is refused of it."""

import json

import pytest

from driftline.analyses.selection._trainer_history import read_history
from driftline.errors import ModelError
from driftline.results.readings import history_sentence


def write(run, log, *, saved=(), step=300, where=".", **state):
    for each in saved:
        (run / f"checkpoint-{each}").mkdir(parents=True, exist_ok=True)
    content = {"global_step": step, "log_history": log, **state}
    (run / where).mkdir(parents=True, exist_ok=True)
    (run / where / "trainer_state.json").write_text(json.dumps(content))


LOSSES = [
    {"step": 50, "loss": 2.0},
    {"step": 100, "eval_loss": 1.5, "eval_runtime": 0.1},
    {"step": 150, "eval_loss": 1.2, "eval_runtime": 0.1},
    {"step": 200, "eval_loss": 1.3},
    {"step": 300, "eval_loss": 1.4},
]


def test_the_best_step_that_was_never_saved_is_said(tmp_path):
    write(tmp_path, LOSSES, saved=(100, 200, 300))
    found = read_history(tmp_path, ())
    assert (found.metric, found.best_step, found.best_value) == ("eval_loss", 150, 1.2)
    assert not found.is_best_saved
    sentence = history_sentence(found)
    assert "(eval_loss 1.20) was at step 150, which was never saved" in sentence
    assert "step 100 (eval_loss 1.50), step 200 (eval_loss 1.30)" in sentence
    assert "save_steps" in sentence


@pytest.mark.parametrize("where", [".", "checkpoint-150", "checkpoint-200"])
def test_a_saved_best_step_is_said_too_wherever_the_state_lies(tmp_path, where):
    write(tmp_path, LOSSES, saved=(150, 200), where=where)
    found = read_history(tmp_path, ())
    assert found.is_best_saved
    assert history_sentence(found).endswith("was at step 150, which was saved.")


def test_the_latest_state_counts(tmp_path):
    write(tmp_path, LOSSES[:2], saved=(100,), step=100, where="checkpoint-100")
    write(tmp_path, LOSSES, saved=(200,), step=200, where="checkpoint-200")
    assert read_history(tmp_path, ()).best_step == 150


@pytest.mark.parametrize(
    ("state", "metric", "best"),
    [
        ({"best_metric": 0.9, "best_global_step": 200}, "eval_accuracy", 200),
        ({"best_metric": 0.9}, "eval_accuracy", 200),
        ({}, "eval_loss", 100),
    ],
)
def test_the_trainers_own_metric_counts_the_way_it_chose(tmp_path, state, metric, best):
    log = [
        {"step": 100, "eval_loss": 1.0, "eval_accuracy": 0.5},
        {"step": 200, "eval_loss": 1.1, "eval_accuracy": 0.9},
    ]
    write(tmp_path, log, saved=(100, 200), **state)
    found = read_history(tmp_path, ())
    assert (found.metric, found.best_step) == (metric, best)


def test_several_evaluation_sets_have_a_loss_each_and_what_is_not_finite_counts_nowhere(tmp_path):
    log = [
        {"step": 1, "eval_web_loss": float("nan"), "eval_code_loss": 2.0},
        {"step": 2, "eval_web_loss": 1.0, "eval_code_loss": 1.0},
    ]
    write(tmp_path, log)
    found = read_history(tmp_path, ())
    assert found.metric == "eval_code_loss"
    assert [each.value for each in found.evaluations] == [2.0, 1.0]
    assert "no step was saved" in history_sentence(found)


@pytest.mark.parametrize("log", [[], [{"step": 1, "loss": 1.0}], None, [{"eval_loss": "low"}]])
def test_without_an_evaluation_there_is_no_history(tmp_path, log):
    write(tmp_path, log)
    assert read_history(tmp_path, ()) is None
    assert read_history(tmp_path / "nowhere", ()) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"log_history": 3}', '{"log_history": [1]}'])
def test_a_state_that_cannot_be_read_is_refused_by_name(tmp_path, content):
    (tmp_path / "trainer_state.json").write_text(content)
    with pytest.raises(ModelError, match=r"trainer_state\.json: .*move it away"):
        read_history(tmp_path, ())
