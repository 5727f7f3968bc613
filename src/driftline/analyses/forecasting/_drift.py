"""The drift model: predicts a loss after a look at the run, on the path and at its end.

Let D be the loss of a capability that was measured after a share u of the run's summed learning rate,
and m the root mean square of D over the run's capabilities. At a later share v

    loss(v) = D + f * drift * (v - u) / u * D'  +  t * scale
    scale^2 = f * (v - u) / u * (shared^2 m^2 + own^2 D^2 + item^2 s^2)
    f       = 1 / (1 + m / saturation)

D' is D pulled towards the mean of the run's capabilities, as far as its standard error se asks for, s is
the standard deviation of the losses of single items, se times the root of their number, and t has 4
degrees of freedom. So what comes after shrinks to nothing as nothing moves and as the end comes
near, and levels off where much was lost already. The five numbers are fitted to finished runs.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy
import scipy.optimize
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ...results import Value
from ...stats import conformal_quantile, on_one_thread
from ._calibration import FEWEST_RUNS, Novelty
from ._looks import Movement as Movement
from ._looks import movements as movements
from ._loss_forecast import DEGREES_OF_FREEDOM

LEVEL = 0.9
"""Share of the cells left out that an interval of this level covers, by `spread`."""
_SMALLEST = 1e-9
"""A scale below this is taken for this, so that logarithms exist."""
_LARGEST = 50.0
"""The largest logarithm that a search may try, so that its exponential exists."""
_FEWEST_CONFIGS = 3
"""With fewer, errors on configs left out say little; those on models left out stand for them."""
_FEW_RUNS = 10
"""With fewer runs of models left out, the factor is that with which the intervals of each run covered."""
_PRIOR_SPREADS = numpy.array([0.3, 1.0, 1.0, 1.0, 1.0])
"""Standard deviations of the wide priors: of the drift, and of the logarithms of the others."""


class DriftModel(Value):
    """The model of losses after a look in one metric, fitted to finished runs."""

    drift: float
    """0 where no drift predicted tasks that were left out better."""
    saturation: float
    """In the unit of the metric."""
    shared: float
    own: float
    item: float
    spread: float
    """Factor of the scale with which intervals covered on tasks left out."""
    config_spread: float
    """The same on the configs of the lowest and highest learning rates left out, which are extrapolated to."""
    unseen_spread: float
    """The same on models left out, where these have few runs on the worst of them; where others have too few
    runs, on runs of other models that were held aside."""
    num_cells: int

    def spread_of(self, novelty: Novelty | None) -> float:
        """Return the factor of the scale for a run of some novelty."""
        if novelty is None:
            return self.spread
        if novelty == "both":
            return max(self.unseen_spread, self.config_spread)
        return self.unseen_spread if novelty == "model" else self.config_spread

    def after(
        self, movement: Movement, share: float, *, novelty: Novelty | None = None
    ) -> tuple[float, float]:
        """Predict what comes after a look.

        Args:
            movement: At the look.
            share: Of the run's summed learning rate, where the loss is wanted.
            novelty: How the run differs from those that were fitted to.

        Returns:
            The further loss, and its scale.
        """
        cells = _Cells.of([movement])
        rest = (share - movement.share) / movement.share
        mean, scale = _after(self._parameters(), cells, numpy.array([rest]))
        return float(mean[0]), self.spread_of(novelty) * float(scale[0])

    def _parameters(self) -> Float[ndarray, " five"]:
        positive = numpy.array([self.saturation, self.shared, self.own, self.item])
        return numpy.array([self.drift, *numpy.log(positive)])


class _Cells(NamedTuple):
    """Movements as columns."""

    loss: Float[ndarray, " cells"]
    pulled: Float[ndarray, " cells"]
    typical: Float[ndarray, " cells"]
    standard_error: Float[ndarray, " cells"]
    item_spread: Float[ndarray, " cells"]

    @classmethod
    def of(cls, movements: Sequence[Movement]) -> "_Cells":
        table = numpy.array([m[:5] for m in movements], dtype=float).reshape(-1, 5)
        return cls(*table.T)

    def part(self, chosen: Float[ndarray, " cells"]) -> "_Cells":
        return _Cells(*(column[chosen] for column in self))


class FinishedCell(NamedTuple):
    """One capability of a finished run at one look, and what came after it."""

    movement: Movement
    further_loss: float
    """From the look to the end of the run."""
    task: str
    model: str
    run: str
    look: str
    """Errors at one look of a run belong together."""
    config: str
    """Kind of training and learning rate, as `full 0.0001`."""
    held_aside: bool = False
    """Nothing is fitted to it; it is of a model that no fitted run is of."""


class FittedDrift(NamedTuple):
    """A fit, with its errors on tasks left out."""

    model: DriftModel
    scores: Float[ndarray, " cells"]
    """Normal scores of the errors on tasks left out."""


def _after(
    parameters: Float[ndarray, " five"], cells: _Cells, rest: Float[ndarray, " cells"]
) -> tuple[Float[ndarray, " cells"], Float[ndarray, " cells"]]:
    """Compute further losses and their scales; `rest` is (v - u) / u."""
    drift = parameters[0]
    saturation, shared, own, item = numpy.exp(parameters[1:].clip(-_LARGEST, _LARGEST))
    levelled = rest / (1 + cells.typical / saturation)
    variance = levelled * (
        (shared * cells.typical) ** 2 + (own * cells.loss) ** 2 + (item * cells.item_spread) ** 2
    )
    return drift * levelled * cells.pulled, numpy.sqrt(variance)


@on_one_thread
def fit_drift(cells: Sequence[FinishedCell], aside: Sequence[FinishedCell] = ()) -> FittedDrift:
    """Fit the model to finished runs by penalised maximum likelihood.

    Cost: about a second for a thousand cells of ten tasks.

    Args:
        cells: Of one metric, of at least two runs. Where all are of one task, runs are left out instead
            of tasks.
        aside: Cells of other models, to which nothing is fitted: how far errors there are from those of
            the fit widens `unseen_spread`.

    Returns:
        The fit. Its drift is 0 where that made the likelihood on tasks left out larger.
    """
    table = _Cells.of([cell.movement for cell in cells])
    further = numpy.array([cell.further_loss for cell in cells])
    share = numpy.array([cell.movement.share for cell in cells])
    rest = (1 - share) / share
    tasks = numpy.array([cell.task for cell in cells])
    if len(set(tasks.tolist())) == 1:
        tasks = numpy.array([cell.run for cell in cells])
    models = numpy.array([cell.model for cell in cells])
    prior = _prior(table)
    fits = {
        drifts: _left_out(table, further, rest, tasks, prior, drifts=drifts)
        for drifts in (True, False)
    }
    drifts = _likelihood(fits[True]) > _likelihood(fits[False])
    result = _fit(table, further, rest, prior, drifts=drifts)
    by_task = fits[drifts]
    spread = _spread(by_task)
    configs = numpy.array([cell.config for cell in cells])

    def errors_without(groups: ndarray, some: Collection[str] | None = None) -> _Errors:
        return _left_out(table, further, rest, groups, prior, drifts=drifts, some=some)

    # Runs of the regime that is fitted to tell more of other models than those that were held aside.
    unseen = max(spread, _spread(_errors(result, aside))) if aside else spread
    if judged_models := _with_runs_enough_besides(cells):
        runs = [cell.run for cell in cells if cell.model in judged_models]
        by_model = errors_without(models, judged_models)
        few = len(set(runs)) < _FEW_RUNS
        unseen = max(spread, _largest_spread(by_model, numpy.array(runs) if few else None))
    config_spread = unseen
    if len(set(configs)) >= _FEWEST_CONFIGS:
        config_spread = max(
            spread, _spread(errors_without(configs, _outermost(set(configs.tolist()))))
        )
    saturation, shared, own, item = numpy.exp(result[1:]).tolist()
    model = DriftModel(
        drift=float(result[0]),
        saturation=saturation,
        shared=shared,
        own=own,
        item=item,
        spread=spread,
        config_spread=config_spread,
        unseen_spread=unseen,
        num_cells=len(cells),
    )
    standard = by_task.errors / (spread * by_task.scales)
    uniform = scipy.stats.t.cdf(standard, DEGREES_OF_FREEDOM).clip(1e-6, 1 - 1e-6)
    return FittedDrift(model, scipy.stats.norm.ppf(uniform))


def _outermost(configs: set[str]) -> set[str]:
    """List the configs of the lowest and of the highest rate of each kind: left out, they are extrapolated to."""
    rates: dict[str, list[str]] = defaultdict(list)
    for config in configs:
        kind, _, rate = config.rpartition(" ")
        rates[kind].append(rate)
    return {
        f"{kind} {rate}"
        for kind, own in rates.items()
        for rate in (min(own, key=float), max(own, key=float))
    }


def _with_runs_enough_besides(cells: Sequence[FinishedCell]) -> set[str]:
    """List the models without whose runs enough remain to be fitted to."""
    runs = {(cell.model, cell.run) for cell in cells}
    return {
        model
        for model in {model for model, _ in runs}
        if sum(other != model for other, _ in runs) >= FEWEST_RUNS
    }


class _Errors(NamedTuple):
    """Errors of predictions for cells that were left out."""

    errors: Float[ndarray, " cells"]
    scales: Float[ndarray, " cells"]


def _prior(table: _Cells) -> Float[ndarray, " five"]:
    """Choose where the fit starts and what it is held to; saturation has the metric's unit."""
    return numpy.array([0.1, numpy.log(max(float(numpy.median(table.typical)), 1e-6)), -1, -1, -1])


def _fit(
    table: _Cells,
    further: Float[ndarray, " cells"],
    rest: Float[ndarray, " cells"],
    prior: Float[ndarray, " five"],
    *,
    drifts: bool,
) -> Float[ndarray, " five"]:
    start = prior.copy()
    start[0] *= drifts

    def cost(parameters: Float[ndarray, " five"]) -> float:
        held = parameters * numpy.array([drifts, 1, 1, 1, 1])
        mean, scale = _after(held, table, rest)
        penalty = 0.5 * float((((held - start) / _PRIOR_SPREADS) ** 2).sum())
        return penalty - _log_density(further - mean, scale)

    results = scipy.optimize.minimize(cost, start, method="L-BFGS-B")
    result: Float[ndarray, " five"] = results.x
    result[0] *= drifts
    return result


def _log_density(errors: Float[ndarray, " cells"], scales: Float[ndarray, " cells"]) -> float:
    held = scales + _SMALLEST
    density = scipy.stats.t.logpdf(errors / held, DEGREES_OF_FREEDOM)
    return float((density - numpy.log(held)).sum())


def _left_out(
    table: _Cells,
    further: Float[ndarray, " cells"],
    rest: Float[ndarray, " cells"],
    groups: ndarray,
    prior: Float[ndarray, " five"],
    *,
    drifts: bool,
    some: Collection[str] | None = None,
) -> _Errors:
    """Predict each group, or some groups alone, by a fit to all others."""
    errors, scales = numpy.zeros(len(further)), numpy.zeros(len(further))
    chosen = set(groups.tolist()) if some is None else some
    for group in sorted(chosen):
        own = groups == group
        result = _fit(table.part(~own), further[~own], rest[~own], prior, drifts=drifts)
        mean, scale = _after(result, table.part(own), rest[own])
        errors[own], scales[own] = further[own] - mean, scale + _SMALLEST
    outcome = numpy.isin(groups, sorted(chosen))
    return _Errors(errors[outcome], scales[outcome])


def _errors(result: Float[ndarray, " five"], cells: Sequence[FinishedCell]) -> _Errors:
    """Predict cells that nothing was fitted to."""
    share = numpy.array([cell.movement.share for cell in cells])
    mean, scale = _after(result, _Cells.of([cell.movement for cell in cells]), (1 - share) / share)
    further = numpy.array([cell.further_loss for cell in cells])
    return _Errors(further - mean, scale + _SMALLEST)


def _likelihood(result: _Errors) -> float:
    return _log_density(result.errors, result.scales)


def _spread(result: _Errors) -> float:
    """Find the factor of the scale with which intervals cover what was left out."""
    standard = numpy.abs(result.errors) / result.scales
    level = min(LEVEL, len(standard) / (len(standard) + 1))
    reached = conformal_quantile(standard, confidence_level=level)
    return float(reached / scipy.stats.t.ppf((1 + level) / 2, DEGREES_OF_FREEDOM))


def _largest_spread(errors: _Errors, groups: ndarray | None) -> float:
    """Find the factor for all errors together and for each group of them.

    A few runs that went on calmly say little of one that is of another kind.

    Returns:
        The largest of these factors.
    """
    factors = [_spread(errors)]
    for group in sorted(set([] if groups is None else groups.tolist())):
        own = groups == group
        factors.append(_spread(_Errors(errors.errors[own], errors.scales[own])))
    return max(factors)


def common_correlation(scores: Mapping[str, Sequence[float]]) -> float:
    """Estimate how much of the errors is common to the capabilities of one run.

    Args:
        scores: Normal scores of errors, by look of a run.

    Returns:
        Mean product of two errors of one look over their mean square, from 0 to 0.95.
    """
    products, squares, pairs, count = 0.0, 0.0, 0, 0
    for own in scores.values():
        each = numpy.asarray(own, dtype=float)
        products += float(each.sum() ** 2 - (each**2).sum())
        pairs += len(each) * (len(each) - 1)
        squares += float((each**2).sum())
        count += len(each)
    if not pairs or squares <= 0:
        return 0.0
    return float(min(0.95, max(0.0, (products / pairs) / (squares / count))))
