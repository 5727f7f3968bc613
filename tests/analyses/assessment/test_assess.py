"""The main job on a tiny model: whole documents, the same twice and after every breaking off."""

import itertools
import json
import math
from dataclasses import replace

import pytest

from driftline.analyses import LOOK_SHARES, PARTS, PROBES, shipped_calibration
from driftline.analyses.forecasting import early_step
from driftline.capabilities import Passage, Suite
from driftline.engine import ResultStore
from driftline.errors import ConfigError, RunError
from driftline.models import Scorer, SlopeMeter, plan_training, weights_digest
from driftline.models.trainer import _trajectory as trajectory_module
from driftline.results import Assessment
from tests.known_pairs import known_pairs

from ..conftest import EFFORT, PAIRS, SUITE, TEXTS, VALUES

SECTIONS = {
    "assess": {"path", "radius", "belief_space", "fragility", "forecast", "target", "verdict"},
    "margin": {"path", "radius", "belief_space", "verdict"},
    "map": {"fragility"},
    "forecast": {"forecast", "target", "verdict"},
}
CALIBRATION = shipped_calibration()
NAMES = ["pairs", "choices", "texts"]
STEPS = tuple(sorted({early_step(look, VALUES["max_steps"]) for look in PROBES["0.2"]}))


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


@pytest.mark.slow
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


def _keep_common(document):
    """Keep what a part and the whole measure alike: the whole has lines and map of required capabilities alone.

    Capabilities share the points of a line, the draws of labels and the directions of a region, so these depend on which there are.
    """
    document["margins"] = [row for row in document["margins"] if row["kind"] == "path"]
    document["fragility"] = [r for r in document["fragility"] if r["capability"] != "choices"]
    document["noise"] = document["regions"] = []


@pytest.mark.parametrize("part", ["margin", "map", "forecast"])
def test_a_part_says_what_the_whole_says(answered, assessment, part):
    found, whole = without_times(answered(part)), without_times(assessment)
    for document in (found, whole):
        _keep_common(document)
    for section in (
        "margins", "fragility", "target_fragility", "noise", "protect", "regions", "forecast",
        "scores",
    ):  # fmt: skip
        assert found[section] in ([], whole[section])
    for section in ("target", "belief_space", "advice"):
        assert found[section] in (None, whole[section])
    assert found["verdict"] in (None, whole["verdict"])
    assert found["probability_any_lost"] == whole["probability_any_lost"]
    assert (found["verdict"] is None) == (found["advice"] is None) == (part == "map")
    for document in (found, whole):
        # Only parts that show the target measure its rows.
        document["caveats"] = [c for c in document["caveats"] if not c.startswith("Over-fitting: ")]
    # In the same order; a limit of lines or maps is said where there are some.
    assert found["caveats"] == [c for c in whole["caveats"] if c in found["caveats"]]
    limits = {"Radius margins": "margin", "The belief space": "margin", "The map is": "map"}
    for words, own in limits.items():
        assert any(c.startswith(words) for c in found["caveats"]) == (part == own)
    assert found["row_gains"] in (None, whole["row_gains"])
    assert (found["row_gains"] is None) == (part != "forecast")


def test_the_model_is_as_it_was(assessment, opened):
    assert weights_digest(opened.model) == opened.digest
    assert assessment.provenance.model.digest == opened.digest
    assert not opened.model.training


def test_every_capability_has_every_reading(assessment):
    assert sorted(row.capability for row in assessment.forecast) == sorted(NAMES)
    readings = [(m.capability, m.kind, m.direction) for m in assessment.margins]
    required = [name for name in NAMES if name != "choices"]
    assert readings == [
        *((name, "path", "planned training") for name in NAMES),
        *(
            (name, "radius", direction)
            for direction in ("noise", "update", "worst_case")
            for name in required
        ),
    ]
    assert {row.capability for row in assessment.fragility} == set(required)
    scores = {score.capability: score for score in assessment.scores}
    assert scores["pairs"].chance == 0.5
    assert scores["texts"].accuracy is None
    assert not scores["choices"].required
    assert all(score.low <= score.value <= score.high for score in assessment.scores)


def test_forecasts_margins_and_scores_are_about_the_same_numbers(assessment):
    base = {score.capability: score.value for score in assessment.scores}
    paths = {m.capability: m for m in assessment.margins if m.kind == "path"}
    chances = []
    for row in assessment.forecast:
        assert row.base_value == pytest.approx(base[row.capability])
        assert row.low <= row.predicted_change <= row.high
        path = paths[row.capability]
        assert [point.scale for point in path.curve] == [
            *STEPS, *range(STEPS[-1] + 1, VALUES["max_steps"] + 1)
        ]  # fmt: skip
        assert path.measured_steps == STEPS[-1]
        sign = 1 if row.metric == "nll_nats" else -1
        seen = {c.capability: c.losses for c in assessment.probe.capabilities}[row.capability]
        measured = {point.scale: point.value for point in path.curve}
        for look, loss in seen.items():
            assert measured[early_step(look, VALUES["max_steps"])] == pytest.approx(sign * loss)
        assert row.measured_change == pytest.approx(sign * seen["early_20"])
        # One number for one thing: the path ends where the forecast says.
        assert path.curve[-1].value == row.predicted_change
        is_shown = row.verdict != "not_shown"
        assert is_shown == (row.capability not in assessment.not_shown)
        assert row.at_risk == (is_shown and sign * row.predicted_change > row.tolerance)
        passes = any(sign * point.value > row.tolerance for point in path.curve)
        assert passes == (path.critical_steps is not None)
        assert passes or not row.at_risk
        chances.append((is_shown, row.probability_lost))
    assert chances == sorted(chances, reverse=True)
    required = [
        row.probability_lost
        for row in assessment.forecast
        if row.required and row.verdict != "not_shown"
    ]
    assert max(required) <= assessment.probability_any_lost <= sum(required)


@pytest.mark.parametrize(("part", "kind"), [("margin", "radius"), ("map", "fragility")])
def test_a_part_measures_capabilities_that_are_not_required_too(answered, part, kind):
    found = answered(part)
    rows = found.fragility if part == "map" else [m for m in found.margins if m.kind == kind]
    assert {row.capability for row in rows} == set(NAMES)


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
    for name in sorted({name for name, _ in radii}):
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
    assert cost.fraction_of_planned_run == STEPS[-1] / VALUES["max_steps"]
    assert cost.tokens_backward > 0
    assert cost.tokens_forward > 0
    assert provenance.data.num_records == 24
    assert provenance.config_values == planned.config.values
    assert [suite.num_records for suite in provenance.suites] == [18]
    dtype = provenance.numerics.compute_dtype
    # A processor that emulates bfloat16 computes it through float32.
    assert dtype.replace(" through float32", "") == "bfloat16 with float32 head"
    assert any("unlike the finished runs" in caveat for caveat in assessment.caveats)


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


LONGER = 40


@pytest.fixture(scope="module")
def longer(planned):
    """A run in which every look is at a step of its own."""
    return replace(planned, config=planned.config.with_values(max_steps=LONGER, warmup_steps=1))


@pytest.mark.parametrize("probe", [p for p in PROBES if p != "0.6"])
def test_a_probe_costs_what_it_says(planned, longer, tmp_path, probe):
    found = longer.ask(tmp_path / "out", "forecast", probe=probe)
    assert set(found.probe.target.losses) == set(PROBES[probe]) == set(found.probe.clock)
    assert found.cost.fraction_of_planned_run == float(probe)
    assert found.cost.tokens_backward > 0
    # The explanation's gradient-free pass and the probe leave the model as it was.
    planned.opened.check_unchanged()
    assert {row.capability for row in found.forecast} == set(NAMES)


@pytest.mark.parametrize("part", ["margin", "map"])
def test_a_short_probe_is_enough_for_every_part(planned, tmp_path, part):
    found = planned.ask(tmp_path / "out", part, probe="0.05")
    assert found.cost.fraction_of_planned_run == 1 / 8
    assert bool(found.margins) == (part == "margin")
    assert bool(found.fragility) == (part == "map")


def suite_of(tolerance):
    """A suite that the base is shown to have, at any tolerance."""
    return Suite("texts", (replace(TEXTS, tolerance=tolerance),))


def decided(planned, path, suite, **changes):
    return planned.ask(
        path, "forecast", suites=(suite,), probe="0.6", until_decided=True, **changes
    )


@pytest.mark.slow
def test_a_run_that_is_safe_early_is_trained_no_further(longer, tmp_path):
    heard = []
    found = decided(longer, tmp_path / "out", suite_of(2.9), listener=heard.append)
    assert found.verdict == "safe"
    assert found.advice.action == "train"
    assert found.cost.fraction_of_planned_run == 8 / LONGER
    assert set(found.probe.target.losses) == set(PROBES["0.2"])
    assert found.provenance.config_values["max_steps"] == LONGER
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9
    # It says what a probe of that length says, at the risk of one look.
    short = longer.ask(
        tmp_path / "short", "forecast", suites=(suite_of(2.9),), probe="0.2", risk=0.1 / 3
    )
    assert found.forecast == short.forecast
    assert found.probe == short.probe


def test_a_run_that_is_lost_early_is_stopped(longer, tmp_path):
    harsh = replace(longer, config=longer.config.with_values(learning_rate=0.05, max_grad_norm=0.0))
    found = decided(harsh, tmp_path / "out", suite_of(0.001))
    assert found.verdict == "unsafe"
    assert found.cost.fraction_of_planned_run < 0.6
    assert found.advice.action == "lower_learning_rate"


@pytest.mark.slow
def test_a_run_that_is_never_decided_is_trained_to_the_end_of_the_probe(longer, tmp_path):
    first = longer.ask(tmp_path / "first", "forecast", suites=(suite_of(1.0),), probe="0.6")
    (row,) = first.forecast
    assert row.predicted_change != 0
    # A quarter of this risk is below every probability that is claimed.
    close = max(1e-6, row.predicted_change)
    looked = []
    found = decided(longer, tmp_path / "out", suite_of(close), risk=0.0003, listener=looked.append)
    assert found.verdict == "at_risk"
    assert found.cost.fraction_of_planned_run == 0.6
    assert set(found.probe.target.losses) == set(PROBES["0.6"])
    assert found.probe.capabilities == first.probe.capabilities
    fractions = [progress.fraction for progress in looked]
    assert fractions == sorted(fractions)
    assert 0.9 < fractions[-1] <= 1


@pytest.mark.parametrize(
    ("probe", "looks"),
    [
        ("0.05", 1),
        ("0.1", 1),
        ("0.2", 2),
        ("0.3", 3),
        ("0.4", 3),
        ("0.6", 4),
    ],
)
def test_the_risk_is_divided_among_the_looks_that_may_decide(planned, probe, looks):
    asked = planned.request(probe=probe, until_decided=True, risk=0.12)
    assert len(asked.deciding_looks) == looks
    assert asked.deciding_looks[-1] == PROBES[probe][-1]
    assert asked.risk_at_a_look == pytest.approx(0.12 / looks)
    assert all(LOOK_SHARES[look] >= 0.1 for look in asked.deciding_looks[:-1])
    once = planned.request(probe=probe, risk=0.12)
    assert once.deciding_looks == PROBES[probe][-1:]
    assert once.risk_at_a_look == 0.12


@pytest.mark.parametrize("risk", [-0.1, 0.0, 0.5, 1.0, math.nan, math.inf])
def test_a_risk_that_decides_nothing_is_refused(planned, risk):
    with pytest.raises(
        ConfigError, match=r"--risk .*: must be a probability above 0 and below 0.5"
    ):
        planned.request(risk=risk)


def test_baselines_do_not_decide(planned):
    with pytest.raises(ConfigError, match=r"--until decided: takes .* not --method truncated"):
        planned.request(until_decided=True, method="truncated")


NATS = Suite("nats", (PAIRS, TEXTS))


def test_a_metric_without_finished_runs_is_refused_before_anything_is_trained(planned):
    with pytest.raises(
        ConfigError, match="choices: --method straight_line needs 4 finished runs in"
    ):
        planned.request(method="straight_line")
    few = CALIBRATION.model_copy(update={"runs": CALIBRATION.runs[:3]})
    with pytest.raises(ConfigError, match="the calibration has them in no metric"):
        planned.request(calibration=few)


@pytest.mark.slow
def test_a_method_by_name_says_so_and_differs(planned, tmp_path):
    found = {
        method: planned.ask(tmp_path / method, "forecast", method=method, suites=(NATS,))
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
    margins, texts = (
        {abs(row.predicted_change) for row in found["mean"].forecast if row.metric == metric}
        for metric in ("margin_nats", "nll_nats")
    )
    assert len(margins) == len(texts) == 1
    assert margins != texts


@pytest.mark.slow
def test_a_probability_is_forecast_and_decided_in_points(planned, tmp_path):
    items = known_pairs(planned.opened, 24)
    decided = replace(PAIRS, items=items, metric="probability", tolerance=1e-6)
    suites = (Suite("small", (decided, TEXTS)),)
    found = planned.ask(tmp_path / "out", "forecast", suites=suites, risk=0.01)
    row = next(row for row in found.forecast if row.capability == "pairs")
    score = next(score for score in found.scores if score.capability == "pairs")
    reading = next(c for c in found.probe.capabilities if c.capability == "pairs")
    assert (row.metric, row.unit, reading.metric) == ("probability", "probability", "probability")
    assert 0 < row.base_value < 1
    assert row.base_value == score.value
    assert row.low <= row.predicted_change <= row.high
    assert -row.base_value <= row.low
    assert row.high <= 1 - row.base_value
    assert 0 < row.base_standard_error == score.standard_error
    assert score.num_groups == len(items)
    assert reading.standard_errors["early_20"] > 0
    required = next(c for c in found.reasons if c.startswith("pairs: "))
    assert " points (" in required


def test_pairs_at_which_the_base_guesses_decide_nothing(planned, tmp_path):
    guessed = replace(PAIRS, metric="probability", tolerance=1e-6)
    found = planned.ask(tmp_path / "out", "forecast", suites=(Suite("small", (guessed, TEXTS)),))
    assert any("not shown to have pairs" in reason for reason in found.reasons)
    assert not any(reason.startswith("pairs: ") for reason in found.reasons)
    assert found.verdict != "safe"


@pytest.mark.parametrize("num_items", [2, 4])
def test_items_that_were_asked_for_are_scored_and_said(planned, tmp_path, num_items):
    effort = replace(EFFORT, num_probe_items=num_items)
    found = planned.ask(tmp_path / "out", "forecast", effort=effort)
    assert {score.num_items for score in found.scores} == {num_items}
    assert any(c.startswith(f"At most {num_items} items of a capability") for c in found.caveats)


def days(name, num, **fields):
    """A suite that costs more than the probe."""
    items = tuple(Passage(id=str(n), text=f"It rained on day {n}.") for n in range(num))
    return replace(TEXTS, name=name, items=items, **fields)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "looks"),
    [
        ({}, ["early_20"]),
        ({"probe": "0.05"}, ["early_5"]),
        (
            {"probe": "0.6", "until_decided": True, "risk": 0.001},
            ["early_10", "early_20", "early_40", "early_60"],
        ),
    ],
)
def test_what_costs_too_much_is_scored_at_deciding_looks_and_required_capabilities_first(
    longer, tmp_path, changes, looks
):
    suite = Suite("days", (days("kept", 600), days("watched", 600, required=False)))
    found = longer.ask(tmp_path / "out", "forecast", suites=(suite,), **changes)
    assert list(found.probe.clock) == looks == list(found.probe.target.losses)
    for reading in found.probe.capabilities:
        assert list(reading.losses) == looks
        assert reading.losses[looks[-1]] != 0
    scored = {score.capability: score.num_items for score in found.scores}
    assert scored["kept"] >= 64
    assert scored["watched"] == 24
    said = [caveat for caveat in found.caveats if caveat.startswith("Not scored after step")]
    assert len(said) == (changes != {"probe": "0.05"})


def test_a_baseline_that_needs_the_way_has_it_whatever_it_costs(longer, tmp_path):
    suite = Suite("days", (days("kept", 900),))
    found = longer.ask(tmp_path / "out", "forecast", suites=(suite,), method="truncated")
    assert list(found.probe.clock) == list(PROBES["0.2"])


def test_what_the_base_does_not_have_is_told_before_anything_is_trained(planned, tmp_path):
    told = []
    found = planned.ask(
        tmp_path / "out", "forecast", listener=lambda progress: told.append(progress.stage)
    )
    lacking = {s.capability for s in found.scores if s.nothing_to_lose}
    assert lacking == {"pairs", "choices"}
    assert {row.capability for row in found.forecast if row.verdict == "not_shown"} == lacking
    assert not {item.capability for item in found.explanation.items} & lacking
    stages = list(dict.fromkeys(told))
    assert stages.index("scoring the base") < len(stages) - 1
    assert stages[-1].endswith("; the base is not shown to have: pairs, choices")
    assert found.caveats[0].startswith("The base is not shown to have: pairs (")
