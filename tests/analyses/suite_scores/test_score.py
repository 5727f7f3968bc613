"""The scores of a tiny model: means, items, and the same after every breaking off."""

import json
from dataclasses import replace

import numpy
import pytest

from driftline.analyses import ScoreRequest, score
from driftline.analyses.suite_scores import _score as module
from driftline.capabilities import Capability, Cloze, Generation, Suite
from driftline.engine import LocalEngine, ResultStore, RunFolder
from driftline.errors import ConfigError, RunError, SuiteError
from driftline.metrics import METRICS
from driftline.models import BASE, Scorer, ScoringOptions
from driftline.results import Scores
from driftline.stats import mean_interval, share_interval

from ..conftest import CHOICES, PAIRS, SUITE, TEXTS

ANSWERS = Capability(
    "answers", "generate", "exact_match", 0.1,
    tuple(Generation(id=str(i), prompt=f"Say {i}:", answer=str(i)) for i in range(2)),
)  # fmt: skip
OTHER = Suite("other", (ANSWERS,))
EXACT = ScoringOptions(bfloat16=False)


@pytest.fixture
def ask(opened):
    def scored(path, *suites, **changes):
        folder = RunFolder.open(path, "score", outputs=("report.json",), force=False)
        listener = changes.pop("listener", lambda _progress: None)
        return score(
            ScoreRequest(opened, suites or (SUITE, OTHER), **changes), folder, listener=listener
        )

    return scored


def without_times(scored):
    document = json.loads(scored.document.to_json())
    del document["cost"]["wall_seconds"], document["provenance"]["created"]
    return document, scored.items


def test_each_capability_has_its_mean_and_interval(opened, ask, tmp_path):
    found = ask(tmp_path / "out", options=EXACT).document
    store = ResultStore(tmp_path / "direct")
    table = LocalEngine(opened, store, EXACT).evaluate((BASE,), (*SUITE.capabilities, ANSWERS))
    store.close()
    assert [s.capability for s in found.scores] == ["pairs", "choices", "texts", "answers"]
    for entry, capability in zip(found.scores, (PAIRS, CHOICES, TEXTS, ANSWERS), strict=True):
        is_binary = METRICS[capability.metric].is_binary
        expected = (share_interval if is_binary else mean_interval)(
            table.values(BASE, capability), groups=capability.groups(), confidence_level=0.9
        )
        lowest, highest = METRICS[capability.metric].bounds
        ends = (max(expected.low, lowest), min(expected.high, highest))
        assert (entry.value, entry.low, entry.high) == pytest.approx((expected.value, *ends))
        assert entry.low < entry.high
        assert entry.standard_error > 0
        assert entry.num_items == len(capability.items)
        assert entry.unit == capability.unit
        assert (entry.tolerance, entry.required) == (capability.tolerance, capability.required)
    pairs, choices, texts, answers = found.scores
    assert (pairs.chance, texts.chance, answers.accuracy) == (0.5, None, None)
    assert choices.accuracy == choices.value
    assert not texts.higher_is_better


def test_each_item_is_there_with_every_metric(ask, tmp_path):
    found = ask(tmp_path / "out", SUITE)
    assert [(i.capability, i.id) for i in found.items] == [
        (c.name, item.id) for c in SUITE.capabilities for item in c.items
    ]
    by_capability = {name: [i for i in found.items if i.capability == name] for name in ("pairs", "texts")}  # fmt: skip
    assert set(by_capability["pairs"][0].values) == {
        "probability", "margin_nats", "accuracy", "preferred_option",
    }  # fmt: skip
    assert by_capability["pairs"][0].group == PAIRS.items[0].group
    assert by_capability["texts"][0].group is None
    mean = numpy.mean([i.values["nll_nats"] for i in by_capability["texts"]])
    assert mean == pytest.approx(found.document.scores[2].value)


def test_the_document_survives_json_and_judges_nothing(ask, tmp_path):
    found = ask(tmp_path / "out", seed=7).document
    assert Scores.from_json(found.to_json()) == found
    assert found.schema_ == "driftline/score/1"
    assert found.verdict is None
    assert found.provenance.command == "score"
    assert found.provenance.seed == 7
    assert [suite.name for suite in found.provenance.suites] == ["small", "other"]
    assert (found.cost.tokens_backward, found.cost.fraction_of_planned_run) == (0, None)


def test_the_caveat_about_bfloat16_is_there_only_where_it_is_used(ask, tmp_path):
    rounded = ask(tmp_path / "rounded", SUITE).document.caveats
    exact = ask(tmp_path / "exact", SUITE, options=EXACT).document.caveats
    assert len(rounded) == len(exact) + 1
    assert any("bfloat16" in caveat for caveat in rounded)


def test_what_was_broken_off_goes_on_and_says_the_same(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TOKENS_TOGETHER", 1)
    whole = ask(tmp_path / "whole", SUITE)
    scoring, calls = Scorer.score, []

    def fails_at_the_third(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise RunError("broken off")
        return scoring(*args, **kwargs)

    monkeypatch.setattr(Scorer, "score", fails_at_the_third)
    with pytest.raises(RunError, match="broken off"):
        ask(tmp_path / "out", SUITE)
    assert without_times(ask(tmp_path / "out", SUITE)) == without_times(whole)
    assert len(calls) == 4, "what was stored was scored again"


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1, 1, 1]), (10**9, [3])])
def test_capabilities_are_stored_in_batches_of_so_many_tokens(
    opened, tmp_path, monkeypatch, limit, sizes
):
    monkeypatch.setattr(module, "_TOKENS_TOGETHER", limit)
    store = ResultStore(tmp_path / "store")
    engine = LocalEngine(opened, store)
    batches = list(module.batches(SUITE.capabilities, engine))
    store.close()
    assert [len(batch) for batch in batches] == sizes
    assert tuple(c for batch in batches for c in batch) == SUITE.capabilities


def test_progress_only_grows_and_ends(ask, tmp_path):
    heard = []
    ask(tmp_path / "out", listener=heard.append)
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


def test_names_must_differ_over_suites_and_target_is_a_name_like_any(ask, tmp_path):
    with pytest.raises(ConfigError, match="--suite: the capability name pairs is taken"):
        ask(tmp_path / "out", SUITE, Suite("more", (PAIRS,)))
    named = Suite("t", (replace(TEXTS, name="target"),))
    assert ask(tmp_path / "named", named).document.scores[0].capability == "target"


def test_an_item_that_does_not_fit_leaves_the_store_closed(ask, tmp_path):
    long = Capability(
        "long", "cloze", "nll_nats", 0.1,
        tuple(Cloze(id=str(i), prompt="x" * 300, completion="y") for i in range(2)),
    )  # fmt: skip
    with pytest.raises(SuiteError, match=r"capability long: item 0: .*301 tokens"):
        ask(tmp_path / "out", Suite("long", (long,)))
    assert ask(tmp_path / "out", SUITE).items
