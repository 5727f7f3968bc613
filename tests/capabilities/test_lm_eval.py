"""How lm-eval's documents become items, and how each kind of fault is named."""

import os
import subprocess
import sys

import pytest
import yaml
from lm_eval.tasks import TaskManager

from driftline.capabilities import Alternatives, Cloze, MultipleChoice, Passage, read_suite
from driftline.capabilities import _lm_eval as module
from driftline.errors import SuiteError
from tests import lm_eval_tasks


@pytest.fixture
def task(tmp_path):
    def write(records, **fields):
        return f"lm_eval:{lm_eval_tasks.write(tmp_path, 'mine', records, **fields)}"

    return write


def record(options, gold, q="Which?"):
    return {"q": q, "options": options, "gold": gold}


GOOD = record(["one", "two"], 1)
TARGET = {"output_type": "loglikelihood", "doc_to_choice": ..., "doc_to_target": "{{a}}"}


def only(suite):
    (capability,) = read_suite(suite).capabilities
    return capability


def refused(suite, message):
    with pytest.raises(SuiteError, match=message) as raised:
        read_suite(suite)
    assert "\n" not in str(raised.value)


def test_a_question_has_its_choices_with_their_delimiter(task):
    found = only(task([record(["one", "two", "six"], 2, q="1 + 5?"), GOOD]))
    assert found.name == "mine"
    assert found.scorer == "multiple_choice"
    assert found.description == "lm-eval task mine (version 1.0), 0-shot"
    assert found.items[0] == MultipleChoice(
        id="0", prompt="Q: 1 + 5?\nA:", choices=(" one", " two", " six"), answer=2
    )


def test_examples_are_drawn_as_lm_eval_draws_them(task):
    records = [record([str(i), "x"], 0, q=f"{i}?") for i in range(9)]
    fields = {"num_fewshot": 2, "fewshot_split": "test", "description": "Numbers.\n"}
    first, *_rest = only(task(records, **fields)).items
    assert first.prompt.startswith("Numbers.\nQ: ")
    assert first.prompt.count("A:") == 3
    assert first.prompt.endswith("Q: 0?\nA:")
    assert only(task(records, **fields)).items[0] == first


def test_the_target_may_be_the_text_of_a_choice(task):
    found = only(task([GOOD, record(["one", "two"], 0)], doc_to_target="{{options[gold]}}"))
    assert [item.answer for item in found.items] == [1, 0]


def test_white_space_at_the_seam_goes_to_the_choices(task):
    found = only(task([GOOD, GOOD], doc_to_text="Q: {{q}}\nA: \n", target_delimiter=""))
    assert found.items[0].prompt == "Q: Which?\nA:"
    assert found.items[0].choices == (" \none", " \ntwo")


def test_choices_of_the_same_text_are_one_choice(task):
    found = only(task([record(["one", "two", "one", "two"], 3), GOOD]))
    assert found.items[0].choices == (" one", " two")
    assert found.items[0].answer == 1
    refused(
        task([GOOD, record(["one", "one"], 0)]), r"mine: document 1: choices: .*at least 2 items"
    )


def test_an_empty_prompt_gives_alternatives(task):
    found = only(task([GOOD, record(["a", "b", "c"], 0)], doc_to_text=""))
    assert found.scorer == "alternatives"
    assert found.items[1] == Alternatives(
        id="1", alternatives=[{"completion": f" {c}"} for c in "abc"], answer=0
    )


def test_where_one_prompt_is_empty_all_items_are_alternatives(task):
    found = only(task([record(["a", "b"], 0, q=""), GOOD], doc_to_text="{{q}}"))
    assert found.scorer == "alternatives"
    assert found.items[1].alternatives[0].model_dump() == {"prompt": "Which?", "completion": " one"}


def test_prompts_that_differ_give_alternatives(task):
    fields = {
        "doc_to_text": "{{gold}}",
        "doc_to_choice": "{{['Ann saw ' + options[0], 'Ann saw ' + options[1]]}}",
        "doc_to_target": "and {{q}}",
    }
    found = only(task([GOOD, record(["one", "two"], 0)], **fields))
    assert found.items[0] == Alternatives(
        id="0",
        alternatives=[
            {"prompt": "Ann saw one", "completion": " and Which?"},
            {"prompt": "Ann saw two", "completion": " and Which?"},
        ],
        answer=1,
    )
    assert found.items[1].answer == 0


@pytest.mark.parametrize(
    ("metrics", "normalization", "tolerance"),
    [
        (["acc"], "none", 0.25),
        (["acc", "acc_norm"], "none", 0.25),
        (["acc_norm"], "bytes", 0.01),
        (["acc_bytes"], "bytes", 0.01),
        (["f1"], "none", 0.25),
    ],
)
def test_lengths_divide_where_the_task_knows_only_such_accuracies(
    task, metrics, normalization, tolerance
):
    entries = [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in metrics]
    found = only(task([GOOD, GOOD], metric_list=entries))
    assert (found.normalization, found.metric) == (normalization, "margin_nats")
    assert found.tolerance == tolerance


def test_a_target_is_a_cloze_and_needs_no_delimiter(task):
    records = [{"q": "The cat", "a": " naps"}, {"q": "A dog ", "a": "barks"}]
    found = only(task(records, doc_to_text="{{q}}", **TARGET))
    assert (found.scorer, found.metric, found.tolerance) == ("cloze", "nll_nats", 0.1)
    assert found.items == (
        Cloze(id="0", prompt="The cat", completion=" naps"),
        Cloze(id="1", prompt="A dog", completion=" barks"),
    )


def test_a_target_without_a_prompt_is_a_passage(task):
    found = only(task([{"a": "It rains."}, {"a": "It pours."}], doc_to_text="", **TARGET))
    assert found.scorer == "perplexity"
    assert found.items[0] == Passage(id="0", text="It rains.")
    refused(
        task(
            [{"q": "", "a": "It rains."}, {"q": "It", "a": " pours."}],
            doc_to_text="{{q}}",
            **TARGET,
        ),
        r"mine: some of its documents have a context and some have none",
    )


def test_a_rolling_text_is_a_passage(task):
    fields = {**TARGET, "output_type": "loglikelihood_rolling", "doc_to_text": ""}
    found = only(task([{"a": "It rains. "}, {"a": "é"}], metric_list=..., **fields))
    assert found.items == (Passage(id="0", text="It rains. "), Passage(id="1", text="é"))
    refused(
        task([{"a": "x"}, {"a": ""}], metric_list=..., **fields), "document 1: text: .*at least 1"
    )


@pytest.mark.parametrize(
    ("records", "fields", "message"),
    [
        ([GOOD, record(["one", "two"], 2)], {}, r"1: its target 2 is none of its 2 choices \(0 is"),
        ([GOOD, record(["one", "two"], -1)], {}, r"1: its target -1 is none of its 2 choices"),
        ([GOOD, GOOD], {"doc_to_target": "no {{gold}}"}, r"0: its target 'no 1' is none of its 2"),
        (
            [GOOD, record(["one", ""], 0)],
            {"target_delimiter": ""},
            r"1: choices.1: .*at least 1 ch",
        ),
        ([GOOD, record(["one"], 0)], {}, r"1: choices: .*at least 2 items"),
        ([GOOD, GOOD], {"doc_to_target": "{{[0, gold]}}"}, r"0: 2 choices are right"),
    ],
)
def test_a_document_that_cannot_be_scored_is_named(task, records, fields, message):
    refused(task(records, **fields), rf"lm_eval:mine: document {message}")


def test_an_empty_choice_is_scored_by_its_delimiter(task):
    assert only(task([GOOD, record(["one", ""], 0)])).items[1].choices == (" one", " ")


def test_output_types_that_are_not_taken_are_named(task):
    fields = {"output_type": "generate_until", "doc_to_choice": ..., "doc_to_target": "{{q}}"}
    refused(
        task([GOOD, GOOD], metric_list=..., **fields),
        r"mine: its output type is generate_until, and Driftline takes multiple_choice, .*scorer gen",
    )


def test_a_task_with_its_own_idea_of_right_is_refused(task, tmp_path):
    suite = task([GOOD, GOOD])
    (tmp_path / "own.py").write_text("def results(doc, results):\n    return {'acc': 1}\n")
    path = tmp_path / "mine.yaml"
    path.write_text(path.read_text() + "process_results: !function own.results\n")
    refused(suite, r"mine: its own process_results decides")


def test_faults_of_a_task_are_named(task, tmp_path):
    refused(f"lm_eval:{tmp_path}/none.yaml", r"none.yaml: no such file")
    refused(task([GOOD, GOOD], doc_to_text="{{q"), r"mine.yaml: lm-eval cannot build it \(Templ")
    refused(task([GOOD, GOOD], test_split="dev"), r"mine.yaml: lm-eval cannot build it .*dev")
    refused(task([GOOD]), r"mine: has 1 item")
    suite = task([GOOD, GOOD])
    (tmp_path / "mine.jsonl").unlink()
    refused(suite, r"mine.yaml: its data cannot be read .*mine.jsonl.*relative to the working dir")


def test_a_hub_dataset_that_cannot_be_reached_says_so(task, monkeypatch):
    def unreachable(*_args, **_kwargs):
        raise ConnectionError("Couldn't reach 'owner/data' on the Hub")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    refused(
        task([GOOD], dataset_path="owner/data"),
        r"its data cannot be read \(Couldn't reach 'owner/data' on the Hub\); a dataset of a hub needs",
    )


def test_a_group_gives_one_capability_a_task(task, tmp_path):
    for name in ("b", "a"):
        lm_eval_tasks.write(tmp_path, name, [GOOD, GOOD])
    group = tmp_path / "both.yaml"
    group.write_text(yaml.safe_dump({"group": "both", "task": ["b", "a"]}))
    suite = read_suite(f"lm_eval:{group}")
    assert sorted(capability.name for capability in suite.capabilities) == ["a", "b"]
    assert suite.provenance().num_records == 4


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Stands for the index of shipped tasks, which takes long to read."""

    def index():
        return TaskManager(include_defaults=False, include_path=str(tmp_path))

    monkeypatch.setattr(module, "_known_tasks", index)


def test_names_and_tags_are_looked_up_in_the_index(known, tmp_path):
    for name in ("first", "second"):
        lm_eval_tasks.write(tmp_path, name, [GOOD, GOOD], tag="all_mine")
    assert read_suite("lm_eval:second").capabilities[0].name == "second"
    suite = read_suite("lm_eval:all_mine")
    assert suite.name == "lm_eval:all_mine"
    assert [capability.name for capability in suite.capabilities] == ["first", "second"]


def test_an_unknown_name_is_met_with_near_ones(known, tmp_path):
    lm_eval_tasks.write(tmp_path, "arc_easy", [GOOD, GOOD])
    refused(
        "lm_eval:arc_esay", r"lm_eval:arc_esay: lm-eval knows no such task; did you mean arc_easy"
    )
    refused(
        "lm_eval:zzz", r"lm_eval:zzz: lm-eval knows no such task; `lm-eval ls tasks` lists them"
    )


def test_stdout_stays_clean(task, tmp_path, capsys):
    suite = task([GOOD, GOOD])
    (tmp_path / "loud.py").write_text("def text(doc):\n    print('loud')\n    return 'Q:'\n")
    path = tmp_path / "mine.yaml"
    config = yaml.safe_load(path.read_text())
    del config["doc_to_text"]
    path.write_text(yaml.safe_dump(config) + "doc_to_text: !function loud.text\n")
    read_suite(suite)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "loud" in captured.err


def test_importing_it_leaves_the_environment_as_it_was():
    code = (
        "import os; before = dict(os.environ)\n"
        "import driftline.capabilities._lm_eval\n"
        "print({k for k in os.environ if k not in before and k.startswith('HF')})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_without_hub()
    )
    assert done.stdout == "set()\n"


def test_the_environment_test_can_fail():
    code = "import os, lm_eval; print({k for k in os.environ if k.startswith('HF')})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_without_hub()
    )
    assert done.stdout != "set()\n"


def _without_hub():
    return {k: v for k, v in os.environ.items() if not k.startswith("HF")}
