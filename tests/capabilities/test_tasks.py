"""Tasks by name: defaults, entries of a suite, and a missing lm-eval."""

import importlib
import subprocess
import sys

import pytest
import yaml

from driftline.capabilities import MultipleChoice, Passage, read_suite
from driftline.capabilities import _tasks as module
from driftline.errors import SuiteError
from tests import lm_eval_tasks

RECORDS = lm_eval_tasks.QUESTIONS[:4]


@pytest.fixture
def suite(tmp_path):
    """A suite whose one entry takes its items from a task beside it."""

    def write(metrics=lm_eval_tasks.ACC, **changes):
        lm_eval_tasks.write(tmp_path, "mine", RECORDS, metric_list=metrics)
        entry = {
            "name": "sums",
            "scorer": "multiple_choice",
            "metric": "accuracy",
            "tolerance": 0.02,
            "items": "lm_eval:mine.yaml",
            **changes,
        }
        path = tmp_path / "suite.yaml"
        content = {"schema": "driftline/suite/1", "capabilities": [entry]}
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


def test_an_entry_takes_a_tasks_items_under_its_own_terms(suite, tmp_path):
    (found,) = read_suite(suite(required=False, description="sums")).capabilities
    (default,) = read_suite(f"lm_eval:{tmp_path}/mine.yaml").capabilities
    assert (found.name, found.metric, found.tolerance) == ("sums", "accuracy", 0.02)
    assert (found.required, found.description) == (False, "sums")
    assert found.items == default.items
    assert (default.name, default.metric, default.tolerance) == ("mine", "margin_nats", 0.25)
    assert default.required


def test_the_tasks_normalisation_stands_until_the_entry_has_one(suite):
    assert read_suite(suite()).capabilities[0].normalization == "none"
    norm = lm_eval_tasks.NORM
    assert read_suite(suite(norm)).capabilities[0].normalization == "bytes"
    said = read_suite(suite(norm, normalization="none")).capabilities[0]
    assert said.normalization == "none"
    assert read_suite(suite(normalization="tokens")).capabilities[0].normalization == "tokens"


def test_faults_name_the_entry(suite, tmp_path):
    where = r"suite.yaml: capability sums: "
    with pytest.raises(SuiteError, match=where + r".*is scored by multiple_choice, not by cloze"):
        read_suite(suite(scorer="cloze", metric="nll_nats"))
    with pytest.raises(SuiteError, match=where + r"lm_eval:.*none.yaml: no such file"):
        read_suite(suite(items="lm_eval:none.yaml"))
    lm_eval_tasks.write(tmp_path, "other", RECORDS)
    group = {"group": "both", "task": ["mine", "other"]}
    path = suite(items="lm_eval:both.yaml")
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(group))
    with pytest.raises(SuiteError, match=where + r".*holds 2 tasks \(mine, other ...\); an entry"):
        read_suite(path)


@pytest.mark.parametrize("missing", ["lm_eval", "datasets"])
def test_what_is_not_installed_is_named(monkeypatch, missing):
    def fails(*_args):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(importlib, "import_module", fails)
    if missing == "lm_eval":
        message = r"lm_eval:arc_easy: needs .* not installed; pip install .driftline\[lm-eval\]"
        with pytest.raises(SuiteError, match=message):
            read_suite("lm_eval:arc_easy")
    else:
        with pytest.raises(ModuleNotFoundError, match="datasets"):
            read_suite("lm_eval:arc_easy")


def _loads_lm_eval(name):
    code = f"""
import sys
from driftline.capabilities import read_suite
read_suite({name!r})
print("lm_eval" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


def test_only_a_task_loads_lm_eval(suite):
    assert not _loads_lm_eval("core")
    assert _loads_lm_eval(suite())


@pytest.mark.parametrize(
    ("scorer", "normalization", "items", "metric", "tolerance"),
    [
        ("multiple_choice", "none", "choices", "margin_nats", 0.25),
        ("multiple_choice", "bytes", "choices", "margin_nats", 0.01),
        ("perplexity", "none", "texts", "nll_nats", 0.1),
    ],
)
def test_defaults_are_those_of_the_table(scorer, normalization, items, metric, tolerance):
    made = {
        "choices": [
            MultipleChoice(id=i, prompt="Say", choices=(" a", " b"), answer=0) for i in "xy"
        ],
        "texts": [Passage(id=i, text="It rained.") for i in "xy"],
    }[items]
    task = module.RenderedTask("t", scorer, normalization, tuple(made), "d")
    found = module.default_capability(task)
    assert (found.metric, found.tolerance, found.normalization) == (
        metric,
        tolerance,
        normalization,
    )
    assert str(tolerance) in module.__doc__
