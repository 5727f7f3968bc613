"""The forecaster: predicts the loss at the end of a run, or on its way, from its probe's readings.

The loss that was measured at the probe's last look is where a forecast starts; `_drift` says how
finished runs went on from there, metric by metric. The baselines start elsewhere (`_baselines`), and the
scale of their errors is fitted to the same runs.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import scipy.stats

from ...choices import Method, Probe
from ...errors import RunError
from ...metrics import METRICS
from ...results import CapabilityReading, Look, ProbeReading
from ..probing import CONFIDENCE_LEVEL
from ._baselines import Baseline, Case, fit_baseline, usable_readings
from ._calibration import FEWEST_RUNS, FinishedRun, ForecastCalibration, fitted_metric
from ._drift import DriftModel
from ._fit_drift import FinishedCell, common_correlation, fit_drift
from ._looks import LOOK_SHARES, PROBES, last_look, movements, tells_item_spread
from ._loss_forecast import LossForecast

_NOT_SHOWN = ", not shown"
_EARLIEST_FITTED = 0.1
"""Share of the steps. Before it the warm-up is all that there is, and errors are of another kind."""


class Forecaster(Protocol):
    """A method, fitted to finished runs."""

    @property
    def correlation(self) -> float:
        """Correlation of two capabilities' errors in one run, as normal scores."""

    def predict(self, case: Case, *, share: float = 1.0) -> LossForecast:
        """Predict the loss of one capability.

        Args:
            case: What the probe saw.
            share: Of the run's summed learning rate, where the loss is wanted; 1 is the end.

        Returns:
            The prediction.
        """


@dataclass(frozen=True)
class DriftForecaster:
    """Driftline's own method."""

    models: Mapping[str, DriftModel]
    """The drift model of each kind of capability in the finished runs, for runs of any model."""
    own: Mapping[str, Mapping[str, DriftModel]]
    """By kind and by the digest of a model: with growth and healing that hold for its runs."""
    bound: float
    correlation: float
    calibration: ForecastCalibration
    _by_metric: dict[str | None, ForecastCalibration] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def predict(self, case: Case, *, share: float = 1.0) -> LossForecast:
        """Predict the loss of one capability; the interface says more."""
        probe, reading, is_unlike = case
        look = last_look(reading.losses)
        own = [c for c in (*probe.capabilities, probe.target) if _kin(c, reading, probe)]
        is_target = reading is probe.target
        bound = self._bound(reading)
        seen = movements(own, look, share=probe.clock[look], bound=bound, is_target=is_target)
        movement = seen[reading.capability]
        metric = None if is_target else reading.metric
        novelty = "model" if is_unlike else self._fitted_in(metric).novelty(probe)
        model = self._model(reading, look, None if novelty in ("model", "both") else probe)
        further, scale = model.after(movement, max(share, movement.share), novelty=novelty)
        smallest, largest = _possible(reading, bound)
        return LossForecast(
            min(largest, max(smallest, movement.loss + further)),
            scale,
            movement.standard_error * _student(reading.num_groups or reading.num_items),
            novelty=model.spread_of(novelty) / model.spread,
            smallest=smallest,
            largest=largest,
        )

    def _model(
        self, reading: CapabilityReading, look: Look, known: ProbeReading | None
    ) -> DriftModel:
        """Choose the fit: that of the run's own model where it has one and the reading says how far items moved."""
        fitted = {name.removesuffix(_NOT_SHOWN) for name in self.models}
        metric = fitted_metric(reading.metric, fitted)
        names = [kind(metric, is_shown=each) for each in (reading.is_shown, not reading.is_shown)]
        name = next(name for name in names if name in self.models)
        # What is like a metric is not it: right or wrong answers move in jumps.
        own = self.own.get(name, {}) if name == names[0] and metric == reading.metric else {}
        if known is not None and known.model_digest in own and tells_item_spread(reading, look):
            return own[known.model_digest]
        return self.models[name]

    def _fitted_in(self, metric: str | None) -> ForecastCalibration:
        if metric not in self._by_metric:
            self._by_metric[metric] = self.calibration.fitted_in(metric)
        return self._by_metric[metric]

    def _bound(self, reading: CapabilityReading) -> float:
        return self.bound if _is_in_nats(reading.metric) else math.inf


def _student(num_groups: int | None) -> float:
    """Return the factor that makes a normal 90 % interval one of t, whose error is estimated too."""
    if num_groups is None or num_groups < 2:
        return 1.0
    level = (1 + CONFIDENCE_LEVEL) / 2
    ratio = scipy.stats.t.ppf(level, num_groups - 1) / scipy.stats.norm.ppf(level)
    return float(ratio)


def _possible(reading: CapabilityReading, bound: float) -> tuple[float, float]:
    """Find the smallest and the largest loss that there can be: no more than the base has."""
    metric = METRICS.get(reading.metric)
    if metric is None:
        return -math.inf, bound
    down, up = (abs(end - reading.base_value) for end in metric.bounds)
    gain, loss = (up, down) if metric.higher_is_better else (down, up)
    return -gain, min(loss, bound)


def _kin(other: CapabilityReading, reading: CapabilityReading, probe: ProbeReading) -> bool:
    """Tell whether two readings are of one kind: both the target, or capabilities of one metric."""
    if reading is probe.target or other is probe.target:
        return other is reading
    return (other.metric, other.is_shown) == (reading.metric, reading.is_shown)


def kind(metric: str, *, is_shown: bool) -> str:
    """Name what goes on alike: capabilities of one metric that the base is shown to have, or those that it is not.

    Args:
        metric: Of a capability.
        is_shown: The base is shown to have it.
    """
    return metric if is_shown else metric + _NOT_SHOWN


def _is_in_nats(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].is_in_nats


def fit_forecaster(
    runs: Sequence[FinishedRun],
    calibration: ForecastCalibration,
    *,
    method: Method = "driftline",
    probe: Probe = "0.2",
    target: bool = False,
) -> Forecaster:
    """Fit a method to finished runs.

    Cost: some seconds for a hundred runs of ten capabilities.

    Args:
        runs: To fit to; those that lack what the method looks at are passed over.
        calibration: Where they are from; it has the collapse bound.
        method: Ours, or a baseline's name.
        probe: The probe of a baseline; ours is fitted to all looks together.
        target: Predict the run's own task instead of the capabilities.

    Returns:
        The forecaster.

    Raises:
        RunError: There are too few runs.
    """
    if method != "driftline":
        baseline: Baseline = fit_baseline(
            runs, calibration, method=method, looks=PROBES[probe], target=target
        )
        return baseline
    cells = _cells(runs, calibration.collapse_bound, target=target)
    models, own_models, scores = {}, {}, defaultdict(list)
    for name, own in cells.items():
        fitted = [cell for cell in own if not cell.held_aside]
        if len({cell.run for cell in fitted}) < FEWEST_RUNS:
            continue
        aside = [cell for cell in own if cell.held_aside]
        result = fit_drift(fitted, aside, grows_everywhere=target)
        models[name] = result.model
        if result.own:
            own_models[name] = result.own
        for cell, score in zip(fitted, result.scores.tolist(), strict=True):
            scores[f"{cell.run}/{cell.look} {name}"].append(score)
    if not models:
        raise RunError(
            f"a forecast needs at least {FEWEST_RUNS} finished runs to be fitted to, not {len(runs)}"
        )
    return DriftForecaster(
        models, own_models, calibration.collapse_bound, common_correlation(scores), calibration
    )


def fitted_metrics(
    calibration: ForecastCalibration, *, method: Method, probe: Probe
) -> tuple[str, ...]:
    """List the metrics that a method would be fitted in, without fitting it."""
    counts: Counter[str] = Counter()
    for run in calibration.fitted_in(None).runs:
        if method != "driftline":
            usable = usable_readings(run, method, PROBES[probe], target=False)
            counts.update({reading.metric for reading in usable})
        elif _fitted_looks(run.probe):
            counts.update({metric for metric, _ in _readings(run, target=False)})
    return tuple(sorted(metric for metric, count in counts.items() if count >= FEWEST_RUNS))


def _cells(
    runs: Iterable[FinishedRun], bound: float, *, target: bool
) -> dict[str, list[FinishedCell]]:
    """Lay finished runs out as cells, by kind of capability."""
    cells: dict[str, list[FinishedCell]] = defaultdict(list)
    for run in runs:
        for (metric, is_shown), readings in _readings(run, target=target).items():
            for look in _fitted_looks(run.probe):
                result = movements(
                    readings,
                    look,
                    share=run.probe.clock[look],
                    bound=bound if _is_in_nats(metric) else math.inf,
                    is_target=target,
                )
                cells[kind(metric, is_shown=is_shown)] += [
                    FinishedCell(
                        movement,
                        _clipped(run.final_losses[name], metric, bound) - movement.loss,
                        run.task,
                        run.probe.model_digest,
                        run.run,
                        look,
                        f"{'adapter' if run.probe.adapter else 'full'} {run.probe.learning_rate:g}",
                        run.held_aside,
                    )
                    for name, movement in result.items()
                ]
    return dict(cells)


def _clipped(loss: float, metric: str, bound: float) -> float:
    """Clip a loss in nats at the collapse bound; a gain is not clipped."""
    return min(bound, loss) if _is_in_nats(metric) else loss


def _fitted_looks(probe: ProbeReading) -> list[Look]:
    return [
        look
        for look, share in LOOK_SHARES.items()
        if share >= _EARLIEST_FITTED and 0 < probe.clock.get(look, 0.0) < 1
    ]


def _readings(run: FinishedRun, *, target: bool) -> dict[tuple[str, bool], list[CapabilityReading]]:
    """List the readings whose end is known, by metric and by whether the base is shown to have them."""
    result: dict[tuple[str, bool], list[CapabilityReading]] = defaultdict(list)
    for reading in (run.probe.target,) if target else run.probe.capabilities:
        if reading.capability in run.final_losses:
            result[reading.metric, reading.is_shown].append(reading)
    return result


def seen_by(probe: ProbeReading, looks: tuple[Look, ...]) -> ProbeReading:
    """Cut a reading down to some looks.

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
