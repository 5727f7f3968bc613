"""The gain on rows that are not trained on, beside that on rows that are: over-fitting is seen."""

import json
import random
from dataclasses import replace

import pytest

from driftline.analyses import Effort
from driftline.capabilities import Suite
from driftline.models import TrainingConfig, plan_training, read_training_data
from driftline.results import RowGain, RowGains
from driftline.results.readings import row_gain_sentences

from ..conftest import TEXTS, VALUES

SUITE = Suite("texts", (TEXTS,))
FEW_STEPS = {**VALUES, "max_steps": 8}
MANY_PASSES = {**VALUES, "max_steps": 60, "learning_rate": 3e-3}


def codes(path, num, *, seed):
    """Rows whose answers nobody can know who has not seen them."""
    draw = random.Random(seed)
    rows = [
        {"prompt": f"code {draw.randrange(999)}", "completion": f" {draw.randrange(10**12)}"}
        for _ in range(num)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_training_data(path)


@pytest.fixture
def ask(planned, tmp_path):
    def asked(values, num_rows, out="out", **changes):
        run = replace(
            planned,
            data=codes(tmp_path / "rows.jsonl", num_rows, seed=1),
            config=TrainingConfig("codes.yaml", values, "sha256:1"),
        )
        fields = {"suites": (SUITE,), "effort": Effort(), "part": "forecast", **changes}
        return run, run.ask(tmp_path / out, **fields)

    return asked


@pytest.mark.parametrize(("probe", "steps"), [("0.2", 2), ("0.4", 3)])
def test_rows_that_the_probe_does_not_reach_are_measured_apart(ask, probe, steps):
    run, found = ask(FEW_STEPS, 40, probe=probe)
    gains = found.row_gains
    plan = plan_training(run.opened, run.config, run.data)
    assert gains.step == steps
    assert gains.source == "rows that the probe does not reach"
    assert gains.seen.num_rows == len(plan.rows_taken(steps)) == 4 * steps
    assert gains.unseen.num_rows == len(plan.rows_left(steps)) == 40 - 4 * steps
    assert gains.gap == pytest.approx(gains.seen.gain - gains.unseen.gain)
    assert gains.gap_standard_error > max(gains.seen.standard_error, gains.unseen.standard_error)
    assert gains.predicted_low < gains.predicted_gain < gains.predicted_high
    told = gains.predicted_high - gains.predicted_low
    # As wide as for a model that no finished run is of, or wider for fewer rows.
    assert told > gains.unseen.high - gains.unseen.low


def test_learning_rows_by_heart_shows_as_a_gap(ask, tmp_path):
    others = codes(tmp_path / "others.jsonl", 30, seed=2)
    _, found = ask(MANY_PASSES, 8, evaluation=others, probe="0.6")
    gains = found.row_gains
    assert gains.source == "evaluation data"
    assert gains.is_gap_shown
    assert gains.seen.gain > gains.unseen.gain + 1.645 * gains.gap_standard_error
    said = " ".join(row_gain_sentences(found))
    assert "ows it has seen" in said
    assert found.caveats[0].startswith("Over-fitting: the target's gain is +")
    assert "the gap is +" in said


@pytest.mark.parametrize(
    ("unseen", "error", "is_caveat"),
    [(4.2, 0.1, False), (3.1, 0.1, False), (3.0, 0.1, True), (-1.0, 0.1, True), (3.0, 1.0, False)],
)
def test_a_gap_is_a_caveat_from_a_quarter_of_the_gain_on(unseen, error, is_caveat):
    """Of a gain of 4 nats; a gap that is not shown is none whatever its size."""
    seen, other = (
        RowGain(gain=gain, low=gain - 0.1, high=gain + 0.1, base_value=6.0, num_rows=20)
        for gain in (4.0, unseen)
    )
    gains = RowGains(
        source="evaluation data",
        step=8,
        unit="nats per token",
        confidence_level=0.9,
        seen=seen,
        unseen=other,
        gap=4.0 - unseen,
        gap_standard_error=error,
    )
    assert gains.is_over_fitting == is_caveat


def test_rows_to_evaluate_on_change_nothing_that_is_trained(ask, tmp_path):
    others = codes(tmp_path / "others.jsonl", 12, seed=2)
    _, plain = ask(FEW_STEPS, 40, "plain")
    _, evaluated = ask(FEW_STEPS, 40, "evaluated", evaluation=others)
    assert evaluated.row_gains.unseen.num_rows == 12
    assert plain.forecast == evaluated.forecast
    assert plain.target == evaluated.target
    assert plain.row_gains.seen == evaluated.row_gains.seen
    assert plain.probe == evaluated.probe


def test_copies_of_trained_rows_are_no_evidence(ask, tmp_path):
    trained = codes(tmp_path / "some.jsonl", 40, seed=1)
    fresh = codes(tmp_path / "fresh.jsonl", 9, seed=2)
    lines = (tmp_path / "fresh.jsonl").read_text() + (tmp_path / "some.jsonl").read_text()
    (tmp_path / "both.jsonl").write_text(lines)
    both = read_training_data(tmp_path / "both.jsonl")
    assert len(both.examples) == len(trained.examples) + len(fresh.examples)
    _, found = ask(FEW_STEPS, 40, evaluation=both)
    assert found.row_gains.unseen.num_rows == 9
    assert found.row_gains.num_copies == 40
    assert any("40 rows of the evaluation data are also" in each for each in found.caveats)


@pytest.mark.parametrize(
    ("values", "num_rows", "reason"),
    [
        (FEW_STEPS, 8, "the probe takes every row of rows.jsonl at least once"),
        ({**FEW_STEPS, "packing": True}, 40, "the order in which the run takes its rows"),
        (
            {**FEW_STEPS, "train_sampling_strategy": "group_by_length"},
            40,
            "is not known beforehand",
        ),
    ],
)
def test_without_such_rows_it_is_said_and_nothing_is_claimed(ask, values, num_rows, reason):
    _, found = ask(values, num_rows)
    assert found.row_gains is None
    said = [each for each in found.caveats if "not trained on was not measured" in each]
    assert len(said) == 1
    assert reason in said[0]
    assert "--eval-data" in said[0]
    assert row_gain_sentences(found) == ()


def gain(value, error=0.02):
    return RowGain(
        gain=value, standard_error=error, low=value - 2 * error, high=value + 2 * error,
        base_value=3.0, num_rows=40,
    )  # fmt: skip


def row_gains(seen, unseen, **fields):
    gap = None if seen is None else seen.gain - unseen.gain
    return RowGains(
        source="evaluation data", step=20, unit="nats", confidence_level=0.9, seen=seen, unseen=unseen,
        gap=gap, gap_standard_error=None if gap is None else 0.03, **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "unseen", "words", "not_words"),
    [
        (gain(0.5), gain(0.5), "No over-fitting of the target is shown", "over-fits"),
        (
            gain(0.5),
            gain(0.4),
            "improves on rows it has seen by 0.500 ± 0.0200 and on others",
            "worse",
        ),
        (
            gain(0.5),
            gain(-0.3),
            "seen the target improves by 0.500 ± 0.0200, and on others",
            "-0.3",
        ),
        (gain(0.5), gain(-0.3), "(evaluation data) the target gets worse by 0.300 ±", "by -"),
        (gain(0.5), gain(0.46), "No over-fitting of the target is shown", "the rows' own"),
        (gain(0.5), gain(0.2), "Part of the gain is the rows' own and not the task's", "No over"),
        (gain(0.5), gain(-0.3), "The run over-fits its rows", "Part of"),
        (gain(0.2), gain(0.5), "No over-fitting of the target is shown", "over-fits"),
        (None, gain(0.3), "On rows that are not trained on", "gap"),
    ],
)
def test_the_gap_is_told_in_plain_words(assessment, seen, unseen, words, not_words):
    found = assessment.model_copy(update={"row_gains": row_gains(seen, unseen)})
    said = " ".join(row_gain_sentences(found))
    assert words in said
    assert not_words not in said
