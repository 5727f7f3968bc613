"""Comparison of tiny checkpoints of which the truth is known."""

import json
import shutil

import pytest
import torch

from driftline.analyses import CompareRequest, compare_checkpoints, find_checkpoints
from driftline.analyses.selection import _compare_checkpoints as module
from driftline.capabilities import Capability, Suite
from driftline.engine import RunFolder
from driftline.engine.evaluation._evaluate import CapabilityScorer
from driftline.errors import ConfigError, ModelError, SuiteError
from driftline.models import read_training_data
from driftline.report import render_comparison
from driftline.report.terminal import comparison_summary
from driftline.results import Comparison
from tests import tiny
from tests.adapters import adapt, say
from tests.known_pairs import known_pairs

NUM = 150


@pytest.fixture(scope="module")
def pairs(opened):
    return Capability("pairs", "minimal_pair", "accuracy", 0.1, known_pairs(opened, NUM))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A trainer's output folder: nearly the base, a little noise, and ruin."""
    run = tmp_path_factory.mktemp("trained") / "out"
    for step, std in ((10, 1e-5), (20, 1e-4), (30, 1.0)):
        model = tiny.model()
        torch.manual_seed(step)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight), alpha=std)
        model.save_pretrained(run / f"checkpoint-{step}")
        tiny.tokenizer().save_pretrained(run / f"checkpoint-{step}")
    log = [{"step": s, "eval_loss": v} for s, v in ((10, 3.0), (15, 2.0), (20, 2.5), (30, 9.0))]
    state = {"global_step": 30, "log_history": log}
    (run / "checkpoint-30" / "trainer_state.json").write_text(json.dumps(state))
    return run


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "target.jsonl"
    lines = [{"prompt": f"question {i // 2}", "completion": f" the answer {i}"} for i in range(12)]
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, lines[0])))
    return read_training_data(path)


@pytest.fixture
def compare(opened, tmp_path):
    def compared(*checkpoints, suite, out="out", **fields):
        request = CompareRequest(opened, tuple(map(str, checkpoints)), (suite,), **fields)
        with RunFolder.open(tmp_path / out, str(checkpoints), outputs=(), force=False) as folder:
            return compare_checkpoints(request, folder)

    return compared


def verdicts(found):
    return {row.label: row.verdict for row in found.checkpoints}


def test_an_output_folder_is_compared_at_once_and_its_history_is_read(
    compare, output, pairs, rows, opened
):
    before = opened.digest
    found = compare(output, suite=Suite("known", (pairs,)), data=rows)
    assert verdicts(found) == {
        "checkpoint-10": "kept", "checkpoint-20": "kept", "checkpoint-30": "lost",
    }  # fmt: skip
    assert found.verdict == "pass"
    assert [row.step for row in found.checkpoints] == [10, 20, 30]
    assert [row.trainer_value for row in found.checkpoints] == [3.0, 2.5, 9.0]
    (history,) = found.histories
    assert (history.best_step, history.is_best_saved) == (15, False)
    kept = [row for row in found.checkpoints if row.verdict == "kept"]
    assert found.recommended == max(kept, key=lambda row: row.gain.gain).label
    # One of the 13 rows is a copy; two rows share each prompt.
    assert {(row.gain.num_rows, row.gain.num_groups) for row in found.checkpoints} == {(12, 6)}
    for row in found.checkpoints:
        assert row.gain.gain == pytest.approx(row.gain.base_nats - row.gain.tuned_nats)
        assert row.gain.low < row.gain.gain < row.gain.high
    assert found.checkpoints[2].worst_loss > 1
    assert 0 < found.checkpoints[2].probability_best < 1e-3
    assert sum(row.probability_best for row in found.checkpoints) == pytest.approx(1, abs=1e-3)
    assert opened.digest == before
    assert Comparison.from_json(found.to_json()) == found
    text = comparison_summary(found)
    assert text.startswith(f"PASS: take {found.recommended}: it keeps every required capability")
    assert "was at step 15, which was never saved" in text
    assert "Which checkpoint to take" in render_comparison(found)


def test_a_checkpoint_equal_to_the_base_is_kept_with_any_items(compare, model_folder, pairs):
    few = Suite("few", (Capability("few", "minimal_pair", "accuracy", 0.1, pairs.items[:4]),))
    found = compare(model_folder, suite=few)
    (row,) = found.checkpoints
    assert (row.verdict, row.is_base, row.pvalue, row.worst_loss) == ("kept", True, 0.0, 0.0)
    assert found.verdict == "pass"
    assert found.recommended == row.label
    assert row.gain is None
    assert row.probability_best is None
    assert any("add --data" in caveat for caveat in found.caveats)


def test_it_fails_where_each_is_shown_to_have_lost_something(compare, output, pairs):
    found = compare(output / "checkpoint-30", suite=Suite("known", (pairs,)))
    assert (found.verdict, found.recommended) == ("fail", None)
    assert comparison_summary(found).startswith("FAIL: each of 1 checkpoints lost")


def test_too_few_items_are_inconclusive_and_never_a_pass(compare, output, pairs):
    few = Suite("few", (Capability("few", "minimal_pair", "accuracy", 0.1, pairs.items[:10]),))
    found = compare(output / "checkpoint-10", suite=few)
    assert (found.verdict, found.recommended) == ("inconclusive", None)
    assert "score more items" in comparison_summary(found)


def test_the_base_is_scored_once_and_a_killed_comparison_resumes(
    compare, output, pairs, rows, monkeypatch
):
    computed = []
    usual = CapabilityScorer.compute

    def noted(self, pending):
        for work in usual(self, pending):
            num = {c.name: len(c.items) for c in work.pending.capabilities}
            computed.extend((work.pending.point.label, *each) for each in num.items())
            yield work

    monkeypatch.setattr(CapabilityScorer, "compute", noted)
    suite = Suite("known", (pairs,))
    with monkeypatch.context() as patch:
        patch.setattr(module, "_rows", _killed)
        with pytest.raises(KeyboardInterrupt):
            compare(output, suite=suite, data=rows)
    # A part of the base is scored a second time, to see whether it repeats itself.
    assert computed.count(("base", "pairs", NUM)) == computed.count(("base", "target", 12)) == 1
    assert computed.count(("tuned", "pairs", NUM)) == computed.count(("tuned", "target", 12)) == 3
    assert len(computed) == 9
    found = compare(output, suite=suite, data=rows)
    assert len(computed) == 9
    one = compare(output / "checkpoint-10", suite=suite, data=rows, out="one")
    assert found.cost.tokens_forward < 3 * one.cost.tokens_forward


def _killed(*_arguments):
    raise KeyboardInterrupt


def test_copies_count_once_and_names_that_clash_are_told_apart(compare, output, pairs, tmp_path):
    other = tmp_path / "other" / "checkpoint-10"
    shutil.copytree(output / "checkpoint-10", other)
    found = compare(output / "checkpoint-10", other, suite=Suite("known", (pairs,)))
    assert len(found.checkpoints) == 1
    assert any("holds the same weights as" in caveat for caveat in found.caveats)


def test_models_and_adapters_are_compared_together(compare, output, pairs, tmp_path):
    adapter = tmp_path / "adapter"
    adapt(tiny.model()).save_pretrained(adapter)
    say(adapter, base_model_name_or_path="some/model")
    found = compare(output / "checkpoint-10", adapter, suite=Suite("known", (pairs,)))
    assert found.caveats[0].startswith("adapter: The adapter names 'some/model' as its base")
    assert [row.kind for row in found.checkpoints] == ["model", "adapter"]


def test_an_output_folder_stands_for_its_checkpoints_and_its_own_model(output, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(output, run)
    assert [each.label for each in find_checkpoints([str(run)])] == [
        "checkpoint-10", "checkpoint-20", "checkpoint-30",
    ]  # fmt: skip
    tiny.save(run)
    labels = [(each.label, each.step) for each in find_checkpoints([str(run)])]
    assert labels[-1] == ("run", None)
    assert len(labels) == 4
    (run / "checkpoint-best").mkdir()
    (run / "checkpoint-40").write_text("a file")
    assert len(find_checkpoints([str(run)])) == 4
    labels = [each.label for each in find_checkpoints([str(run), str(output)])]
    assert len(set(labels)) == 7


def test_what_cannot_be_compared_is_refused_by_name(compare, output, pairs, tmp_path):
    suite = Suite("known", (pairs,))
    with pytest.raises(ModelError, match="checkpoint-10: is named twice"):
        compare(output, output / "checkpoint-10", suite=suite, out="twice")
    with pytest.raises(ModelError, match="no checkpoint is named"):
        compare(suite=suite, out="none")
    with pytest.raises(ModelError, match="nowhere"):
        compare(tmp_path / "nowhere", suite=suite, out="nowhere")
    watched = Capability("pairs", "minimal_pair", "accuracy", 0.1, pairs.items, required=False)
    with pytest.raises(SuiteError, match="no capability is required"):
        compare(output, suite=Suite("watched", (watched,)))
    with pytest.raises(ConfigError, match="alpha"):
        compare(output, suite=suite, alpha=0.7)
    half = tmp_path / "half" / "checkpoint-5"
    half.mkdir(parents=True)
    with pytest.raises(ModelError, match="checkpoint-5"):
        compare(half.parent, suite=suite, out="half-run")
