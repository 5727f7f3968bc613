"""The main job on a tiny model: whole documents, the same twice and after every breaking off."""

import itertools
import json
import math
from dataclasses import replace

import pytest

from driftline.analyses import PARTS, probe_steps
from driftline.analyses.forecasting._forecast import early_step
from driftline.capabilities import Suite
from driftline.engine import ResultStore
from driftline.errors import ConfigError, RunError
from driftline.models import Scorer, SlopeMeter, plan_training, weights_digest
from driftline.models.trainer import _trajectory as trajectory_module
from driftline.results import Assessment

from ..conftest import EFFORT, PAIRS, SUITE, TEXTS, VALUES

SECTIONS = {
    "assess": {"path", "radius", "belief_space", "fragility", "forecast", "target", "verdict"},
    "margin": {"path", "radius", "belief_space", "verdict"},
    "map": {"fragility"},
    "forecast": {"forecast", "target", "verdict"},
}
NAMES = ["pairs", "choices", "texts"]
STEPS = probe_steps(VALUES["max_steps"], EFFORT.probe_fraction)


def without_times(assessment):
    document = json.loads(assessment.to_json())
    del document["cost"]["wall_seconds"], document["provenance"]["created"]
    return document


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return itertools.chain.from_iterable(map(numbers, value))
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_its_sections_and_no_other(answered, part):
    found = answered(part)
    present = {margin.kind for margin in found.margins} | {
        name
        for name in ("belief_space", "fragility", "forecast", "target", "verdict")
        if getattr(found, name)
    }
    assert present == SECTIONS[part]
    assert found.schema_ == f"driftline/{part}/1"
    assert found.provenance.command == part
    assert bool(found.reasons) == (part != "map")
    assert [score.capability for score in found.scores] == NAMES
    assert found.caveats


@pytest.mark.parametrize("part", PARTS)
def test_each_document_survives_json_and_holds_finite_numbers(answered, part):
    found = answered(part)
    text = found.to_json()
    assert Assessment.from_json(text) == found
    assert Assessment.from_json(text).to_json() == text
    assert all(math.isfinite(number) for number in numbers(json.loads(text)))


@pytest.mark.parametrize("part", ["margin", "map", "forecast"])
def test_a_part_says_what_the_whole_says(answered, assessment, part):
    found, whole = without_times(answered(part)), without_times(assessment)
    for section in (
        "margins", "fragility", "target_fragility", "noise", "protect", "regions", "forecast",
        "scores",
    ):  # fmt: skip
        assert found[section] in ([], whole[section])
    for section in ("target", "belief_space"):
        assert found[section] in (None, whole[section])
    assert found["verdict"] in (None, whole["verdict"])
    assert found["caveats"] == whole["caveats"]


def test_the_model_is_as_it_was(assessment, opened):
    assert weights_digest(opened.model) == opened.digest
    assert assessment.provenance.model.digest == opened.digest
    assert not opened.model.training


def test_every_capability_has_every_reading(assessment):
    assert sorted(row.capability for row in assessment.forecast) == sorted(NAMES)
    readings = [(m.capability, m.kind, m.direction) for m in assessment.margins]
    assert readings == [
        (name, kind, direction)
        for kind, direction in (
            ("path", "planned training"),
            ("radius", "noise"),
            ("radius", "update"),
            ("radius", "worst_case"),
        )
        for name in NAMES
    ]
    scores = {score.capability: score for score in assessment.scores}
    assert scores["pairs"].chance == 0.5
    assert scores["texts"].accuracy is None
    assert not scores["choices"].required
    assert all(score.low <= score.value <= score.high for score in assessment.scores)


def test_forecasts_margins_and_scores_are_about_the_same_numbers(assessment):
    base = {score.capability: score.value for score in assessment.scores}
    paths = {m.capability: m for m in assessment.margins if m.kind == "path"}
    losses = []
    for row in assessment.forecast:
        assert row.base_value == pytest.approx(base[row.capability])
        assert row.low <= row.predicted_change <= row.high
        path = paths[row.capability]
        scales = [point.scale for point in path.curve]
        later = range(STEPS[-1] + 1, VALUES["max_steps"] + 1)
        assert scales == [*STEPS, *(later if row.metric.endswith("_nats") else ())]
        assert path.measured_steps == STEPS[-1]
        sign = 1 if row.metric == "nll_nats" else -1
        seen = {c.capability: c.losses["early_20"] for c in assessment.probe.capabilities}
        measured = {point.scale: point.value for point in path.curve}
        fifth = early_step("early_20", VALUES["max_steps"])
        assert measured[fifth] == pytest.approx(sign * seen[row.capability])
        losses.append(sign * row.predicted_change / row.tolerance)
        assert row.at_risk == (losses[-1] > 1)
    assert losses == sorted(losses, reverse=True)


def test_radii_stand_in_norms_that_were_tried(assessment):
    for margin in assessment.margins:
        if margin.kind == "radius" and margin.direction != "worst_case":
            scales = [point.scale for point in margin.curve]
            assert scales == sorted(scales)
            assert margin.critical_relative_norm is not None or margin.reason
            assert {round(math.log2(scale), 2) % 1 for scale in scales} <= {0.0}
            assert margin.num_directions == (2 if margin.direction == "noise" else 1)
            assert (margin.tail is None) == (margin.direction == "update")


def test_worst_cases_are_far_smaller_radii_or_have_their_reason(assessment):
    radii = {(m.capability, m.direction): m for m in assessment.margins if m.kind == "radius"}
    for name in NAMES:
        worst, noise = radii[name, "worst_case"], radii[name, "noise"]
        if worst.critical_relative_norm is None:
            assert worst.reason
        else:
            assert worst.critical_relative_norm < 0.5 * noise.critical_relative_norm
    assert radii["texts", "worst_case"].critical_relative_norm is not None


def test_training_teaches_the_task(assessment):
    assert assessment.target.predicted_change < 0
    assert assessment.target.num_items == 24


def test_cost_and_provenance(assessment, planned):
    cost, provenance = assessment.cost, assessment.provenance
    assert cost.fraction_of_planned_run == 0.5
    assert cost.tokens_backward > 0
    assert cost.tokens_forward > 0
    assert provenance.data.num_records == 24
    assert provenance.config_values == planned.config.values
    assert [suite.num_records for suite in provenance.suites] == [18]
    assert provenance.numerics.compute_dtype == "bfloat16 with float32 head"
    assert any("was not calibrated on" in caveat for caveat in assessment.caveats)


def test_the_same_again_is_the_same(planned, assessment, tmp_path):
    assert without_times(planned.ask(tmp_path / "out")) == without_times(assessment)


def test_another_seed_is_another_sample_and_other_noise(planned, answered, tmp_path):
    found = planned.ask(tmp_path / "out", "margin", seed=5)
    assert found.provenance.seed == 5
    first = {m.capability: m for m in answered("margin").margins if m.direction == "noise"}
    other = {m.capability: m for m in found.margins if m.direction == "noise"}
    assert first["texts"].curve != other["texts"].curve
    for name in NAMES:
        assert [s for s in found.scores if s.capability == name] == [
            s for s in answered("margin").scores if s.capability == name
        ]


def _fails_at(monkeypatch, owner, name, call, error=RunError):
    """Make a function raise at its nth call, and only there."""
    whole, calls = getattr(owner, name), itertools.count(1)

    def failing(*args, **kwargs):
        if next(calls) == call:
            raise error("broken off")
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)


@pytest.fixture(scope="module")
def num_passes(planned, tmp_path_factory):
    """How often the model is scored from beginning to end."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        _counts_passes(patch, calls)
        planned.ask(tmp_path_factory.mktemp("counted") / "out")
    return len(calls)


def _counts_passes(patch, calls):
    scoring = Scorer.score
    patch.setattr(
        Scorer,
        "score",
        lambda *args, **kwargs: calls.append(1) or scoring(*args, **kwargs),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (trajectory_module, "store_direction", 2),  # in the middle of training
        (Scorer, "score", 3),  # along the path
        (ResultStore, "put", 6),  # in the middle of a point
        (Scorer, "score", 12),  # along a line
        (Scorer, "score", -1),  # the last of them
        (SlopeMeter, "measure", 2),  # in the map
    ],
)
def test_what_was_broken_off_goes_on_and_says_the_same(
    planned, assessment, num_passes, tmp_path, monkeypatch, owner, name, call
):
    call = call if call > 0 else num_passes
    assert call <= num_passes
    with monkeypatch.context() as patch:
        # A map that fails costs the map alone; a disk that fails ends the run.
        error = OSError if owner is SlopeMeter else RunError
        _fails_at(patch, owner, name, call, error)
        with pytest.raises(error, match="broken off"):
            planned.ask(tmp_path / "out")
    planned.opened.check_unchanged()
    calls = []
    _counts_passes(monkeypatch, calls)
    assert without_times(planned.ask(tmp_path / "out")) == without_times(assessment)
    if owner is Scorer:
        assert len(calls) == num_passes - (call - 1)


def test_a_full_store_answers_without_the_model(planned, answer, monkeypatch):
    _fails_at(monkeypatch, Scorer, "score", 1)
    _fails_at(monkeypatch, trajectory_module, "store_direction", 1)
    known = answer("assess")
    assert without_times(planned.ask(known.path)) == without_times(known.assessment)


@pytest.mark.parametrize("part", PARTS)
def test_progress_only_grows_and_ends(answer, part):
    heard = answer(part).heard
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert 0.9 < fractions[-1] <= 1
    assert heard[-1].seconds_left >= 0
    assert len({progress.stage for progress in heard}) == {
        "assess": 6, "margin": 5, "forecast": 3, "map": 4
    }[part]  # fmt: skip


def test_names_must_differ_over_suites(planned, tmp_path):
    with pytest.raises(ConfigError, match="--suite: the capability name pairs is taken"):
        planned.ask(tmp_path / "out", suites=(SUITE, Suite("more", (PAIRS,))))
    with pytest.raises(ConfigError, match="the capability name target is taken"):
        planned.ask(tmp_path / "out", suites=(Suite("t", (replace(TEXTS, name="target"),)),))


def test_the_plan_is_the_configs(planned):
    plan = plan_training(planned.opened, planned.config, planned.data)
    assert plan.num_steps == 8
    assert max(plan.learning_rates) == 1e-3


@pytest.mark.parametrize(
    ("probe", "looks", "steps"),
    [
        ("0.05", {"early_5"}, 2),
        ("0.1", {"replica_10"}, 4),
        ("0.2", {"early_20"}, 8),
        ("0.3", {"early_20", "replica_10"}, 12),
    ],
)
def test_a_probe_costs_what_it_says(planned, tmp_path, probe, looks, steps):
    longer = replace(planned, config=planned.config.with_values(max_steps=40, warmup_steps=1))
    effort = replace(EFFORT, probe_fraction=0.2)
    found = longer.ask(tmp_path / "out", "forecast", probe=probe, effort=effort)
    assert set(found.probe.target.losses) == looks
    assert found.cost.fraction_of_planned_run == pytest.approx(steps / 40)
    assert found.cost.tokens_backward > 0
    # The explanation's gradient-free pass and the probe leave the model as it was.
    planned.opened.check_unchanged()
    assert {row.capability for row in found.forecast} == set(NAMES)


@pytest.mark.parametrize("part", ["assess", "margin", "map"])
def test_a_short_probe_is_for_forecasts_alone(planned, part):
    with pytest.raises(ConfigError, match=r"--probe 0.1: .* needs the first fifth"):
        planned.request(part, probe="0.1")


@pytest.mark.slow
def test_a_method_by_name_says_so_and_differs(planned, tmp_path):
    found = {
        method: planned.ask(tmp_path / method, "forecast", method=method)
        for method in ("driftline", "truncated", "straight_line", "mean")
    }
    assert {name: document.method for name, document in found.items()} == {n: n for n in found}
    seen = {c.capability: c for c in found["straight_line"].probe.capabilities}
    for row in found["straight_line"].forecast:
        sign = 1 if row.metric == "nll_nats" else -1
        assert row.predicted_change == pytest.approx(sign * seen[row.capability].straight_line)
    for row in found["truncated"].forecast:
        sign = 1 if row.metric == "nll_nats" else -1
        assert row.predicted_change == pytest.approx(sign * seen[row.capability].losses["early_20"])
    assert (
        len({row.predicted_change for row in found["mean"].forecast if row.metric != "nll_nats"})
        == 1
    )


def test_a_probability_is_decided_in_points_and_forecast_from_margins(planned, tmp_path):
    decided = replace(PAIRS, metric="probability", tolerance=0.05)
    found = planned.ask(tmp_path / "out", "forecast", suites=(Suite("small", (decided, TEXTS)),))
    row = next(row for row in found.forecast if row.capability == "pairs")
    score = next(score for score in found.scores if score.capability == "pairs")
    reading = next(c for c in found.probe.capabilities if c.capability == "pairs")
    assert (row.metric, row.unit, reading.metric) == ("probability", "probability", "margin_nats")
    assert 0 < row.base_value < 1
    assert row.base_value == score.value
    assert row.low <= row.predicted_change <= row.high
    assert -row.base_value < row.low
    assert row.high < 1 - row.base_value
    assert 0 < row.base_standard_error == score.standard_error
    assert score.num_groups == len({item.group for item in PAIRS.items})
    assert reading.standard_errors["early_20"] > 0
    assert any("Probabilities are forecast from margins" in caveat for caveat in found.caveats)
    assert any("points" in reason for reason in found.reasons)


@pytest.mark.parametrize("num_items", [2, 4])
def test_items_that_were_asked_for_are_scored_and_said(planned, tmp_path, num_items):
    effort = replace(EFFORT, num_probe_items=num_items)
    found = planned.ask(tmp_path / "out", "forecast", effort=effort)
    assert {score.num_items for score in found.scores} == {num_items}
    assert any(c.startswith(f"At most {num_items} items of a capability") for c in found.caveats)


def test_what_the_base_does_not_have_is_told_before_anything_is_trained(planned, tmp_path):
    told = []
    found = planned.ask(
        tmp_path / "out", "forecast", listener=lambda progress: told.append(progress.stage)
    )
    lacking = {s.capability for s in found.scores if s.nothing_to_lose}
    assert lacking == {"pairs", "choices"}
    stages = list(dict.fromkeys(told))
    assert stages.index("scoring the base") < len(stages) - 1
    assert stages[-1].endswith("; the base is not shown to have: pairs, choices")
    assert found.caveats[0].startswith("The base is not shown to have: pairs (")
