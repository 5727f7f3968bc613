"""`train` and `certify` in Python, on models in memory; a command has an option for each input."""

import copy
import inspect
import re

import pytest
import torch

import driftline
from driftline.cli._question_command import Shown, question_command
from driftline.errors import ConfigError
from driftline.models import weights_digest
from tests import tiny
from tests.monitor.runs import TEXTS, suite, taught_model


@pytest.mark.slow
def test_a_model_in_memory_is_trained_on_a_copy_and_certified(tmp_path):
    model, tokenizer = taught_model(), tiny.tokenizer()
    before = weights_digest(model)
    fields = {
        "learning_rate": 1e-4,
        "max_steps": 2,
        "per_device_train_batch_size": 4,
        "max_length": 64,
    }
    run = driftline.train(
        fields,
        model=(model, tokenizer),
        data=[{"text": text} for text in TEXTS],
        suites=suite(),
        action="log",
        out=tmp_path / "run",
    )
    assert weights_digest(model) == before
    assert len(run.to_pandas()) == len(suite().capabilities)
    assert run.provenance.model.source == "LlamaForCausalLM in memory"
    same = driftline.certify((model, tokenizer), copy.deepcopy(model), suites=suite())
    assert same.verdict == "pass"
    assert same.guards.tuned_is_base
    tuned = driftline.certify((model, tokenizer), tmp_path / "run" / "model", suites=suite())
    assert not tuned.guards.tuned_is_base
    with torch.no_grad():
        next(model.parameters()).add_(0.1)
    moved = driftline.certify((model, tokenizer), tmp_path / "run" / "model", suites=suite())
    assert moved.provenance.base_model.digest != tuned.provenance.base_model.digest


def _question(model, *, depth=0, seed=0, reporter=None):
    return model, depth, seed, reporter


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": str}, "no option for depth"),
        ({"model": str, "depth": int, "x": int}, "no input x"),
    ],
)
def test_a_command_without_an_option_for_each_input_is_refused(options, said):
    with pytest.raises(TypeError, match=said):
        question_command(_question, Shown(options, {None: 0}), "Help.")


def test_a_standard_input_needs_no_option_of_its_own():
    command = question_command(_question, Shown({"model": str, "depth": int}, {None: 0}), "Help.")
    assert list(inspect.signature(command).parameters)[:3] == ["model", "depth", "seed"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([None], "None names no run"),
        ("", "'' names no run"),
        (3, "is a int"),
        (driftline.suite_power("core"), "is an answer of another kind, SuitePower"),
    ],
)
def test_what_names_no_choosing_run_is_refused(model_folder, given, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        driftline.certify(model_folder, model_folder, suites="core-0.1", chosen_by=given)
