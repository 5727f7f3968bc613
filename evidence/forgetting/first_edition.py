"""The first edition of the forecaster, as it was judged on this benchmark.

From what a probe saw to the loss at the end of the run, with an interval.

The probe's own loss, as it is, is where a forecast starts. A Gaussian process says how finished runs
went on from there. Each capability of each run is a case; its inputs are the losses that the probe
saw, of the capability itself and on average over all capabilities of the run. Far from all finished
runs the process says nothing, so that the forecast falls back to the probe's loss, with a larger
deviation, and the interval grows with it. Where it does not make errors on tasks left out
smaller, nothing is added to the probe's loss:

    half = q * sqrt(deviation^2 + (floor + share * |prediction|)^2)

`floor` and `share` are fitted, and q is the conformal quantile, to what the process gets wrong on
tasks that were left out. The rivals go the same way with other inputs, and a straight line.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from driftline.analyses import FinishedRun, ForecastCalibration
from driftline.errors import RunError
from driftline.metrics import METRICS
from driftline.results import CapabilityReading, Look, ProbeReading
from driftline.stats import conformal_quantile

from .first_rivals import AS_IT_IS, RIVALS, Case, Inputs, Method, nothing
from .gaussian_process import GaussianProcess, fit_gaussian_process
from .interval_scale import fit_scale

CONFIDENCE_LEVEL = 0.9

Probe = Literal["0.05", "0.1", "0.2", "0.3"]
"""The share of the planned steps that a probe trains."""
PROBES: dict[Probe, tuple[Look, ...]] = {
    "0.05": ("early_5",),
    "0.1": ("replica_10",),
    "0.2": ("early_20",),
    "0.3": ("early_20", "replica_10"),
}


@dataclass(frozen=True)
class LossForecast:
    """A predicted loss at the end of the run, positive is worse."""

    value: float
    low: float
    high: float
    novelty: float | None = None
    """How unsure the fit is of such a case, as a multiple of how unsure it is of a finished run's in
    the middle: 1 is usual, 3 is far from everything that was calibrated on. None where nothing was
    learnt, so that every case is alike."""


_FEWEST_CASES = 3
FEWEST_RUNS = 4
"""To fit to: each is left out once, and three must remain."""


def looks_inputs(looks: Sequence[Look]) -> Inputs:
    """What our forecast predicts from, for a probe with these looks.

    Args:
        looks: Of the probe.

    Returns:
        The capability's own losses, and their means over the run's capabilities in nats.
    """

    def inputs(case: Case, bound: float) -> list[float]:
        found = []
        for look in looks:
            losses = [
                _clipped(c.losses[look], bound)
                for c in case.probe.capabilities
                if c.metric in METRICS and METRICS[c.metric].is_in_nats
            ] or [_clipped(case.reading.losses[look], bound)]
            found += [_clipped(case.reading.losses[look], bound), float(numpy.mean(losses))]
        return found

    return inputs


def start_of(looks: Sequence[Look]) -> Inputs:
    """Where our forecast starts from: the mean of a probe's last early look and its replica.

    Args:
        looks: Of the probe.

    Returns:
        One number: the loss there.
    """
    last = start_looks(looks)

    def start(case: Case, bound: float) -> list[float]:
        return [float(numpy.mean([_clipped(case.reading.losses[look], bound) for look in last]))]

    return start


def start_looks(looks: Sequence[Look]) -> tuple[Look, ...]:
    """The looks whose mean is where our forecast starts: the last early one and the replica."""
    early = [look for look in looks if look.startswith("early")][-1:]
    return (*early, *(look for look in looks if not look.startswith("early")))


def _from_zero(_case: Case, _bound: float) -> list[float]:
    return [0.0]


@dataclass(frozen=True)
class Forecaster:
    """A method fitted to finished runs, for capabilities or for targets."""

    inputs: Inputs
    start: Inputs
    """Of which the first number is added to what is fitted."""
    bound: float
    fitted: "GaussianProcess | _Line | None"
    """None where nothing is added: the start is the prediction."""
    floor: float
    share: float
    quantile: float
    usual_deviation: float
    confidence_level: float
    on_other_models: bool
    """The interval is from errors on models that were left out. Fits to so different cases differ in
    how unsure they are, so the deviation does not count there."""

    def predict(self, case: Case) -> LossForecast:
        """Predict the loss of one capability at the end of its run.

        Args:
            case: What the probe saw.

        Returns:
            The prediction with its interval; value within the collapse bound.
        """
        start = self.start(case, self.bound)[0]
        value, deviation = _predict(self.fitted, [self.inputs(case, self.bound)])
        mean, unsure = _clipped(start + float(value[0]), self.bound), float(deviation[0])
        counted = 0.0 if self.on_other_models else unsure
        half = self.quantile * math.hypot(counted, self.floor + self.share * abs(mean))
        novelty = unsure / self.usual_deviation if self.usual_deviation > 0 else None
        return LossForecast(mean, mean - half, mean + half, novelty)


class _Line(NamedTuple):
    """A least-squares line with a little ridge."""

    centre: Float[ndarray, " features"]
    slope: Float[ndarray, " features"]
    level: float


def fit_forecaster(
    runs: Sequence[FinishedRun],
    calibration: ForecastCalibration,
    *,
    method: Method = "driftline",
    probe: Probe = "0.2",
    target: bool = False,
    unseen_model: bool = False,
    confidence_level: float = CONFIDENCE_LEVEL,
    looks: tuple[Look, ...] | None = None,
) -> Forecaster:
    """Fit a method to finished runs.

    Cost: a second or two for some sixty runs of ten capabilities.

    Args:
        runs: To fit to; those that lack what the method looks at are passed over.
        calibration: Where they are from; it has the collapse bound.
        method: Ours, or a rival's name.
        probe: What the probe may cost.
        target: Predict the run's own task instead of the capabilities.
        unseen_model: Have the intervals hold on a model that no run is of: errors are those on models
            left out, where the runs are of more than one.
        looks: That the method may see; those of the probe by default.
        confidence_level: Of the intervals; where there are too few cases for it, as high as they allow.

    Returns:
        The forecaster.

    Raises:
        RunError: There are too few runs.
    """
    seen = PROBES[probe] if looks is None else looks
    runs = [_cut(run, seen) for run in runs if _has_inputs(run, method, target=target)]
    if len(runs) < FEWEST_RUNS:
        raise RunError(
            f"a forecast needs at least {FEWEST_RUNS} finished runs to be fitted to, not {len(runs)}"
        )
    inputs, start = inputs_and_start(method, probe)
    bound = calibration.collapse_bound
    cases, x, y, starts = cases_of(runs, inputs, start, bound=bound, target=target)
    fitted = _fit(method, x, y - starts)
    groups = _groups(cases, unseen_model)
    rise, deviation = _left_out(method, fitted, x, y - starts, groups=groups)
    left_out = (starts + rise).clip(-bound, bound)
    if isinstance(fitted, GaussianProcess) and not _helps(left_out, starts, y):
        fitted, left_out, deviation = None, starts, numpy.zeros(len(y))
    errors = numpy.abs(left_out - y)
    on_other_models = groups[0] == cases[0][0].probe.model_digest
    counted = numpy.zeros(len(y)) if on_other_models else deviation
    floor, share = fit_scale(errors, left_out, counted)
    scores = errors / numpy.hypot(counted, floor + share * numpy.abs(left_out))
    level = min(confidence_level, len(scores) / (len(scores) + 1))
    return Forecaster(
        inputs,
        start,
        bound,
        fitted,
        floor,
        share,
        conformal_quantile(scores, confidence_level=level),
        float(numpy.median(deviation)),
        level,
        on_other_models,
    )


class Cases(NamedTuple):
    """Finished runs, capability by capability, as a fit takes them."""

    cases: list[tuple[FinishedRun, CapabilityReading]]
    inputs: Float[ndarray, "cases features"]
    losses: Float[ndarray, " cases"]
    """At the end of the run, within the collapse bound."""
    starts: Float[ndarray, " cases"]
    """Return the value from which the prediction starts."""


def cases_of(
    runs: Sequence[FinishedRun], inputs: Inputs, start: Inputs, *, bound: float, target: bool
) -> Cases:
    """Lay finished runs out as the cases of a fit."""
    cases = [(run, reading) for run in runs for reading in _readings(run, target=target)]
    x = numpy.array([inputs(Case(run.probe, r), bound) for run, r in cases], dtype=float)
    return Cases(
        cases,
        x.reshape(len(cases), -1),
        numpy.array([_clipped(run.final_losses[r.capability], bound) for run, r in cases]),
        numpy.array([start(Case(run.probe, r), bound)[0] for run, r in cases]),
    )


def inputs_and_start(method: Method, probe: Probe) -> tuple[Inputs, Inputs]:
    """What a method learns from, and the prediction that it starts from."""
    if method == "driftline":
        return looks_inputs(PROBES[probe]), start_of(PROBES[probe])
    return (nothing, RIVALS[method]) if method in AS_IT_IS else (RIVALS[method], _from_zero)


def _helps(
    corrected: Float[ndarray, " cases"],
    starts: Float[ndarray, " cases"],
    actual: Float[ndarray, " cases"],
) -> bool:
    """Whether what was learnt makes errors on groups that were left out smaller."""
    return float(((corrected - actual) ** 2).sum()) < float(((starts - actual) ** 2).sum())


def _has_inputs(run: FinishedRun, method: Method, *, target: bool) -> bool:
    """Whether a finished run has what a method looks at, and what it predicts."""
    reading = run.probe.target
    return (
        (not target or "target" in run.final_losses)
        and (method != "straight_line" or reading.straight_line is not None)
        and (method != "update_norm" or run.probe.update_norm is not None)
    )


def _cut(run: FinishedRun, looks: tuple[Look, ...]) -> FinishedRun:
    """A finished run of which no more is seen than these looks."""
    return run.model_copy(update={"probe": seen_by(run.probe, looks)})


def seen_by(probe: ProbeReading, looks: tuple[Look, ...]) -> ProbeReading:
    """A reading of which no more is left than some looks.

    Args:
        probe: The reading.
        looks: Those to be left.

    Returns:
        The smaller reading.
    """

    def cut(reading: CapabilityReading) -> CapabilityReading:
        losses = {look: loss for look, loss in reading.losses.items() if look in looks}
        return reading.model_copy(update={"losses": losses})

    return probe.model_copy(
        update={
            "target": cut(probe.target),
            "capabilities": tuple(cut(c) for c in probe.capabilities),
        }
    )


def _readings(run: FinishedRun, *, target: bool) -> tuple[CapabilityReading, ...]:
    readings = (run.probe.target,) if target else run.probe.capabilities
    return tuple(r for r in readings if r.capability in run.final_losses)


def _groups(
    cases: Sequence[tuple[FinishedRun, CapabilityReading]],
    unseen_model: bool,
) -> list[str]:
    """What is left out together: tasks, or single runs where too little would be left."""
    kinds = [
        [run.task for run, _ in cases],
        [run.run for run, _ in cases],
    ]
    if unseen_model:
        kinds.insert(0, [run.probe.model_digest for run, _ in cases])
    return next((kind for kind in kinds if _leaves_enough(kind)), kinds[-1])


def _leaves_enough(groups: Sequence[str]) -> bool:
    """Whether there are groups, and without any of them enough cases for a fit."""
    counts = Counter(groups)
    return len(counts) > 1 and len(groups) - max(counts.values()) >= _FEWEST_CASES


def _fit(
    method: Method, x: Float[ndarray, "cases features"], y: Float[ndarray, " cases"]
) -> "GaussianProcess | _Line | None":
    if method in AS_IT_IS:
        return None
    if method == "driftline":
        return fit_gaussian_process(x, y)
    centre = x.mean(axis=0)
    centred = x - centre
    normal = centred.T @ centred + 1e-6 * numpy.eye(x.shape[1])
    return _Line(centre, numpy.linalg.solve(normal, centred.T @ (y - y.mean())), float(y.mean()))


def _predict(
    fitted: "GaussianProcess | _Line | None", inputs: Sequence[Sequence[float]]
) -> tuple[Float[ndarray, " cases"], Float[ndarray, " cases"]]:
    x = numpy.array(inputs, dtype=float).reshape(len(inputs), -1)
    zeros = numpy.zeros(len(x))
    if fitted is None:
        return zeros, zeros
    if isinstance(fitted, _Line):
        return fitted.level + (x - fitted.centre) @ fitted.slope, zeros
    return fitted.predict(x)


def _left_out(
    method: Method,
    fitted: "GaussianProcess | _Line | None",
    x: Float[ndarray, "cases features"],
    y: Float[ndarray, " cases"],
    *,
    groups: Sequence[str],
) -> tuple[Float[ndarray, " cases"], Float[ndarray, " cases"]]:
    """Predictions of each group, with their deviations, by a fit to the others."""
    predicted, deviation = numpy.zeros(len(y)), numpy.zeros(len(y))
    of_case = numpy.array(groups)
    for group in sorted(set(groups)):
        own = of_case == group
        if isinstance(fitted, GaussianProcess):
            # The kernel is that of all: only what it is told differs.
            others: GaussianProcess | _Line | None = fit_gaussian_process(
                x[~own], y[~own], kernel=fitted.kernel
            )
        else:
            others = _fit(method, x[~own], y[~own])
        predicted[own], deviation[own] = _predict(others, x[own].tolist())
    return predicted, deviation


def _clipped(loss: float, bound: float) -> float:
    return float(min(bound, max(-bound, loss)))
