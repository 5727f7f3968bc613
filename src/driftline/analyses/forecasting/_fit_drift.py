"""Fits the drift model to finished runs, and judges it on tasks, configs and models left out."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy
import scipy.optimize
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from ...stats import conformal_quantile, on_one_thread
from ._calibration import FEWEST_RUNS
from ._drift import Cells, DriftModel, further_losses
from ._looks import Movement
from ._loss_forecast import DEGREES_OF_FREEDOM

LEVEL = 0.9
"""Share of the cells left out that an interval of this level covers, by `spread`."""
_SMALLEST = 1e-9
"""A scale below this is taken for this, so that logarithms exist."""
_FEWEST_CONFIGS = 3
"""With fewer, errors on configs left out say little; those on models left out stand for them."""
_FEW_RUNS = 10
"""With fewer runs of models left out, the factor is that with which the intervals of each run covered."""
_FEWEST_GROUPS = 4
"""Tasks, or runs of one task, from which a model may have growth and healing of its own."""
_HEALING_SPREAD = 0.5
"""Standard deviation of the prior of the share that heals; its mean is 0."""


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
    """For runs of any model."""
    own: dict[str, DriftModel]
    """With growth and healing, by the digest of the model for whose runs they hold."""
    scores: Float[ndarray, " cells"]
    """Normal scores of the errors on tasks left out."""


@on_one_thread
def fit_drift(
    cells: Sequence[FinishedCell],
    aside: Sequence[FinishedCell] = (),
    *,
    grows_everywhere: bool = False,
) -> FittedDrift:
    """Fit the model to finished runs by penalised maximum likelihood.

    Growth and healing are fitted to the runs of one model at a time, and kept where they predict tasks of this model that were left
    out better than no growth and no healing do, by more than two standard errors over tasks. Cost: about a second for a thousand
    cells of ten tasks.

    Args:
        cells: Of one kind, of at least two runs. Where all are of one task, runs are left out instead
            of tasks.
        aside: Cells of other models, to which nothing is fitted: how far errors there are from those of
            the fit widens `unseen_spread`.
        grows_everywhere: Fit growth and healing to the runs of all models together, for all models, if these predict tasks left
            out better: for the run's own task.

    Returns:
        The fit.
    """
    runs = _Runs.of(cells)
    plain = _left_out(runs, runs.groups, drifts=False)
    drifts = False
    if grows_everywhere:
        grown = _left_out(runs, runs.groups, drifts=True)
        drifts = _is_better(grown, plain, runs.groups)
        plain = grown if drifts else plain
    model = _judged(runs, plain, drifts=drifts, aside=aside)
    scores, own = _scores(plain, model.spread), {}
    for name in () if grows_everywhere else sorted(set(runs.models.tolist())):
        chosen = runs.models == name
        part = runs.part(chosen)
        if len(set(part.groups.tolist())) < _FEWEST_GROUPS:
            continue
        grown = _left_out(part, part.groups, drifts=True)
        if _is_better(grown, plain.part(chosen), part.groups):
            own[name] = _judged(part, grown, drifts=True, unlike=model.unseen_spread / model.spread)
            scores[chosen] = _scores(grown, own[name].spread)
    return FittedDrift(model, own, scores)


def _judged(
    runs: "_Runs",
    by_task: "_Errors",
    *,
    drifts: bool,
    aside: Sequence[FinishedCell] = (),
    unlike: float = 1.0,
) -> DriftModel:
    """Fit to runs, with the spreads that cover on tasks, configs and models left out.

    `unlike` is the least factor of the spread for models left out.
    """
    result = _fit(runs, drifts=drifts)
    spread = _spread(by_task)
    unseen = max(unlike * spread, _unseen_spread(runs, _errors(result, aside), drifts=drifts))
    config_spread = unseen
    if len(set(runs.configs.tolist())) >= _FEWEST_CONFIGS:
        outermost = _outermost(set(runs.configs.tolist()))
        config_spread = _spread(_left_out(runs, runs.configs, drifts=drifts, some=outermost))
    saturation, shared, own, item = numpy.exp(result[2:]).tolist()
    return DriftModel(
        growth=float(result[0]),
        healing=float(result[1]),
        saturation=saturation,
        shared=shared,
        own=own,
        item=item,
        spread=spread,
        config_spread=max(spread, config_spread),
        unseen_spread=unseen,
        num_cells=len(runs.further),
    )


def _scores(errors: "_Errors", spread: float) -> Float[ndarray, " cells"]:
    standard = errors.errors / (spread * errors.scales)
    uniform = scipy.stats.t.cdf(standard, DEGREES_OF_FREEDOM).clip(1e-6, 1 - 1e-6)
    scores: Float[ndarray, " cells"] = scipy.stats.norm.ppf(uniform)
    return scores


def _is_better(one: "_Errors", other: "_Errors", groups: ndarray) -> bool:
    """Tell whether errors are more likely than others, by more than two standard errors over groups."""
    gain = _log_densities(one) - _log_densities(other)
    names = sorted(set(groups.tolist()))
    gains = numpy.array([gain[groups == name].mean() for name in names])
    return bool(gains.mean() > 2 * gains.std(ddof=1) / len(gains) ** 0.5)


class _Runs(NamedTuple):
    """Cells of finished runs as columns, with what they can be left out by."""

    table: Cells
    further: Float[ndarray, " cells"]
    tasks: ndarray
    models: ndarray
    names: ndarray
    configs: ndarray

    @classmethod
    def of(cls, cells: Sequence[FinishedCell]) -> "_Runs":
        return cls(
            Cells.of([cell.movement for cell in cells]),
            numpy.array([cell.further_loss for cell in cells]),
            numpy.array([cell.task for cell in cells]),
            numpy.array([cell.model for cell in cells]),
            numpy.array([cell.run for cell in cells]),
            numpy.array([cell.config for cell in cells]),
        )

    @property
    def groups(self) -> ndarray:
        """Tasks; runs where all are of one task."""
        return self.tasks if len(set(self.tasks.tolist())) > 1 else self.names

    def part(self, chosen: ndarray) -> "_Runs":
        return _Runs(self.table.part(chosen), *(column[chosen] for column in self[1:]))


def _unseen_spread(runs: _Runs, aside: "_Errors", *, drifts: bool) -> float:
    """Judge a fit on models left out; where none can be, on runs that were held aside.

    Runs of the regime that is fitted to tell more of other models than those that were held aside.
    """
    left_out = _with_runs_enough_besides(runs)
    if not left_out:
        return _spread(aside) if len(aside.errors) else 0.0
    errors = _left_out(runs, runs.models, drifts=drifts, some=left_out)
    names = runs.names[numpy.isin(runs.models, sorted(left_out))]
    few = len(set(names.tolist())) < _FEW_RUNS
    return _largest_spread(errors, names if few else None)


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


def _with_runs_enough_besides(runs: _Runs) -> set[str]:
    """List the models without whose runs enough remain to be fitted to."""
    pairs = set(zip(runs.models.tolist(), runs.names.tolist(), strict=True))
    return {
        model
        for model in {model for model, _ in pairs}
        if sum(other != model for other, _ in pairs) >= FEWEST_RUNS
    }


class _Errors(NamedTuple):
    """Errors of predictions for cells that were left out."""

    errors: Float[ndarray, " cells"]
    scales: Float[ndarray, " cells"]

    def part(self, chosen: ndarray) -> "_Errors":
        return _Errors(*(column[chosen] for column in self))


class _Prior(NamedTuple):
    """Means of the wide normal priors, where a fit starts, and their standard deviations."""

    mean: Float[ndarray, " six"]
    spread: Float[ndarray, " six"]


def _prior(table: Cells) -> _Prior:
    """Choose the prior by the metric's unit."""
    typical = max(float(numpy.median(table.typical)), _SMALLEST)
    drive = float(numpy.median(numpy.abs(table.drive)))
    growth = typical / max(drive, _SMALLEST)
    return _Prior(
        numpy.array([0.0, 0.0, numpy.log(typical), -1.0, -1.0, -1.0]),
        numpy.array([growth, _HEALING_SPREAD, 1.0, 1.0, 1.0, 1.0]),
    )


def _fit(runs: _Runs, *, drifts: bool) -> Float[ndarray, " six"]:
    table, further = runs.table, runs.further
    prior = _prior(table)
    free = numpy.array([drifts, drifts, 1, 1, 1, 1])

    def at(units: Float[ndarray, " six"]) -> Float[ndarray, " six"]:
        """Turn standard deviations from the prior's mean, which are alike in size, into parameters."""
        parameters: Float[ndarray, " six"] = prior.mean + free * units * prior.spread
        return parameters

    def cost(units: Float[ndarray, " six"]) -> float:
        mean, scale = further_losses(at(units), table)
        return 0.5 * float((units**2).sum()) - float(_log_density(further - mean, scale).sum())

    start = numpy.array([0.1, 0.1, 0.0, 0.0, 0.0, 0.0])
    bounds = [(0.0, None), (0.0, 1 / _HEALING_SPREAD), *[(None, None)] * 4]
    return at(scipy.optimize.minimize(cost, start, method="L-BFGS-B", bounds=bounds).x)


def _log_density(
    errors: Float[ndarray, " cells"], scales: Float[ndarray, " cells"]
) -> Float[ndarray, " cells"]:
    held = scales + _SMALLEST
    density: Float[ndarray, " cells"] = scipy.stats.t.logpdf(errors / held, DEGREES_OF_FREEDOM)
    return density - numpy.log(held)


def _left_out(
    runs: _Runs, groups: ndarray, *, drifts: bool, some: Collection[str] | None = None
) -> _Errors:
    """Predict each group, or some groups alone, by a fit to all others."""
    cells = len(runs.further)
    errors, scales = numpy.zeros(cells), numpy.zeros(cells)
    chosen = sorted(set(groups.tolist()) if some is None else some)
    for group in chosen:
        own = groups == group
        result = _fit(runs.part(~own), drifts=drifts)
        mean, scale = further_losses(result, runs.table.part(own))
        errors[own], scales[own] = runs.further[own] - mean, scale + _SMALLEST
    return _Errors(errors, scales).part(numpy.isin(groups, chosen))


def _errors(result: Float[ndarray, " six"], cells: Sequence[FinishedCell]) -> _Errors:
    """Predict cells that nothing was fitted to."""
    further = numpy.array([cell.further_loss for cell in cells])
    mean, scale = further_losses(result, Cells.of([cell.movement for cell in cells]))
    return _Errors(further - mean, scale + _SMALLEST)


def _log_densities(result: _Errors) -> Float[ndarray, " cells"]:
    """Compute them with the spread that covers."""
    return _log_density(result.errors, result.scales * max(_spread(result), _SMALLEST))


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
        factors.append(_spread(errors.part(own)))
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
