"""Finished runs of one's own: a forecast and what a certification then found."""

from types import SimpleNamespace

import pytest

from driftline.analyses import (
    PROBES,
    Case,
    calibrate,
    finished_run,
    fit_forecaster,
    metrics_left_out,
    shipped_calibration,
)
from driftline.analyses.forecasting._calibration import read_calibration
from driftline.errors import DataError, InputError
from driftline.results import CapabilityClaim

from .test_forecaster import runs

SHIPPED = shipped_calibration()


def claim(name, change, metric="margin_nats", nats_change=None):
    return CapabilityClaim.model_construct(
        capability=name, change=change, metric=metric, nats_change=nats_change
    )


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


@pytest.mark.parametrize(
    ("outcome", "read_in", "loss"),
    [
        (claim("a", -0.5, "margin_nats", -0.5), "margin_nats", 0.5),
        (claim("a", 0.5, "margin_nats"), "margin_nats", -0.5),
        (claim("a", -0.04, "probability", -0.3), "margin_nats", 0.3),
        (claim("a", 0.01, "probability", 0.2), "margin_nats", -0.2),
        (claim("a", 0.2, "nll_nats", 0.2), "nll_nats", 0.2),
    ],
)
def test_losses_are_in_the_metric_of_the_probe(outcome, read_in, loss):
    (one,) = runs(1)
    probe = as_read(one.probe, a=read_in)
    found = finished_run("mine", *documents(probe=probe, claims=[outcome]))
    assert found.final_losses == {"a": loss}


@pytest.mark.parametrize("metric", ["accuracy", "exact_match", "nll_nats_per_word"])
def test_metrics_without_nats_are_left_out_and_named(metric):
    others = [claim("a", -0.1, metric)]
    forecast, outcome = documents(claims=[*others, claim("b", -0.25)])
    assert finished_run("mine", forecast, outcome).final_losses == {"b": 0.25}
    assert metrics_left_out(outcome) == metric
    with pytest.raises(DataError, match=f"mine: .* measured in {metric}, .* losses in nats"):
        finished_run("mine", *documents(claims=others))


@pytest.mark.parametrize(
    ("outcome", "read_in", "message"),
    [
        (claim("a", -0.04, "probability"), "margin_nats", "the certification does not hold margin"),
        (
            claim("a", -0.04, "probability", -0.3),
            "probability",
            "the forecast does not hold margin",
        ),
        (claim("a", 0.2, "nll_nats", 0.2), "margin_nats", "the forecast does not hold nll_nats"),
    ],
)
def test_documents_in_other_metrics_are_refused(outcome, read_in, message):
    (one,) = runs(1)
    probe = as_read(one.probe, a=read_in)
    with pytest.raises(DataError, match=message):
        finished_run("mine", *documents(probe=probe, claims=[outcome]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probe": None}, "mine: the forecast does not hold"),
        ({"base": "sha256:two"}, "mine: .*whose weights differ"),
        ({"suites": ["sha256:other"]}, "mine: .*not on the same suites"),
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


def test_too_few_and_twice_the_same_are_refused():
    with pytest.raises(DataError, match="run 0 is there twice"):
        calibrate([*runs(1), *runs(1)], SHIPPED, collapse_bound=3.0)
    with pytest.raises(DataError, match="2 finished runs are too few"):
        calibrate(runs(2), None, collapse_bound=3.0)


def test_own_runs_move_the_forecast():
    finished = runs(6, rise=3.0)
    case = Case(finished[0].probe, finished[0].probe.capabilities[0])
    own, shipped = (
        fit_forecaster(each.runs, each).predict(case).value
        for each in (calibrate(finished, None, collapse_bound=3.0), SHIPPED)
    )
    actual = finished[0].final_losses["a"]
    assert abs(own - actual) < abs(shipped - actual)


def test_a_file_that_is_no_calibration_is_named(tmp_path):
    path = tmp_path / "other.json"
    with pytest.raises(DataError, match=r"other\.json: cannot be read"):
        read_calibration(path)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"other\.json: "):
        read_calibration(path)


def test_runs_of_the_model_itself_are_taken_where_there_are_enough():
    looks = PROBES["0.2"]
    (smollm2,) = (digest for digest, name in SHIPPED.models.items() if name == "smollm2-135m")
    own = SHIPPED.runs_for(smollm2, looks)
    assert not own.unseen_model
    assert {run.probe.model for run in own.runs} == {"smollm2-135m"}
    others = SHIPPED.runs_for("sha256:never seen", looks)
    assert others.unseen_model
    assert others.runs == SHIPPED.runs
