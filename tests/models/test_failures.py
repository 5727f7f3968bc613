"""Whose failure it is: the trainer's, the disk's, or our own."""

import pytest
import transformers
import trl

from driftline.errors import ConfigError, RunError
from driftline.models import TrainingConfig, told_in_one_line
from driftline.models._failures import describe_error
from tests.models.runs import FULL

CONFIG = TrainingConfig("c.yaml", {}, "")


def raised_in(module, error):
    """A function of that module that raises."""
    scope = {"__name__": module, "error": error}
    exec("def fail(*_args, **_more):\n    raise error", scope)
    return scope["fail"]


@pytest.mark.parametrize(
    "module", ["trl.trainer.sft", "transformers.trainer", "peft.x", "accelerate"]
)
@pytest.mark.parametrize(
    "error",
    [AttributeError("no num_experts"), ZeroDivisionError("x"), AssertionError("x")],
)
def test_what_a_trainers_code_raises_is_the_trainers(module, error):
    with (
        pytest.raises(RunError, match=rf"^c.yaml: the trainer failed: {type(error).__name__}: "),
        told_in_one_line(CONFIG, "the trainer refuses", lambda: 0),
    ):
        raised_in(module, error)()


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("driftline.models.trainer._trajectory", AttributeError("ours")),
        ("driftline.models.trainer._trajectory", ValueError("ours")),
        ("trl.trainer.sft", OSError(28, "No space left on device")),
        ("trl.trainer.sft", PermissionError(13, "Permission denied")),
        ("trl.trainer.sft", ConfigError("c.yaml: as it is")),
        ("trl.trainer.sft", KeyboardInterrupt()),
    ],
)
def test_what_is_not_the_trainers_goes_through_as_it_is(module, error):
    with (
        pytest.raises(type(error)) as caught,
        told_in_one_line(CONFIG, "the trainer refuses", lambda: 0),
    ):
        raised_in(module, error)()
    assert caught.value is error


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x"), ImportError("x")])
def test_what_a_trainer_refuses_before_it_begins_is_bad_input(error):
    with (
        pytest.raises(ConfigError, match=r"^c.yaml: the trainer refuses: .*x"),
        told_in_one_line(CONFIG, "the trainer refuses", lambda: 0),
    ):
        raised_in("trl.trainer.sft", error)()


def test_memory_that_runs_out_in_our_own_code_is_a_failed_run():
    with (
        pytest.raises(RunError, match="the trainer failed after step 3: RuntimeError: out of"),
        told_in_one_line(CONFIG, "the trainer refuses", lambda: 3),
    ):
        raised_in("driftline.models.trainer.levers._losses", RuntimeError("out of memory"))()


def test_an_exception_is_one_line_of_bounded_length():
    assert describe_error(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_error(ValueError()) == "ValueError"
    assert len(describe_error(ValueError("x" * 10**4))) < 500


@pytest.mark.parametrize(
    ("owner", "method"),
    [(trl.SFTTrainer, "compute_loss"), (transformers.Trainer, "training_step")],
)
def test_a_trainer_that_fails_inside_a_run_is_named(trajectory, monkeypatch, owner, method):
    made = trajectory(FULL)
    error = AttributeError("'Config' object has no attribute 'num_experts'")
    monkeypatch.setattr(owner, method, raised_in("trl.trainer.sft_trainer", error))
    with pytest.raises(
        RunError, match=r"^config.yaml: the trainer failed: AttributeError: 'Config'"
    ):
        made.ensure_trained()
    assert not made.is_trained()


def test_a_trainer_that_fails_before_it_begins_is_named(trajectory, monkeypatch):
    error = AttributeError("'Config' object has no attribute 'num_experts'")
    monkeypatch.setattr(
        trl.SFTTrainer, "_prepare_dataset", raised_in("trl.trainer.sft_trainer", error)
    )
    with pytest.raises(
        RunError, match=r"^config.yaml: the trainer failed: AttributeError: 'Config'"
    ):
        trajectory(FULL)
