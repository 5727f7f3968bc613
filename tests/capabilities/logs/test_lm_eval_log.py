"""Per-sample logs of lm-eval: what is read out of a line, and how each bad line is named."""

import json
import math

import pytest

from driftline.capabilities import read_scored_log
from driftline.errors import SuiteError

NAME = "samples_arc_easy_2026-01-31T12-34-56.789012.jsonl"


def sample(doc_id=0, likelihoods=(-1.0, -3.0), target="0", **changes):
    """A line as lm-eval 0.4 writes it: answers are texts, arguments are named."""
    best = likelihoods.index(max(likelihoods))
    fields = {
        "doc_id": doc_id,
        "doc": {"q": f"Which {doc_id}?", "gold": 0},
        "target": target,
        "arguments": {
            f"gen_args_{i}": {"arg_0": f"Q: Which {doc_id}?", "arg_1": f" choice {i}"}
            for i in range(len(likelihoods))
        },
        "resps": [[[str(value), "False"]] for value in likelihoods],
        "filtered_resps": [[str(value), "False"] for value in likelihoods],
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": "d",
        "prompt_hash": "p",
        "target_hash": "t",
        "acc": float(str(best) == target),
        **changes,
    }
    return {key: value for key, value in fields.items() if value is not ...}


@pytest.fixture
def log(tmp_path):
    def write(*samples, name=NAME):
        path = tmp_path / name
        lines = [s if isinstance(s, str) else json.dumps(s) for s in samples]
        path.write_text("".join(line + "\n" for line in lines))
        return path

    return write


def refused(path, message, **options):
    with pytest.raises(SuiteError, match=message) as raised:
        read_scored_log(path, **options)
    assert "\n" not in str(raised.value)


def test_a_log_has_a_value_an_item(log):
    found = read_scored_log(log(sample(0), sample(1, (-3.0, -2.5))), metric="acc")
    assert (found.name, found.metric, found.unit) == ("arc_easy", "acc", "share of items")
    assert found.higher_is_better
    assert found.values == (1.0, 0.0)
    assert found.groups == found.item_ids
    assert found.source.num_records == 2
    assert found.source.digest.startswith("sha256:")


def test_margins_come_first_and_are_clipped(log):
    lines = [sample(0), sample(1, (-3.0, -2.5)), sample(2, (-1.0, -90.0, -80.0))]
    found = read_scored_log(log(*lines))
    assert (found.metric, found.unit) == ("margin_nats", "nats")
    assert found.values == (2.0, -0.5, 5.0)


def test_the_target_may_be_the_text_of_a_choice(log):
    lines = [
        sample(0, (-1.0, -3.0), target="choice 0", acc=1.0),
        sample(1, (-1.0, -3.0), target="choice 1", acc=0.0),
    ]
    assert read_scored_log(log(*lines)).values == (2.0, -2.0)


def numbers(doc_id, likelihoods, target, acc):
    """A sample whose choices are the texts 1 and 0, so that a target may be read two ways."""
    arguments = {f"gen_args_{i}": {"arg_0": "Q", "arg_1": f" {1 - i}"} for i in range(2)}
    return sample(doc_id, likelihoods, target=target, acc=acc, arguments=arguments)


def test_a_target_that_reads_two_ways_is_read_as_acc_bears_out(log):
    as_text = [numbers(0, (-1.0, -3.0), "1", 1.0), numbers(1, (-2.0, -1.0), "1", 0.0)]
    assert read_scored_log(log(*as_text)).values == (2.0, -1.0)
    as_place = [numbers(0, (-1.0, -3.0), "1", 0.0), numbers(1, (-2.0, -1.0), "1", 1.0)]
    assert read_scored_log(log(*as_place)).values == (-2.0, 1.0)
    neither = [numbers(0, (-1.0, -3.0), "1", 1.0), numbers(1, (-2.0, -1.0), "1", 1.0)]
    assert read_scored_log(log(*neither)).metric == "acc"


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "7"},
        {"target": "-1"},
        {"filtered_resps": ["an answer"]},
        {"filtered_resps": [["x", "False"], ["y", "False"]]},
        {"arguments": {"gen_args_0": {"arg_0": "Q"}, "gen_args_1": {"arg_0": "Q"}}},
        {"arguments": None},
        {"filtered_resps": ...},
    ],
)
def test_without_a_sure_right_choice_there_is_no_margin(log, changes):
    found = read_scored_log(log(sample(0), sample(1, **{"acc": 0.0, **changes})))
    assert found.metric == "acc"
    refused(log(sample(0), sample(1, **{"acc": 0.0, **changes})), "has no metric margin_nats; it has acc", metric="margin_nats")  # fmt: skip


def test_answers_without_a_context_are_left_out_of_margins(log):
    def line(number):
        return sample(number, (-1.0, -3.0, -0.1, -0.2), acc=1.0, acc_mutual_info=1.0)

    assert read_scored_log(log(line(0), line(1))).values == (2.0, 2.0)


def test_lines_of_older_versions_have_neither_metrics_nor_filters(log):
    def line(number):
        old = sample(
            number, metrics=..., filter=..., doc_hash=..., prompt_hash=..., target_hash=...
        )
        old["arguments"] = [list(each.values()) for each in old["arguments"].values()]
        old["filtered_resps"] = [[-1.0, False], [-3.0, False]]
        return old

    found = read_scored_log(log(line(0), line(1)))
    assert found.values == (2.0, 2.0)
    assert read_scored_log(log(line(0), line(1)), metric="acc").values == (1.0, 1.0)


def generated(doc_id, **metrics):
    return sample(
        doc_id,
        target="4",
        arguments={"gen_args_0": {"arg_0": "Q", "arg_1": {"until": ["\n"]}}},
        filtered_resps=["4"],
        acc=...,
        metrics=list(metrics),
        **metrics,
    )


def test_each_filter_has_metrics_of_its_own(log):
    lines = [
        {**generated(doc_id, exact_match=value), "filter": name}
        for name, values in (("strict", (1.0, 0.0)), ("flexible", (1.0, 1.0)))
        for doc_id, value in enumerate(values)
    ]
    first = read_scored_log(log(*lines), metric="exact_match,strict")
    assert (first.metric, first.values) == ("exact_match,strict", (1.0, 0.0))
    assert first.unit == "share of items"
    other = read_scored_log(log(*lines), metric="exact_match,flexible")
    assert other.values == (1.0, 1.0)
    assert other.item_ids == first.item_ids


@pytest.mark.parametrize("metric", [None, "exact_match"])
def test_two_filters_are_named_with_how_to_choose(log, metric):
    lines = [
        {**generated(doc_id, exact_match=1.0), "filter": name}
        for name in ("strict-match", "flexible-extract")
        for doc_id in range(2)
    ]
    refused(
        log(*lines),
        r"exact_match was logged under 2 filters \(strict-match, flexible-extract\), which need not "
        r'agree; choose one: metric="exact_match,strict-match"',
        metric=metric,
    )


def test_one_filter_needs_no_choice(log):
    lines = [{**generated(doc_id, exact_match=1.0), "filter": "only"} for doc_id in range(2)]
    assert read_scored_log(log(*lines)).metric == "exact_match"


def test_perplexities_become_negative_log_likelihoods(log):
    def text(doc_id):
        pair = [-20.0 - doc_id, 10]
        metrics = {"word_perplexity": [-20.0 - doc_id, 4], "byte_perplexity": pair}
        return generated(doc_id, **metrics, bits_per_byte=pair)

    path = log(text(0), text(1))
    assert read_scored_log(path).metric == "nll_nats_per_word"
    assert read_scored_log(path, metric="nll_nats_per_word").values == (5.0, 5.25)
    assert read_scored_log(path, metric="nll_nats_per_byte").values == (2.0, 2.1)
    bits = read_scored_log(path, metric="bits_per_byte")
    assert bits.values == pytest.approx((2.0 / math.log(2), 2.1 / math.log(2)))
    assert not bits.higher_is_better
    targets = read_scored_log(log(generated(0, perplexity=-2.5), generated(1, perplexity=-3.0)))
    assert (targets.metric, targets.unit) == ("nll_nats", "nats per target")
    assert targets.values == (2.5, 3.0)
    assert not targets.higher_is_better


def test_two_logs_of_one_task_pair_by_document(log, tmp_path):
    base = read_scored_log(log(sample(0), sample(1)))
    tuned = read_scored_log(log(sample(1), sample(0, (-9.0, -3.0)), name="tuned.jsonl"))
    assert sorted(base.item_ids) == sorted(tuned.item_ids)
    assert tuned.item_ids[0].startswith("1:")
    assert base.prompts_digest == tuned.prompts_digest
    assert tuned.name == "tuned"
    edited = sample(0, doc={"q": "Another?", "gold": 0})
    other = read_scored_log(log(edited, sample(1), name="other.jsonl"))
    assert set(other.item_ids) & set(base.item_ids) == {base.item_ids[1]}


def test_a_metric_of_unknown_direction_needs_a_word(log):
    lines = log(generated(0, style=0.5), generated(1, style=0.25))
    refused(lines, r"jsonl: whether more of style is better is not in the log; say it with higher")
    found = read_scored_log(lines, higher_is_better=False)
    assert (found.values, found.unit, found.higher_is_better) == ((0.5, 0.25), "points", False)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("", r"line 2: not JSON"),
        ("{", r"line 2: not JSON \(.* at column \d+\)"),
        ("3", r"line 2: must be a mapping"),
        (sample(...), r"line 2: doc_id: Field required; it is not a sample that lm-eval"),
        (sample("1"), r"line 2: doc_id: .*valid integer"),
        (sample(1, doc=...), r"line 2: doc: Field required"),
        (sample(0), r"line 2: duplicate document 0; two runs"),
        (sample(1, acc=math.nan), r"line 2: acc is nan, which is no score"),
        (sample(1, acc=math.inf), r"line 2: acc is inf, which is no score"),
        (sample(1, acc=...), r"line 2: no number for acc; every item needs one"),
        (sample(1, acc="yes"), r"line 2: no number for acc"),
    ],
)
def test_a_wrong_line_is_named(log, second, message):
    refused(log(sample(0), second), rf"{NAME}: {message}", metric="acc")


def test_a_likelihood_that_is_not_a_number_is_no_margin(log):
    path = log(sample(0), sample(1, filtered_resps=[["nan", "False"], ["-3.0", "False"]], acc=1.0))
    refused(path, r"line 2: margin_nats is nan, which is no score")


def test_a_file_that_is_no_log(tmp_path, log):
    refused(tmp_path / "none.jsonl", r"none.jsonl: cannot be read as a log of lm-eval")
    refused(tmp_path, r"is no log that Driftline reads; give samples_TASK_")
    refused(log(name="empty.jsonl"), r"empty.jsonl: holds no samples")
    refused(log(sample(0)), r"holds fewer than 2 independent items")
    (tmp_path / "odd.jsonl").write_bytes(b'{"doc_id": 0, "doc": "caf\xe9"}\n')
    refused(tmp_path / "odd.jsonl", r"odd.jsonl: cannot be read .*UTF-8")
    refused(log(generated(0), generated(1)), r"no metric in it is one number an item")
