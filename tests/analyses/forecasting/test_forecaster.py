"""Forecasts from finished runs: what is fitted, what is as it is, and how wide intervals are."""

import numpy
import pytest

from driftline.analyses import (
    PROBES,
    RIVALS,
    Case,
    FinishedRun,
    ForecastCalibration,
    fit_forecaster,
    shipped_calibration,
)
from driftline.errors import RunError
from driftline.results import CapabilityReading, ProbeReading

NAMES = ("a", "b", "c", "d", "e")


def reading(name, early, replica, straight=0.0):
    losses = {"early_5": early / 4, "early_10": early / 2, "early_20": early, "replica_10": replica}
    return CapabilityReading(
        capability=name, metric="margin_nats", base_value=2.0, losses=losses, straight_line=straight
    )


def run(number, generator, *, rise=0.6, noise=0.05, model="one"):
    """A run whose losses end at `rise` above what its first fifth saw, for all alike."""
    early = generator.normal(0.3, 0.4, size=len(NAMES) + 1)
    final = early + rise * numpy.tanh(early) + noise * generator.normal(size=len(early))
    rows = [
        reading(name, float(e), float(e) + 0.1)
        for name, e in zip((*NAMES, "target"), early, strict=True)
    ]
    probe = ProbeReading(
        model=model,
        model_digest=f"sha256:{model}",
        adapter=False,
        learning_rate=10.0 ** -(3 + number % 3),
        num_steps=40,
        clock={"early_5": 0.02, "early_10": 0.1, "early_20": 0.3},
        update_norm=0.01 * (1 + number % 4),
        target=rows[-1],
        capabilities=tuple(rows[:-1]),
    )
    losses = dict(zip((*NAMES, "target"), map(float, final), strict=True))
    return FinishedRun(
        run=f"run {number}", task=f"task {number % 5}", probe=probe, final_losses=losses
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


def judged(forecaster, finished):
    pairs = [
        (forecaster.predict(Case(one.probe, c)), one.final_losses[c.capability])
        for one in finished
        for c in one.probe.capabilities
    ]
    return [p for p, _ in pairs], numpy.array([a for _, a in pairs])


def test_what_finished_runs_did_after_the_probe_is_learnt():
    made, actual = judged(fitted(runs(40)), runs(20, seed=1))
    plain, _ = judged(fitted(runs(40), method="truncated"), runs(20, seed=1))
    error = numpy.abs([p.value for p in made] - actual).mean()
    assert error < 0.4 * numpy.abs([p.value for p in plain] - actual).mean()


@pytest.mark.parametrize("method", ["driftline", "truncated", "mean", "learning_rate"])
def test_intervals_cover_runs_that_were_not_fitted_to(method):
    covered = []
    for seed in range(6):
        made, actual = judged(fitted(runs(30, seed=seed), method=method), runs(20, seed=100 + seed))
        covered += [p.low <= a <= p.high for p, a in zip(made, actual, strict=True)]
    assert 0.85 <= numpy.mean(covered) <= 0.97


def test_where_nothing_can_be_learnt_the_probe_is_taken_as_it_is():
    finished = runs(20, rise=0.0, noise=0.3)
    forecaster, (one,) = fitted(finished), runs(1, seed=5)
    made = [forecaster.predict(Case(one.probe, c)) for c in one.probe.capabilities]
    assert [p.value for p in made] == [c.losses["early_20"] for c in one.probe.capabilities]
    assert {p.novelty for p in made} == {None}


def test_far_from_all_runs_the_probe_is_taken_as_it_is_with_a_wider_interval():
    forecaster, (usual,) = fitted(runs(40)), runs(1, seed=5)
    far = usual.probe.model_copy(
        update={"capabilities": tuple(reading(n, -2.9, -2.9) for n in NAMES)}
    )
    near, strange = (forecaster.predict(Case(p, p.capabilities[0])) for p in (usual.probe, far))
    assert strange.value == pytest.approx(-2.9, abs=0.1)
    assert strange.high - strange.low > near.high - near.low
    assert strange.novelty > 2 * near.novelty


def test_the_truncated_run_is_nothing_but_its_last_look():
    (one,) = runs(1, seed=3)
    forecaster = fitted(runs(12), method="truncated")
    for c in one.probe.capabilities:
        assert forecaster.predict(Case(one.probe, c)).value == c.losses["early_20"]


@pytest.mark.parametrize(("method", "share"), [("linear_in_steps", 0.2), ("linear_in_rate", 0.3)])
def test_a_straight_line_divides_by_its_clock(method, share):
    (one,) = runs(1, seed=3)
    c = min(one.probe.capabilities, key=lambda each: abs(each.losses["early_20"]))
    found = fitted(runs(12), method=method).predict(Case(one.probe, c))
    assert found.value == pytest.approx(min(3.0, c.losses["early_20"] / share))


def test_the_mean_is_that_of_all_cases():
    finished = runs(9)
    every = [one.final_losses[name] for one in finished for name in NAMES]
    case = Case(finished[0].probe, finished[0].probe.capabilities[0])
    assert fitted(finished, method="mean").predict(case).value == pytest.approx(numpy.mean(every))


def test_losses_beyond_the_collapse_bound_count_as_the_bound():
    finished = runs(12)
    wild = [
        one.model_copy(update={"final_losses": dict.fromkeys(one.final_losses, 50.0)})
        for one in finished
    ]
    forecaster = fit_forecaster(wild, calibration(wild, bound=2.0))
    value = forecaster.predict(Case(wild[0].probe, wild[0].probe.capabilities[0])).value
    assert value == pytest.approx(2.0, abs=0.1)


def test_an_unseen_model_widens_intervals_where_models_differ():
    finished = [*runs(20), *(r.model_copy(update={"run": f"other {r.run}"}) for r in
                             runs(20, seed=7, rise=-1.5, model="two"))]  # fmt: skip
    case = Case(finished[0].probe, finished[0].probe.capabilities[0])
    known, unseen = (fitted(finished, unseen_model=flag).predict(case) for flag in (False, True))
    assert unseen.high - unseen.low > 1.2 * (known.high - known.low)


def test_the_target_is_fitted_by_itself():
    forecaster = fitted(runs(40), target=True)
    (one,) = runs(1, seed=9)
    assert forecaster.predict(Case(one.probe, one.probe.target)).value == pytest.approx(
        one.final_losses["target"], abs=0.3
    )


def test_few_cases_lower_the_level_and_too_few_runs_are_refused():
    assert fitted(runs(4), target=True).confidence_level == pytest.approx(0.8)
    with pytest.raises(RunError, match="at least 4 finished runs"):
        fitted(runs(3))


@pytest.mark.parametrize("method", ["truncated", "linear_in_steps", "update_norm", "straight_line"])
def test_a_method_says_what_it_needs(method):
    forecaster, (one,) = fitted(runs(12), method=method), runs(1)
    bare = one.probe.capabilities[0].model_copy(
        update={"losses": {"replica_10": 0.1}, "straight_line": None}
    )
    probe = one.probe.model_copy(update={"update_norm": None})
    with pytest.raises(RunError, match=r"needs the start|did not look"):
        forecaster.predict(Case(probe, bare))


@pytest.mark.parametrize("probe", PROBES)
def test_the_shipped_runs_have_every_look(probe):
    shipped = shipped_calibration()
    assert shipped.with_looks(PROBES[probe]) == shipped.runs
    forecaster = fit_forecaster(shipped.runs, shipped, probe=probe)
    found = forecaster.predict(Case(shipped.runs[0].probe, shipped.runs[0].probe.capabilities[0]))
    assert found.low < found.value < found.high


def test_no_more_is_seen_than_the_probe_shows():
    early, late = (fitted(runs(30), method="truncated", probe=probe) for probe in ("0.05", "0.2"))
    assert early.floor + early.share > late.floor + late.share


def test_other_units_stay_out_of_the_mean():
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


def test_few_cases_a_group_are_left_out_run_by_run():
    few = [
        one.model_copy(update={"task": task, "final_losses": {"a": one.final_losses["a"]}})
        for task, one in zip("aabc", runs(4), strict=True)
    ]
    assert fitted(few).quantile > 0


def test_every_rival_can_be_fitted_to_the_shipped_runs():
    shipped = shipped_calibration()
    complete = [r for r in shipped.runs if r.probe.update_norm is not None]
    for method in RIVALS:
        assert fit_forecaster(complete, shipped, method=method).quantile > 0
