"""The fits that ship are those that a fit anew gives, and give the same forecasts."""

import pytest

from driftline.analyses import Case, fit_forecaster, shipped_calibration
from driftline.analyses.forecasting import _forecast as module
from driftline.analyses.forecasting._forecaster import PROBES
from driftline.analyses.forecasting._shipped_fits import shipped_forecaster

SHIPPED = shipped_calibration()
OWN = SHIPPED.runs[0].probe.model_digest


def chosen_for(digest, probe):
    return SHIPPED.runs_for(digest, PROBES[probe])


@pytest.mark.parametrize("target", [False, True])
@pytest.mark.parametrize("probe", list(PROBES))
@pytest.mark.parametrize("digest", [OWN, "sha256:another"])
def test_every_forecast_by_our_own_method_is_fitted_beforehand(digest, probe, target):
    chosen = chosen_for(digest, probe)
    found = shipped_forecaster(
        SHIPPED,
        chosen.runs,
        model_digest=None if chosen.unseen_model else digest,
        probe=probe,
        target=target,
    )
    assert found is not None
    assert found.on_other_models == chosen.unseen_model


@pytest.mark.parametrize(("digest", "probe"), [(OWN, "0.2"), ("sha256:another", "0.1")])
def test_it_forecasts_what_a_fit_anew_does(digest, probe):
    chosen = chosen_for(digest, probe)
    fresh = fit_forecaster(chosen.runs, SHIPPED, probe=probe, unseen_model=chosen.unseen_model)
    held = shipped_forecaster(
        SHIPPED,
        chosen.runs,
        model_digest=None if chosen.unseen_model else digest,
        probe=probe,
        target=False,
    )
    for run in chosen.runs[:3]:
        for reading in run.probe.capabilities[:3]:
            a, b = (f.predict(Case(run.probe, reading)) for f in (fresh, held))
            assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), abs=1e-3)


def test_nothing_is_fitted_where_the_shipped_calibration_is_used(monkeypatch):
    def fail(*_arguments, **_named):
        raise AssertionError("it fitted anew")

    monkeypatch.setattr(module, "fit_forecaster", fail)
    reading = SHIPPED.runs[0].probe
    assert module.fit_to(SHIPPED, reading, method="driftline", probe="0.2") is not None
    smaller = SHIPPED.model_copy(update={"runs": SHIPPED.runs[:-1]})
    with pytest.raises(AssertionError, match="fitted anew"):
        module.fit_to(smaller, reading, method="driftline", probe="0.2")
    with pytest.raises(AssertionError, match="fitted anew"):
        module.fit_to(SHIPPED, reading, method="truncated", probe="0.2")
