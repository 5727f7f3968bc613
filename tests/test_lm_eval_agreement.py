"""A local task gives the same numbers here as in lm-evaluation-harness itself, offline."""

import copy
from collections import defaultdict

import numpy
import pytest
from lm_eval.evaluator import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from driftline.capabilities import likelihood_requests, read_scored_log, read_suite
from driftline.capabilities._scorers import clipped_margin
from driftline.engine import LocalEngine, ResultStore
from driftline.models import (
    BASE,
    Scorer,
    ScoringOptions,
    encode_completions,
    encode_passage,
)
from tests import lm_eval_tasks

EXACT = ScoringOptions(bfloat16=False)
TOLERANCE_NATS = 1e-3

PLACES = [
    {"s": f"{a} gave {b} a {thing} because _ was kind.", "a": a, "b": b, "answer": k % 2}
    for k, (a, b, thing) in enumerate(
        [("Ann", "Eve", "pear"), ("Bob", "Tim", "hat"), ("Una", "Ida", "map")]
    )
]
TEXTS = [{"text": f"It rained on day {i}. " * (1 + 11 * i)} for i in range(4)]

TASKS = {
    "plain": (lm_eval_tasks.QUESTIONS, {}),
    "shots": (
        lm_eval_tasks.QUESTIONS,
        {
            "num_fewshot": 3,
            "fewshot_split": "test",
            "description": "Sums, one a line.\n\n",
            "metric_list": [*lm_eval_tasks.ACC, *lm_eval_tasks.NORM],
        },
    ),
    "spaced": (
        lm_eval_tasks.QUESTIONS,
        {"doc_to_text": "Q: {{q}}\nA: \n", "target_delimiter": ""},
    ),
    "lengths": (
        [
            {"q": q, "options": ["a", "a little while longer"], "gold": k % 2}
            for k, q in enumerate(("Who?", "When?", "Where?", "Why?", "How long?", "How?"))
        ],
        {"metric_list": lm_eval_tasks.NORM},
    ),
    "pairs": (
        [{"good": f"{n} cats run.", "bad": f"{n} cats runs."} for n in ("Two", "Six", "All")],
        {"doc_to_text": "", "doc_to_choice": "{{[good, bad]}}", "doc_to_target": 0},
    ),
    "blanks": (
        PLACES,
        {
            "doc_to_text": "{{answer}}",
            "doc_to_choice": "{{[s.split('_')[0] + a, s.split('_')[0] + b]}}",
            "doc_to_target": "{{s.split('_ ')[1]}}",
        },
    ),
    "targets": (
        [{"q": "The cat", "a": " sleeps."}, {"q": "Dogs do", "a": " bark, é."}],
        {
            "output_type": "loglikelihood",
            "doc_to_text": "{{q}}",
            "doc_to_choice": ...,
            "doc_to_target": "{{a}}",
            "metric_list": [{"metric": "perplexity"}, *lm_eval_tasks.ACC],
        },
    ),
    "texts": (
        TEXTS,
        {
            "output_type": "loglikelihood_rolling",
            "doc_to_text": "",
            "doc_to_choice": ...,
            "doc_to_target": "{{text}}",
            "metric_list": [{"metric": "bits_per_byte"}, {"metric": "word_perplexity"}],
        },
    ),
}


@pytest.fixture(scope="module")
def theirs(model_folder, tmp_path_factory):
    """What lm-eval itself says of every task, with its samples, in float32."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, (records, fields) in TASKS.items():
        lm_eval_tasks.write(folder, name, records, **fields)
    backend = HFLM(
        pretrained=str(model_folder), device="cpu", dtype="float32", batch_size=4, backend="causal"
    )
    found = simple_evaluate(
        model=backend,
        tasks=list(TASKS),
        task_manager=TaskManager(include_defaults=False, include_path=str(folder)),
        bootstrap_iters=0,
    )
    return folder, found


def _ours(opened, capability):
    """Log-likelihoods by item id, one a completion; those of windows are added up."""
    found, scorer = defaultdict(list), Scorer(opened, EXACT)
    for item in capability.items:
        if capability.scorer == "perplexity":
            windows = scorer.score(encode_passage(opened, item.text))
            found[item.id] = [sum(window.log_likelihood for window in windows)]
            continue
        for context, completions in likelihood_requests(item):
            sequences = encode_completions(opened, context, completions)
            found[item.id] += [score.log_likelihood for score in scorer.score(sequences)]
    return dict(found)


def _logged(samples):
    """The same from lm-eval's samples: answers are (log-likelihood, is greedy), or a number."""
    return {
        str(sample["doc_id"]): [
            float(answer[0] if isinstance(answer, tuple | list) else answer)
            for answer in sample["filtered_resps"]
        ]
        for sample in samples
    }


@pytest.mark.parametrize("name", TASKS)
def test_log_likelihoods_are_those_of_lm_eval(opened, theirs, name):
    folder, found = theirs
    (capability,) = read_suite(f"lm_eval:{folder / name}.yaml").capabilities
    ours, logged = _ours(opened, capability), _logged(found["samples"][name])
    assert len(ours) == len(TASKS[name][0])
    assert ours.keys() == logged.keys()
    for key, values in ours.items():
        numpy.testing.assert_allclose(values, logged[key], rtol=0, atol=TOLERANCE_NATS)
    assert len({round(value, 2) for values in ours.values() for value in values}) > 1


@pytest.mark.parametrize(
    ("name", "metric"),
    [("plain", "acc"), ("shots", "acc"), ("spaced", "acc"), ("pairs", "acc"), ("blanks", "acc"),
     ("lengths", "acc_norm")],
)  # fmt: skip
def test_accuracies_are_those_of_lm_eval(opened, theirs, tmp_path, name, metric):
    folder, found = theirs
    (capability,) = read_suite(f"lm_eval:{folder / name}.yaml").capabilities
    table = LocalEngine(opened, ResultStore(tmp_path / "store"), EXACT).evaluate(
        (BASE,), (capability,)
    )
    expected = {str(s["doc_id"]): s[metric] for s in found["samples"][name]}
    stored = table.rows[BASE.digest(), capability.digest].values["accuracy"]
    assert dict(zip((i.id for i in capability.items), stored, strict=True)) == expected
    assert table.metric(BASE, capability, "accuracy") == pytest.approx(
        found["results"][name][f"{metric},none"]
    )


def test_perplexities_are_those_of_lm_eval(opened, theirs):
    folder, found = theirs
    (capability,) = read_suite(f"lm_eval:{folder / 'texts'}.yaml").capabilities
    total = sum(values[0] for values in _ours(opened, capability).values())
    num_bytes = sum(len(record["text"].encode()) for record in TEXTS)
    assert max(len(record["text"]) for record in TEXTS) > 2 * 256, "no text is longer than a window"
    assert -total / num_bytes / numpy.log(2) == pytest.approx(
        found["results"]["texts"]["bits_per_byte,none"], rel=1e-4
    )


def test_the_agreement_can_fail(opened, theirs, tmp_path_factory):
    _folder, found = theirs
    records, fields = TASKS["plain"]
    other = lm_eval_tasks.write(
        tmp_path_factory.mktemp("other"), "plain", records, **fields, target_delimiter=""
    )
    (capability,) = read_suite(f"lm_eval:{other}").capabilities
    ours, logged = _ours(opened, capability), _logged(found["samples"]["plain"])
    gap = max(abs(a - b) for key in ours for a, b in zip(ours[key], logged[key], strict=True))
    assert gap > 100 * TOLERANCE_NATS


@pytest.fixture(scope="module")
def logs(theirs, tmp_path_factory):
    """The files that lm-eval writes with --log_samples, by task."""
    _folder, found = theirs
    out = tmp_path_factory.mktemp("logs")
    tracker = EvaluationTracker(output_path=str(out))
    tracker.general_config_tracker.model_name_sanitized = "tiny"
    tracker.date_id = "2026-01-31T12-34-56.789012"
    samples = copy.deepcopy(found["samples"])
    for name in TASKS:
        tracker.save_results_samples(task_name=name, samples=samples[name])
    return {name: out / "tiny" / f"samples_{name}_{tracker.date_id}.jsonl" for name in TASKS}


@pytest.mark.parametrize("name", ["plain", "shots", "spaced", "pairs"])
def test_margins_in_its_logs_are_ours(opened, theirs, logs, name):
    folder, _found = theirs
    (capability,) = read_suite(f"lm_eval:{folder / name}.yaml").capabilities
    logged = read_scored_log(logs[name])
    ours = _ours(opened, capability)
    assert (logged.name, logged.metric, logged.unit) == (name, "margin_nats", "nats")
    assert [item.split(":")[0] for item in logged.item_ids] == list(ours)
    for item, value in zip(capability.items, logged.values, strict=True):
        margin = clipped_margin(ours[item.id], item.answer)
        assert value == pytest.approx(margin, abs=2 * TOLERANCE_NATS)


@pytest.mark.parametrize(
    ("name", "metric", "unit"),
    [
        ("lengths", "acc_norm", "share of items"),
        ("blanks", "acc", "share of items"),
        ("targets", "nll_nats", "nats per target"),
        ("texts", "bits_per_byte", "bits per byte"),
    ],
)
def test_other_logs_are_read_too(theirs, logs, name, metric, unit):
    _folder, found = theirs
    logged = read_scored_log(logs[name], metric=metric if name == "texts" else None)
    assert (logged.metric, logged.unit) == (metric, unit)
    assert logged.higher_is_better == metric.startswith("acc")
    samples = found["samples"][name]
    if metric.startswith("acc"):
        assert list(logged.values) == [sample[metric] for sample in samples]
    if name == "targets":
        assert list(logged.values) == [-sample["perplexity"] for sample in samples]
    if name == "texts":
        weights = [len(record["text"].encode()) for record in TEXTS]
        mean = numpy.average(logged.values, weights=weights)
        assert mean == pytest.approx(found["results"][name]["bits_per_byte,none"])


def test_prompts_that_differ_show_in_the_log(logs):
    plain, shots = read_scored_log(logs["plain"]), read_scored_log(logs["shots"])
    assert plain.item_ids == shots.item_ids
    assert plain.prompts_digest != shots.prompts_digest
