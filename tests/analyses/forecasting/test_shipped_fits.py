"""What ships: finished runs, and the fits to them."""

import json
from importlib.resources import files

import pytest

from driftline.analyses import BASELINES, LOOK_SHARES, PROBES, Case, seen_by, shipped_calibration
from driftline.analyses.forecasting import fit_to
from driftline.analyses.forecasting._fit_drift import fit_drift
from driftline.analyses.forecasting._forecaster import _cells
from driftline.analyses.forecasting._shipped_fits import (
    FILE,
    FittedForecasters,
    shipped_forecaster,
)
from driftline.errors import RunError
from driftline.metrics import METRICS

SHIPPED = shipped_calibration()


def shipped_fits():
    text = files("driftline.analyses.forecasting").joinpath(FILE).read_text(encoding="utf-8")
    return FittedForecasters.from_json(text, origin=FILE)


def test_the_fits_are_those_of_the_calibration():
    assert shipped_fits().calibration_digest == SHIPPED.digest
    for target in (False, True):
        assert shipped_forecaster(SHIPPED, target=target) is not None
    changed = SHIPPED.model_copy(update={"runs": SHIPPED.runs[1:]})
    assert changed.digest != SHIPPED.digest
    assert shipped_forecaster(changed, target=False) is None


@pytest.mark.slow
@pytest.mark.parametrize("target", [False, True], ids=["capabilities", "target"])
def test_the_fits_are_found_again(target):
    fits = shipped_fits()
    shipped = fits.target if target else fits.capabilities
    cells = _cells(SHIPPED.runs, SHIPPED.collapse_bound, target=target)
    assert set(cells) == set(shipped.models)
    smallest = min(cells, key=lambda metric: len(cells[metric]))
    found = fit_drift(cells[smallest], grows_everywhere=target).model
    for name, value in json.loads(found.model_dump_json()).items():
        assert value == pytest.approx(getattr(shipped.models[smallest], name), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_gets_a_forecast(metric):
    forecaster = fit_to(SHIPPED, method="driftline", probe="0.2")
    probe = seen_by(SHIPPED.runs[0].probe, ("early_5", "early_10", "early_20"))
    c = probe.capabilities[0].model_copy(update={"metric": metric, "base_value": 0.6})
    case = Case(probe.model_copy(update={"capabilities": (c,)}), c)
    found = forecaster.predict(case)
    assert found.low < found.value < found.high
    assert 0 < found.exceeds(found.value) < 1
    at_look = forecaster.predict(case, share=probe.clock["early_20"])
    assert at_look.scale == 0
    assert at_look.value == pytest.approx(min(3.0, c.losses["early_20"]))


@pytest.mark.parametrize("metric", ["probability", "nll_nats", "margin_nats"])
@pytest.mark.parametrize("method", BASELINES)
def test_every_baseline_is_fitted_to_the_shipped_runs_that_have_what_it_needs(method, metric):
    runs = [r for r in SHIPPED.runs if {c.metric for c in r.probe.capabilities} >= {metric}]
    probe = seen_by(runs[0].probe, PROBES["0.2"]).model_copy(update={"update_norm": 0.01})
    c = next(c for c in probe.capabilities if c.metric == metric)
    c = c.model_copy(update={"straight_line": 0.1})
    baseline = fit_to(SHIPPED, method=method, probe="0.2")
    if method in ("straight_line", "update_norm") and metric == "probability":
        with pytest.raises(RunError, match="no 4 finished runs were measured in probability"):
            baseline.predict(Case(probe, c))
    else:
        found = baseline.predict(Case(probe, c))
        assert found.low < found.value < found.high


def test_the_target_gets_a_forecast():
    found = fit_to(SHIPPED, method="driftline", probe="0.2", target=True).predict(
        Case(SHIPPED.runs[0].probe, SHIPPED.runs[0].probe.target)
    )
    assert found.low < found.value < found.high


def test_a_model_that_was_never_seen_gets_a_wider_forecast():
    forecaster, probe = fit_to(SHIPPED, method="driftline", probe="0.2"), SHIPPED.runs[0].probe
    known, unseen = (
        forecaster.predict(Case(each, probe.capabilities[0]))
        for each in (probe, probe.model_copy(update={"model_digest": "sha256:never seen"}))
    )
    assert known.novelty == 1
    assert unseen.novelty > 1
    assert unseen.scale > known.scale


def test_the_shipped_runs_are_whole():
    assert len({run.run for run in SHIPPED.runs}) == len(SHIPPED.runs)
    assert len({run.task for run in SHIPPED.runs}) >= 5
    for run in SHIPPED.runs:
        names = {c.capability for c in run.probe.capabilities}
        assert names <= set(run.final_losses)
        for c in run.probe.capabilities:
            assert set(c.losses) & set(LOOK_SHARES) <= set(run.probe.clock)


@pytest.mark.parametrize("fits", [shipped_fits().capabilities, shipped_fits().target])
def test_the_fits_are_sane(fits):
    assert 0 <= fits.correlation <= 0.95
    own = [model for of_kind in fits.own.values() for model in of_kind.values()]
    for model in (*fits.models.values(), *own):
        assert model.growth >= 0
        assert 0 <= model.healing <= 1
        assert 0 < model.spread <= min(model.config_spread, model.unseen_spread)
        assert min(model.saturation, model.shared, model.own, model.item) > 0
        assert model.num_cells > 0


def test_growth_and_healing_are_used_for_the_model_that_they_were_fitted_to_alone():
    forecaster = fit_to(SHIPPED, method="driftline", probe="0.2")
    own = forecaster.own["probability"]
    assert any(each.growth > 0 for each in own.values())
    digest = max(own, key=lambda each: own[each].growth)
    run = next(r for r in SHIPPED.runs if r.probe.model_digest == digest and not r.held_aside)
    probe = seen_by(run.probe, PROBES["0.2"])
    shown = next(c for c in probe.capabilities if c.metric == "probability" and c.is_shown)
    other = probe.model_copy(update={"model_digest": "sha256:never seen"})
    right_or_wrong = shown.model_copy(update={"metric": "accuracy"})
    unknown = shown.model_copy(update={"standard_errors": None, "item_spreads": None})
    for reading, of in ((shown, other), (right_or_wrong, probe), (unknown, probe)):
        of = of.model_copy(update={"capabilities": (*of.capabilities, reading)})
        assert forecaster.predict(Case(of, reading)).value == pytest.approx(
            shown.losses["early_20"]
        )
    assert forecaster.predict(Case(probe, shown)).value != pytest.approx(shown.losses["early_20"])


def test_what_the_base_is_not_shown_to_have_has_a_fit_of_its_own():
    fits = shipped_fits().capabilities
    assert "probability, not shown" in fits.models
    assert "probability, not shown" not in fits.own
