"""Finished runs of one's own: a forecast and what a certification then found."""

from collections import Counter
from types import SimpleNamespace

import pytest

from driftline.analyses import (
    FEWEST_RUNS,
    Case,
    calibrate,
    finished_run,
    fit_forecaster,
    shipped_calibration,
)
from driftline.analyses.forecasting import _shipped_fits, fit_to
from driftline.analyses.forecasting._calibration import read_calibration
from driftline.analyses.forecasting._shipped_fits import _shipped
from driftline.errors import DataError, InputError
from driftline.metrics import METRICS
from driftline.results import CapabilityClaim

from .test_forecaster import cut, runs

SHIPPED = shipped_calibration()


def claim(name, change, metric="margin_nats"):
    return CapabilityClaim.model_construct(capability=name, change=change, metric=metric)


def as_read(probe, **metrics):
    """The probe with some of its capabilities read in other metrics."""
    rows = tuple(
        c.model_copy(update={"metric": metrics.get(c.capability, c.metric)})
        for c in probe.capabilities
    )
    return probe.model_copy(update={"capabilities": rows})


def documents(**changes):
    (one,) = runs(1)
    suites = changes.get("suites", ["sha256:s"])
    forecast = SimpleNamespace(
        probe=changes.get("probe", one.probe),
        not_shown=changes.get("not_shown", frozenset()),
        provenance=SimpleNamespace(
            model=SimpleNamespace(source="./base", digest="sha256:one"),
            data=SimpleNamespace(digest="sha256:data"),
            suites=[SimpleNamespace(digest="sha256:s")],
        ),
    )
    outcome = SimpleNamespace(
        claims=changes.get("claims", [claim("a", -0.5), claim("b", -0.25), claim("zoo", 1.0)]),
        provenance=SimpleNamespace(
            base_model=SimpleNamespace(source="./base", digest=changes.get("base", "sha256:one")),
            suites=[SimpleNamespace(digest=digest) for digest in suites],
        ),
    )
    return forecast, outcome


def test_changes_become_losses_whichever_way_is_better():
    found = finished_run("mine", *documents())
    assert found.final_losses == {"a": 0.5, "b": 0.25}
    assert (found.run, found.task) == ("mine", "sha256:data")


@pytest.mark.parametrize("metric", METRICS)
def test_losses_are_in_the_metric_that_both_were_measured_in(metric):
    (one,) = runs(1)
    probe = as_read(one.probe, a=metric)
    found = finished_run("mine", *documents(probe=probe, claims=[claim("a", -0.04, metric)]))
    sign = -1 if METRICS[metric].higher_is_better else 1
    assert found.final_losses == {"a": sign * -0.04}


@pytest.mark.parametrize(
    ("certified", "read_in"),
    [("probability", "margin_nats"), ("margin_nats", "probability"), ("nll_nats", "accuracy")],
)
def test_documents_in_other_metrics_are_refused(certified, read_in):
    (one,) = runs(1)
    probe = as_read(one.probe, a=read_in)
    message = f"mine: a was forecast from {read_in} and certified in {certified}; .* make it again"
    with pytest.raises(DataError, match=message):
        finished_run("mine", *documents(probe=probe, claims=[claim("a", -0.04, certified)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probe": None}, "mine: the forecast does not hold"),
        ({"base": "sha256:two"}, "mine: .*whose weights differ"),
        ({"suites": ["sha256:other"]}, "mine: .*not on the same suites"),
        ({"claims": [claim("zoo", 1.0)]}, "mine: .*not on the same suites"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        finished_run("mine", *documents(**changes))


def test_own_runs_join_the_shipped_ones_and_can_be_forecast_from(tmp_path):
    own = finished_run("mine", *documents())
    made = calibrate([own], SHIPPED, collapse_bound=3.0)
    assert made.runs == (*SHIPPED.runs, own)
    path = tmp_path / "calibration.json"
    path.write_text(made.to_json())
    assert read_calibration(path) == made
    forecaster = fit_forecaster(made.runs, made)
    assert forecaster.predict(Case(own.probe, own.probe.capabilities[0])).high > 0


def test_a_forecast_that_does_not_say_what_the_base_has_is_completed():
    forecast, outcome = documents(not_shown=frozenset({"b"}))
    shown = {
        c.capability: c.is_shown for c in finished_run("run", forecast, outcome).probe.capabilities
    }
    assert [name for name, each in shown.items() if not each] == ["b"]


def test_too_few_and_twice_the_same_are_refused():
    with pytest.raises(DataError, match="run 0 is given twice"):
        calibrate([*runs(1), *runs(1)], SHIPPED, collapse_bound=3.0)
    with pytest.raises(DataError, match="2 finished runs are too few"):
        calibrate(runs(2), None, collapse_bound=3.0)


def test_own_runs_move_the_forecast():
    finished = runs(24, drift=0.9, metric="probability", scale=0.1)
    own = calibrate(finished, None, collapse_bound=3.0)
    (one,) = cut(finished[:1], "early_20")
    case = Case(one.probe, one.probe.capabilities[0])
    by_own, by_shipped = (
        fit_forecaster(each.runs, each).predict(case).value for each in (own, SHIPPED)
    )
    actual = one.final_losses["a"]
    assert abs(by_own - actual) < abs(by_shipped - actual)


def test_a_file_that_is_no_calibration_is_named(tmp_path):
    path = tmp_path / "other.json"
    with pytest.raises(DataError, match=r"other\.json: cannot be read"):
        read_calibration(path)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"other\.json: "):
        read_calibration(path)


@pytest.mark.parametrize("metric", ["probability", "margin_nats", "nll_nats", "accuracy", None])
def test_a_run_is_new_by_its_model_its_rate_or_its_length(metric):
    fitted = SHIPPED.fitted_in(metric)
    inside = fitted.runs[0].probe
    low, high = fitted.learning_rate_range(adapter=inside.adapter)
    fewest, most = fitted.step_range
    num_runs = Counter(run.probe.model_digest for run in fitted.runs)
    for run in fitted.runs:
        is_known = num_runs[run.probe.model_digest] >= FEWEST_RUNS
        assert fitted.novelty(run.probe) == (None if is_known else "model")
    other = inside.model_copy(update={"model_digest": "sha256:never seen", "num_steps": most + 1})
    assert fitted.novelty(other) == "both"
    for change in (
        {"learning_rate": low * 0.99},
        {"learning_rate": high * 1.01},
        {"num_steps": fewest - 1},
        {"num_steps": most + 1},
    ):
        assert fitted.novelty(inside.model_copy(update=change)) == "config", change


@pytest.mark.parametrize("adapter", [False, True])
def test_another_kind_of_training_than_any_finished_run_is_outside(adapter):
    own = tuple(run for run in SHIPPED.fitted_in(None).runs if run.probe.adapter != adapter)
    only = SHIPPED.model_copy(update={"runs": own})
    probe = next(run.probe for run in own if only.novelty(run.probe) is None)
    assert only.novelty(probe.model_copy(update={"adapter": adapter})) == "config"
    said = only.distances(
        adapter=adapter, learning_rate=probe.learning_rate, num_steps=probe.num_steps
    )
    assert said == (f"none of them trains {'an adapter' if adapter else 'all weights'}",)


def test_a_run_like_none_of_ones_own_has_a_wider_forecast(monkeypatch):
    fits = _shipped()
    shipped = fits.capabilities.models["probability"]
    doubled = shipped.model_copy(update={"unseen_spread": 2 * shipped.spread})
    models = {**fits.capabilities.models, "probability": doubled}
    capabilities = fits.capabilities.model_copy(update={"models": models})
    wide = fits.model_copy(update={"capabilities": capabilities})
    monkeypatch.setattr(_shipped_fits, "_shipped", lambda: wide)
    runs_in_points = SHIPPED.fitted_in("probability").runs[:8]
    mine = tuple(run.model_copy(update={"task": run.run}) for run in runs_in_points)
    own = calibrate(mine, None, collapse_bound=SHIPPED.collapse_bound)
    # Of one model, so that none can be left out to see how errors on another one are.
    assert len(own.models) == 1
    forecaster = fit_to(own, method="driftline", probe="0.2")
    inside = own.runs[0].probe
    reading = inside.capabilities[0]
    usual = forecaster.predict(Case(inside, reading))
    high = own.learning_rate_range(adapter=inside.adapter)[1]
    far = inside.model_copy(update={"learning_rate": high * 3})
    wider = forecaster.predict(Case(far, reading))
    other = inside.model_copy(update={"model_digest": "sha256:another model"})
    assert forecaster.predict(Case(other, reading)).novelty == pytest.approx(wider.novelty, rel=0.5)
    assert reading.metric == "probability"
    assert usual.novelty == 1.0
    assert wider.novelty >= 2.0
    assert wider.scale == pytest.approx(usual.scale * wider.novelty)
    assert wider.value == usual.value


def test_a_model_that_was_measured_in_another_metric_is_unseen_in_this_one():
    margins, points = SHIPPED.fitted_in("margin_nats"), SHIPPED.fitted_in("probability")
    only = next(r for r in margins.runs if r.probe.model_digest not in points.models)
    assert points.novelty(only.probe) in ("model", "both")
    assert SHIPPED.fitted_in("accuracy").runs == points.runs
    assert not any(run.held_aside for run in (*margins.runs, *points.runs))
