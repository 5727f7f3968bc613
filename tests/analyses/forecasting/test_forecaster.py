"""Forecasts from finished runs: what is fitted, what is as it is, and how wide intervals are."""

import numpy
import pytest
import scipy.stats

from driftline.analyses import (
    BASELINES,
    LOOK_SHARES,
    PROBES,
    Case,
    DriftForecaster,
    FinishedRun,
    ForecastCalibration,
    fit_forecaster,
    seen_by,
)
from driftline.analyses.forecasting import early_step, fitted_metrics
from driftline.analyses.forecasting._loss_forecast import LEAST_CHANCE
from driftline.errors import RunError
from driftline.metrics import METRICS
from driftline.results import CapabilityReading, ProbeReading

NAMES = ("a", "b", "c", "d", "e")
CLOCK = {"early_5": 0.02, "early_10": 0.1, "early_20": 0.3, "early_40": 0.55, "early_60": 0.8}


def reading(name, losses, *, metric="margin_nats", error=0.01):
    return CapabilityReading(
        capability=name, metric=metric, base_value=2.0, losses=losses, straight_line=0.0,
        standard_errors=dict.fromkeys(losses, error),
    )  # fmt: skip


def path(generator, *, drift, noise, scale):
    """Losses at every look and at the end: what was lost draws more after it, and noise adds up."""
    losses, last = [scale * generator.normal(0.2, 0.2)], CLOCK["early_5"]
    for clock in (*list(CLOCK.values())[1:], 1.0):
        growth = min(2.0, 1 + drift * (clock - last) / last)
        shock = scale * noise * (clock - last) ** 0.5 * generator.normal()
        losses.append(losses[-1] * growth + shock)
        last = clock
    return dict(zip(CLOCK, losses, strict=False)), losses[-1]


def run(number, generator, *, drift=0.3, noise=0.1, model="one", metric="margin_nats", scale=1.0):
    """A run of five capabilities and its own task."""
    rows, final = [], {}
    for name in (*NAMES, "target"):
        losses, final[name] = path(generator, drift=drift, noise=noise, scale=scale)
        own = "nll_nats" if name == "target" else metric
        rows.append(reading(name, losses, metric=own, error=0.01 * scale))
    probe = ProbeReading(
        model=model,
        model_digest=f"sha256:{model}",
        adapter=False,
        learning_rate=10.0 ** -(3 + number % 3),
        num_steps=40,
        clock=CLOCK,
        update_norm=0.01 * (1 + number % 4),
        target=rows[-1],
        capabilities=tuple(rows[:-1]),
    )
    return FinishedRun(
        run=f"run {number}", task=f"task {number % 5}", probe=probe, final_losses=final
    )


def runs(count, *, seed=0, **how):
    generator = numpy.random.default_rng(seed)
    return [run(number, generator, **how) for number in range(count)]


def calibration(finished, bound=3.0):
    return ForecastCalibration(
        schema_="driftline/forecast-calibration/2", runs=tuple(finished), collapse_bound=bound
    )


def fitted(finished, **changes):
    return fit_forecaster(finished, calibration(finished), **changes)


def cut(finished, look):
    """Runs as a probe that ends at a look sees them."""
    looks = tuple(each for each in LOOK_SHARES if LOOK_SHARES[each] <= LOOK_SHARES[look])
    return [one.model_copy(update={"probe": seen_by(one.probe, looks)}) for one in finished]


def judged(forecaster, finished, *, look="early_20"):
    pairs = [
        (forecaster.predict(Case(one.probe, c)), one.final_losses[c.capability])
        for one in cut(finished, look)
        for c in one.probe.capabilities
    ]
    return [p for p, _ in pairs], numpy.array([a for _, a in pairs])


def test_what_finished_runs_did_after_the_probe_is_learnt():
    made, actual = judged(fitted(runs(40)), runs(20, seed=1))
    plain, _ = judged(fitted(runs(40), method="truncated"), runs(20, seed=1))
    error = numpy.abs([p.value for p in made] - actual).mean()
    assert error < 0.8 * numpy.abs([p.value for p in plain] - actual).mean()


FITTED_LOOKS = ("early_10", "early_20", "early_40", "early_60")


@pytest.mark.slow
@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_intervals_cover_runs_that_were_not_fitted_to(drift):
    covered = []
    for seed in range(4):
        forecaster = fitted(runs(30, seed=seed, drift=drift))
        fresh = runs(20, seed=100 + seed, drift=drift)
        for look in FITTED_LOOKS:
            made, actual = judged(forecaster, fresh, look=look)
            covered += [p.low <= a <= p.high for p, a in zip(made, actual, strict=True)]
    assert 0.85 <= numpy.mean(covered) <= 0.95


@pytest.mark.parametrize("method", ["truncated", "mean", "learning_rate"])
def test_intervals_of_baselines_cover_runs_that_were_not_fitted_to(method):
    covered = []
    for seed in range(6):
        forecaster = fitted(runs(30, seed=seed, drift=0.0, noise=0.3), method=method)
        made, actual = judged(forecaster, runs(20, seed=100 + seed, drift=0.0, noise=0.3))
        covered += [p.low <= a <= p.high for p, a in zip(made, actual, strict=True)]
    assert 0.85 <= numpy.mean(covered) <= 0.97


@pytest.mark.parametrize(("change", "taken"), [(-5.0, -5.0), (5.0, 2.0)], ids=["a gain", "a loss"])
def test_the_truncated_run_clips_losses_and_not_gains(change, taken):
    """A task that is far from what the base knows may gain more than the bound of losses."""
    every = runs(30)
    forecaster = fit_forecaster(
        every, calibration(every, bound=2.0), method="truncated", target=True
    )
    (one,) = cut(every[:1], "early_20")
    own = reading("target", {"early_20": change}, metric="nll_nats")
    assert forecaster.predict(Case(one.probe, own)).value == taken


def test_the_later_the_look_the_narrower_and_at_the_end_it_is_what_was_measured():
    forecaster, (one,) = fitted(runs(30)), runs(1, seed=5)
    widths = []
    for look in FITTED_LOOKS:
        (probe,) = (each.probe for each in cut([one], look))
        found = forecaster.predict(Case(probe, probe.capabilities[0]))
        widths.append(found.scale)
    assert widths == sorted(widths, reverse=True)
    ended = one.probe.model_copy(update={"clock": {**CLOCK, "early_60": 1.0}})
    found = forecaster.predict(Case(ended, ended.capabilities[0]))
    assert (found.value, found.scale) == (ended.capabilities[0].losses["early_60"], 0)
    assert found.standard_error == 0.01


@pytest.mark.parametrize(("groups", "freedom"), [(None, 59), (60, 59), (3, 2)])
def test_the_noise_of_items_is_as_wide_as_their_groups_are_few(groups, freedom):
    (one,) = runs(1, seed=5)
    ended = one.probe.model_copy(update={"clock": {**CLOCK, "early_60": 1.0}})
    own = ended.capabilities[0].model_copy(update={"num_items": 60, "num_groups": groups})
    found = fitted(runs(30)).predict(Case(ended.model_copy(update={"capabilities": (own,)}), own))
    ratio = scipy.stats.t.ppf(0.95, freedom) / scipy.stats.norm.ppf(0.95)
    assert found.standard_error == pytest.approx(0.01 * ratio)


def test_on_the_way_it_goes_from_what_was_measured_to_the_end():
    forecaster, (one,) = fitted(runs(30)), cut(runs(1, seed=5), "early_20")
    case = Case(one.probe, one.probe.capabilities[0])
    path = [forecaster.predict(case, share=share) for share in numpy.linspace(0.3, 1.0, 8)]
    assert path[0].value == one.probe.capabilities[0].losses["early_20"]
    assert path[0].scale == 0
    assert path[-1] == forecaster.predict(case)
    assert [p.scale for p in path] == sorted(p.scale for p in path)
    # Before the look nothing is predicted that was measured.
    assert forecaster.predict(case, share=0.1) == path[0]


def test_where_nothing_goes_on_the_probe_is_taken_as_it_is():
    finished = runs(20, drift=0.0, noise=0.3)
    forecaster, (one,) = fitted(finished), cut(runs(1, seed=5), "early_20")
    made = [forecaster.predict(Case(one.probe, c)) for c in one.probe.capabilities]
    assert [p.value for p in made] == [c.losses["early_20"] for c in one.probe.capabilities]
    assert {p.novelty for p in made} == {1.0}


def test_a_run_that_does_not_move_is_forecast_not_to():
    still, wild = (cut(runs(1, seed=5, scale=s), "early_20")[0].probe for s in (1e-4, 1.0))
    forecaster = fitted(runs(30))
    found, usual = (forecaster.predict(Case(p, p.capabilities[0])) for p in (still, wild))
    assert found.high - found.low < 0.2 * (usual.high - usual.low)
    assert abs(found.value) < 1e-3


def test_the_truncated_run_is_nothing_but_its_last_look():
    (one,) = runs(1, seed=3)
    forecaster = fitted(runs(12), method="truncated")
    for c in one.probe.capabilities:
        assert forecaster.predict(Case(one.probe, c)).value == c.losses["early_60"]


@pytest.mark.parametrize(("method", "share"), [("linear_in_steps", 0.2), ("linear_in_rate", 0.3)])
def test_a_straight_line_divides_by_its_clock(method, share):
    (one,) = cut(runs(1, seed=3), "early_20")
    c = min(one.probe.capabilities, key=lambda each: abs(each.losses["early_20"]))
    found = fitted(runs(12), method=method).predict(Case(one.probe, c))
    assert found.value == pytest.approx(min(3.0, c.losses["early_20"] / share))


def test_a_baseline_goes_to_its_end_in_a_straight_line():
    forecaster, (one,) = fitted(runs(12), method="mean"), cut(runs(1, seed=3), "early_20")
    case = Case(one.probe, one.probe.capabilities[0])
    start, half, end = (forecaster.predict(case, share=share).value for share in (0.3, 0.65, 1.0))
    assert start == pytest.approx(case.reading.losses["early_20"])
    assert half == pytest.approx((start + end) / 2)


def test_the_mean_is_that_of_all_cases():
    finished = runs(9)
    every = [min(3.0, one.final_losses[name]) for one in finished for name in NAMES]
    case = Case(finished[0].probe, finished[0].probe.capabilities[0])
    assert fitted(finished, method="mean").predict(case).value == pytest.approx(numpy.mean(every))


@pytest.mark.parametrize("method", ["driftline", "truncated", "mean"])
def test_losses_beyond_the_collapse_bound_count_as_the_bound(method):
    wild = [
        one.model_copy(update={"final_losses": dict.fromkeys(one.final_losses, 50.0)})
        for one in runs(12, scale=40.0)
    ]
    forecaster = fit_forecaster(wild, calibration(wild, bound=2.0), method=method)
    for one in wild:
        for c in one.probe.capabilities:
            found = forecaster.predict(Case(one.probe, c))
            assert found.value <= 2.0 + 1e-9
            if method == "driftline":
                assert found.high <= 2.0


@pytest.mark.parametrize(
    ("metric", "base", "lowest", "highest"),
    [
        ("probability", 0.1, -0.9, 0.1),
        ("probability", 1.0, 0.0, 1.0),
        ("accuracy", 0.25, -0.75, 0.25),
        ("margin_nats", 2.0, -3.0, 7.0),
        ("nll_nats", 2.0, -2.0, 9.0),
    ],
)
@pytest.mark.parametrize("seen", [-6.0, 0.0, 6.0])
def test_nothing_loses_more_than_it_has_or_gains_more_than_there_is(
    metric, base, lowest, highest, seen
):
    used = "probability" if metric == "accuracy" else metric
    finished = runs(12, metric=used)
    forecaster = fit_forecaster(finished, calibration(finished, bound=9.0))
    c = reading("a", dict.fromkeys(CLOCK, seen), metric=metric, error=2.0)
    c = c.model_copy(update={"base_value": base})
    probe = finished[0].probe.model_copy(update={"capabilities": (c,)})
    for share in (0.9, 1.0):
        found = forecaster.predict(Case(probe, c), share=share)
        assert lowest <= found.low <= found.value <= found.high <= highest
        assert found.exceeds(highest) == LEAST_CHANCE


@pytest.mark.parametrize(
    "change",
    [{"model_digest": "sha256:never seen"}, {"learning_rate": 1.0}, {"num_steps": 4000}],
    ids=str,
)
def test_a_run_unlike_all_others_gets_a_wider_forecast_that_says_so(change):
    # Here models differ, and configs do not.
    least = 1.2 if "model_digest" in change else 1.0
    finished = [
        *runs(20, noise=0.02, drift=0.0),
        *(
            each.model_copy(update={"run": f"other {each.run}"})
            for each in runs(20, seed=7, noise=1.0, drift=1.0, model="two")
        ),
    ]
    forecaster, probe = fitted(finished), finished[0].probe
    known, unseen = (
        forecaster.predict(Case(each, each.capabilities[0]))
        for each in (probe, probe.model_copy(update=change))
    )
    # Only the fit to the run's own model, if it has one, is a little different.
    assert unseen.value == pytest.approx(known.value, abs=0.01)
    assert unseen.scale >= least * known.scale
    assert known.novelty == 1.0
    assert unseen.novelty >= least


def test_the_target_is_fitted_by_itself():
    forecaster = fitted(runs(40), target=True)
    (one,) = cut(runs(1, seed=9), "early_20")
    found = forecaster.predict(Case(one.probe, one.probe.target))
    assert found.value == pytest.approx(one.final_losses["target"], abs=0.3)
    # Capabilities in the target's own metric are no kin of it.
    more = tuple(
        c.model_copy(update={"metric": "nll_nats", "losses": dict.fromkeys(c.losses, 2.9)})
        for c in one.probe.capabilities
    )
    crowded = one.probe.model_copy(update={"capabilities": more})
    assert forecaster.predict(Case(crowded, crowded.target)) == found


@pytest.mark.parametrize("method", ["driftline", "truncated", "mean"])
def test_too_few_runs_are_refused(method):
    assert fitted(runs(4), method=method)
    with pytest.raises(RunError, match="at least 4 finished runs to be fitted to, not 3"):
        fitted(runs(3), method=method)


@pytest.mark.parametrize("method", ["driftline", "truncated", "mean"])
def test_a_metric_of_too_few_runs_is_not_fitted(method):
    few = [
        one.model_copy(update={"run": f"few {one.run}"}) for one in runs(3, metric="probability")
    ]
    forecaster, alone = (fitted(each, method=method) for each in ([*runs(12), *few], runs(12)))
    case = Case(few[0].probe, few[0].probe.capabilities[0])
    with pytest.raises(RunError, match="measured in probability"):
        forecaster.predict(case)
    one = Case(runs(1)[0].probe, runs(1)[0].probe.capabilities[0])
    assert forecaster.predict(one).value == alone.predict(one).value
    assert fitted_metrics(calibration([*runs(12), *few]), method=method, probe="0.2") == (
        "margin_nats",
    )


def test_own_runs_of_one_task_can_be_forecast_from():
    own = [one.model_copy(update={"task": "mine"}) for one in runs(12)]
    made, actual = judged(fitted(own), runs(20, seed=3))
    covered = [p.low <= a <= p.high for p, a in zip(made, actual, strict=True)]
    assert numpy.mean(covered) > 0.8


@pytest.mark.parametrize("method", ["update_norm", "straight_line"])
def test_a_baseline_says_what_it_needs(method):
    forecaster, (one,) = fitted(runs(12), method=method), runs(1)
    bare = one.probe.capabilities[0].model_copy(update={"straight_line": None})
    probe = one.probe.model_copy(update={"update_norm": None})
    with pytest.raises(RunError, match=r"has no norm|did not look"):
        forecaster.predict(Case(probe, bare))


@pytest.mark.parametrize("method", ["driftline", "mean", "truncated"])
def test_a_metric_without_finished_runs_is_named(method):
    forecaster, (one,) = fitted(runs(12), method=method), runs(1)
    c = one.probe.capabilities[0].model_copy(update={"metric": "probability"})
    probe = one.probe.model_copy(update={"capabilities": (c,)})
    with pytest.raises(
        RunError, match=r"no 4 finished runs were measured in probability.* margin_nats"
    ):
        forecaster.predict(Case(probe, c))


@pytest.mark.parametrize("method", ["driftline", "mean", "truncated"])
@pytest.mark.parametrize("metric", [m.name for m in METRICS.values() if m.forecast_like])
def test_a_metric_that_is_like_another_takes_its_runs(metric, method):
    finished = runs(12, metric=METRICS[metric].forecast_like, scale=0.2, drift=0.0)
    forecaster, probe = fitted(finished, method=method), finished[0].probe
    alike = tuple(c.model_copy(update={"metric": metric}) for c in probe.capabilities)
    own, like = (
        forecaster.predict(Case(each, each.capabilities[0]))
        for each in (probe, probe.model_copy(update={"capabilities": alike}))
    )
    assert own == like


def test_metrics_are_fitted_apart():
    both = [
        one.model_copy(
            update={
                "probe": one.probe.model_copy(
                    update={"capabilities": (*one.probe.capabilities, *other.probe.capabilities)}
                )
            }
        )
        for one, other in zip(
            runs(12), runs(12, seed=4, drift=2.0, metric="probability"), strict=True
        )
    ]
    forecaster, alone = fitted(both), fitted(runs(12))
    assert isinstance(forecaster, DriftForecaster)
    assert set(forecaster.models) == {"margin_nats", "probability"}
    assert forecaster.models["margin_nats"] == alone.models["margin_nats"]
    case = Case(both[0].probe, both[0].probe.capabilities[0])
    for method in BASELINES:
        together, apart = (fitted(each, method=method) for each in (both, runs(12)))
        assert together.predict(case) == apart.predict(case)


def test_no_more_is_seen_than_the_probe_shows():
    early, late = (fitted(runs(30), method="truncated", probe=probe) for probe in ("0.1", "0.6"))
    worse, better = (each.fits["margin_nats"] for each in (early, late))
    assert worse.floor + worse.share > better.floor + better.share


def test_looks_within_the_warm_up_are_not_fitted_to():
    finished = runs(12)
    wild = [
        one.model_copy(
            update={
                "probe": one.probe.model_copy(
                    update={
                        "capabilities": tuple(
                            c.model_copy(update={"losses": {**c.losses, "early_5": 2.9}})
                            for c in one.probe.capabilities
                        )
                    }
                )
            }
        )
        for one in finished
    ]
    assert fitted(wild).models == fitted(finished).models


def test_other_units_stay_out_of_how_far_a_run_moves():
    forecaster, (one,) = fitted(runs(30)), runs(1, seed=4)
    first, second, *rest = one.probe.capabilities
    wild = second.model_copy(
        update={"metric": "accuracy", "losses": dict.fromkeys(second.losses, 2.5)}
    )
    with_it, without = (
        one.probe.model_copy(update={"capabilities": (first, *more, *rest)})
        for more in ((wild,), ())
    )
    assert forecaster.predict(Case(with_it, first)) == forecaster.predict(Case(without, first))


def test_runs_that_share_their_errors_are_correlated():
    apart, together = runs(30, noise=0.2), []
    generator = numpy.random.default_rng(8)
    for one in runs(30, noise=0.0):
        shift = float(generator.normal(0, 0.3))
        ends = {name: loss + shift for name, loss in one.final_losses.items()}
        together.append(one.model_copy(update={"final_losses": ends}))
    assert fitted(apart).correlation < 0.3
    assert 0.5 < fitted(together).correlation <= 0.95


@pytest.mark.parametrize("method", BASELINES)
def test_every_baseline_can_be_fitted(method):
    forecaster, (one,) = fitted(runs(12), method=method), runs(1, seed=2)
    found = forecaster.predict(Case(one.probe, one.probe.capabilities[0]))
    assert found.low < found.value < found.high
    assert forecaster.correlation == 0


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("num_steps", [1, 2, 5, 10, 40, 97, 500])
def test_looks_ascend_to_the_share_of_the_steps_that_is_probed(probe, num_steps):
    looks = PROBES[probe]
    shares = [LOOK_SHARES[look] for look in looks]
    assert shares == sorted(shares)
    assert shares[-1] == float(probe)
    steps = [early_step(look, num_steps) for look in looks]
    assert steps == sorted(steps)
    assert 1 <= steps[0] <= steps[-1] <= num_steps
    assert abs(steps[-1] - num_steps * float(probe)) <= 0.5 or steps[-1] == 1
