"""Choice of the safest of several planned runs, and the gain of each, before any is trained."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Suite
from ...choices import Probe
from ...engine import Progress, RunFolder
from ...errors import ConfigError, SuiteError
from ...models import LanguageModel
from ...provenance import provenance_fields
from ...results import (
    ComparedConfig,
    ComparisonRound,
    ConfigComparison,
    ConfigComparisonProvenance,
    Cost,
)
from ...verdicts import TestVerdict
from ..forecasting import DROPPED_FROM, dropped_by
from ..suite_scores import check_names
from ._config_forecast import (
    COMPARE_ROUNDS,
    SHORT_COMPARE_ROUNDS,
    ConfigForecast,
    PlannedConfig,
    forecast_config,
)
from ._config_race import draw_worst_losses, probabilities_safest

_RULE = (
    "After the first round the configs drop out that lose one required capability with a probability of at least "
    "{least:.0%}, unless that is so of all. The figures of a config that dropped out are those of its shorter "
    "probe."
)
_JOINT = (
    "P(safest) takes the errors of different configs as independent. Configs of one task err alike, so the "
    "order is surer than the probabilities say."
)
_DATA = (
    "The configs train on different data, so that their gains cannot be compared with each other."
)
_SHORT = "A run has a learning rate of 0 in the first tenth of its steps, so all had one probe of a fifth."


@dataclass(frozen=True)
class CompareConfigsRequest:
    """A model, several planned runs, and what must not break."""

    opened: LanguageModel
    runs: tuple[PlannedConfig, ...]
    suites: tuple[Suite, ...]
    num_items: int | None = None
    """Number of items of each capability; None for as many as the first config's first probe affords."""
    seed: int = 0


@dataclass
class _Race:
    """The last forecast of each config, and when it dropped out."""

    forecasts: dict[str, ConfigForecast] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    drawn: dict[str, Float[ndarray, " draws"]] = field(default_factory=dict)
    dropped_after: dict[str, int] = field(default_factory=dict)
    rounds: list[ComparisonRound] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    """The cost of every forecast, those of earlier rounds too."""
    num_items: int | None = None


def compare_configs(
    request: CompareConfigsRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> ConfigComparison:
    """Forecast several planned runs in rounds; configs that are likely to break a tolerance drop out early.

    The base is scored once. Every config gets a probe of a tenth of its steps; those that stay get
    one of three tenths. What an earlier process stored in the folder is taken up.

    Cost: a tenth of every run, three tenths more of those that stay, and the scoring of the items.

    Args:
        request: What is asked.
        folder: Where the store and the changes of weights are kept.
        listener: Told about progress.

    Returns:
        The document; the model is as it was.

    Raises:
        ConfigError: Fewer than two configs, or one that cannot be followed.
        SuiteError: No capability is required.
    """
    started = time.monotonic()
    _check(request)
    ask = partial(
        forecast_config,
        opened=request.opened,
        suites=request.suites,
        folder=folder,
        seed=request.seed,
    )
    try:
        race = _run(request, ask, COMPARE_ROUNDS, listener)
    except ConfigError:
        # The learning rate is 0 in its first tenth; any other fault comes up again.
        race = _run(request, ask, SHORT_COMPARE_ROUNDS, listener)
    rows = _rows(request, race)
    return ConfigComparison(
        verdict=_verdict(rows),
        safest=min(
            (r for r in rows if r.dropped_after is None), key=lambda r: r.worst_loss or 0.0
        ).label,
        recommended=_recommended(rows),
        configs=rows,
        rounds=tuple(race.rounds),
        cost=_cost(race, started),
        caveats=_caveats(request, race),
        provenance=_provenance(request, race),
    )


def _check(request: CompareConfigsRequest) -> None:
    capabilities = tuple(c for suite in request.suites for c in suite.capabilities)
    check_names(capabilities, reserved=("target",))
    if not any(capability.required for capability in capabilities):
        raise SuiteError(
            "--suite: no capability is required, so that no config could be unsafe; set required: true "
            "in the suite"
        )
    if len(request.runs) < 2:
        raise ConfigError("--config: one config has nothing to be compared with; name two or more")
    seen: dict[tuple[str, str], str] = {}
    for run in request.runs:
        first = seen.setdefault((run.config.digest, run.data.digest), run.label)
        if first != run.label:
            raise ConfigError(f"{run.label}: is the same config as {first}; keep one")


def _run(
    request: CompareConfigsRequest,
    ask: Callable[..., ConfigForecast],
    probes: Sequence[Probe],
    listener: Callable[[Progress], None],
) -> _Race:
    """Run all rounds."""
    race = _Race(num_items=request.num_items)
    running = list(request.runs)
    for number, probe in enumerate(probes, start=1):
        for run in running:
            result = ask(
                run,
                probe,
                num_items=race.num_items,
                listener=partial(_told, listener, f"{run.label}, round {number}"),
            )
            race.num_items = race.num_items or result.num_items
            race.costs.append(result.assessment.cost)
            race.forecasts[run.label], race.probes[run.label] = result, probe
            generator = numpy.random.default_rng([request.seed, number])
            race.drawn[run.label] = draw_worst_losses(
                list(result.losses.values()),
                correlation=result.correlation,
                generator=generator.spawn(1 + _place(request, run.label))[-1],
            )
        chances = {run.label: race.forecasts[run.label].largest_probability_lost for run in running}
        # Nothing more would be saved after the last round.
        dropped = () if number == len(probes) else dropped_by(chances)
        race.dropped_after.update(dict.fromkeys(dropped, number))
        labels = tuple(run.label for run in running)
        race.rounds.append(ComparisonRound(probe=float(probe), forecast=labels, dropped=dropped))
        running = [run for run in running if run.label not in dropped]
    return race


def _place(request: CompareConfigsRequest, label: str) -> int:
    return [run.label for run in request.runs].index(label)


def _told(listener: Callable[[Progress], None], label: str, progress: Progress) -> None:
    listener(progress._replace(stage=f"{label}: {progress.stage}"))


def _rows(request: CompareConfigsRequest, race: _Race) -> tuple[ComparedConfig, ...]:
    safest = probabilities_safest(race.drawn)
    result = []
    for run in request.runs:
        forecast = race.forecasts[run.label]
        # None where the base is not shown to have any required capability: then no config is safe or unsafe.
        worst = max(forecast.losses, key=lambda name: forecast.losses[name].loss, default=None)
        low, high = (
            (None, None)
            if worst is None
            else numpy.quantile(race.drawn[run.label], (0.05, 0.95)).tolist()
        )
        target = forecast.assessment.target
        verdict = forecast.assessment.verdict
        assert verdict is not None
        result.append(
            ComparedConfig(
                label=run.label,
                config=run.config.provenance(),
                data=run.data.provenance(),
                verdict=verdict,
                probe=float(race.probes[run.label]),
                dropped_after=race.dropped_after.get(run.label),
                largest_probability_lost=None
                if worst is None
                else forecast.largest_probability_lost,
                worst_capability=worst,
                worst_loss=None if worst is None else forecast.losses[worst].loss,
                worst_low=low,
                worst_high=high,
                probability_safest=safest[run.label],
                gain=None if target is None else -target.predicted_change,
                gain_low=None if target is None else -target.high,
                gain_high=None if target is None else -target.low,
                gain_confidence_level=None if target is None else target.confidence_level,
                row_gains=forecast.assessment.row_gains,
                forecast=forecast.assessment.forecast,
            )
        )
    return tuple(result)


def _verdict(rows: Sequence[ComparedConfig]) -> TestVerdict:
    verdicts = {row.verdict for row in rows}
    if "safe" in verdicts:
        return "pass"
    return "fail" if verdicts == {"unsafe"} else "inconclusive"


def _recommended(rows: Sequence[ComparedConfig]) -> str | None:
    safe = [row for row in rows if row.verdict == "safe"]
    if not safe:
        return None
    gains = {row.label: gain_to_expect(row, safe) for row in safe}
    return max(safe, key=lambda row: (gains[row.label], -(row.worst_loss or 0.0))).label


def gain_to_expect(row: ComparedConfig, among: Sequence[ComparedConfig]) -> float:
    """Return the gain to compare configs by: on rows not trained on, where all of them have it."""
    others = [None if each.row_gains is None else each.row_gains.predicted_gain for each in among]
    if None in others or row.row_gains is None:
        return row.gain or 0.0
    return row.row_gains.predicted_gain or 0.0


def _cost(race: _Race, started: float) -> Cost:
    costs = race.costs
    shares = [cost.fraction_of_planned_run or 0.0 for cost in costs]
    return Cost(
        wall_seconds=round(time.monotonic() - started, 1),
        tokens_forward=sum(cost.tokens_forward for cost in costs),
        tokens_backward=sum(cost.tokens_backward for cost in costs),
        fraction_of_planned_run=sum(shares) / len(race.forecasts),
    )


def _caveats(request: CompareConfigsRequest, race: _Race) -> tuple[str, ...]:
    own = [_RULE.format(least=DROPPED_FROM), _JOINT]
    if len(race.rounds) == len(SHORT_COMPARE_ROUNDS):
        own = [_SHORT, _JOINT]
    if len({run.data.digest for run in request.runs}) > 1:
        own.append(_DATA)
    shared = [race.forecasts[run.label].assessment.caveats for run in request.runs]
    # Each run's own caveats are in its own forecast; here stands what all have in common.
    common = [each for each in shared[0] if all(each in caveats for caveats in shared)]
    return (*own, *common)


def _provenance(request: CompareConfigsRequest, race: _Race) -> ConfigComparisonProvenance:
    first = race.forecasts[request.runs[0].label].assessment.provenance
    assert race.num_items is not None
    return ConfigComparisonProvenance(
        **provenance_fields("compare", request.seed),
        model=request.opened.provenance(),
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=first.numerics,
        num_items=race.num_items,
        dropped_from=DROPPED_FROM,
    )
