"""Search under a bound for the protocol that adapts most, judged on held-out items."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...capabilities import Capability, Suite
from ...engine import Engine, Meter, Progress, RayOptions, RunFolder, open_session
from ...errors import ConfigError
from ...models import BASE, LanguageModel, ScoringOptions, TrainingConfig, TrainingData
from ...provenance import provenance_fields
from ...results import Cost, EqualItems, Plan, PlanProvenance
from ..certification import copies_caveats
from ..comparison import check_claims
from ..items import (
    FEWEST_SEARCH_ITEMS,
    SEARCH_SHARE,
    Halves,
    affordable_items,
    check_items,
    claims_caveat,
    distinct,
    sampled_items,
    search_items,
    split_items,
)
from ..suite_scores import check_names
from ._budget import DEFAULT_RUNS, Budget, check_budget, tokens_of_run
from ._caveats import plan_caveats
from ._choices import plan_space
from ._held_out_rows import PlanData, hold_out
from ._journal import PlanStudy
from ._protect import fragile_modules
from ._protocol_looks import PlanRuler, look_rows
from ._protocol_search import Found, search_protocols
from ._report import PlanOutcome, judge, protocol_of, trial_rows, verdict_of
from ._space import PlanSpace
from ._trials import Bench, scales_of

_PLAIN = TrainingConfig("TRL's defaults", {}, "sha256:none")


@dataclass(frozen=True)
class PlanRequest:
    """Request: a base, data to learn, capabilities to retain, and a budget."""

    opened: LanguageModel
    data: TrainingData
    suites: tuple[Suite, ...]
    config: TrainingConfig | None = None
    """The user's own; None starts from TRL's defaults."""
    require: tuple[str, ...] = ()
    """Capabilities that must be kept, the others being watched; empty leaves that to the suites."""
    budget_tokens: float | None = None
    """Training tokens, a token that only goes forward counting a quarter; None for a multiple of
    the user's own run, unless minutes are given."""
    budget_minutes: float | None = None
    num_trials: int | None = None
    """Largest number of trials of the search; None for as many as the budget allows."""
    num_items: int | None = None
    """Items of each capability to use, for choosing and for the final claims (default: all)."""
    num_search_items: int | None = None
    """Items of each capability used to choose, at most half (default: those that the final claims do not
    need, capped so that scoring takes no longer than a trial's training)."""
    alpha: float = 0.05
    """Level of each claim, and of the bounds of the search."""
    seed: int = 0
    options: ScoringOptions = field(default_factory=ScoringOptions)
    ray: RayOptions | None = None
    """Have the points computed on Ray; None computes them in this process."""

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites, required as was asked."""
        found = tuple(c for suite in self.suites for c in suite.capabilities)
        if not self.require:
            return found
        return tuple(replace(c, required=c.name in self.require) for c in found)

    @property
    def own_config(self) -> TrainingConfig:
        """The config from which the search starts."""
        return _PLAIN if self.config is None else self.config


@dataclass(frozen=True)
class _PlanInputs:
    """Data to train on, and items to select by and to report on."""

    capabilities: tuple[Halves, ...]
    data: PlanData
    equal_items: tuple[EqualItems, ...]
    """Copies that were left out, as `certify` leaves them out."""

    @property
    def num_search(self) -> int:
        """Items of a capability that choose, at most."""
        return max(len(halves.search.items) for halves in self.capabilities)

    @property
    def report(self) -> tuple[Capability, ...]:
        """Items that choose nothing."""
        return (*(halves.report for halves in self.capabilities), self.data.target.report)


def plan(
    request: PlanRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> Plan:
    """Search the protocol that adapts most while its losses stay within their tolerances.

    A protocol is the user's config with some levers moved (`_space`). Each is trained by TRL's own
    trainer, stopped at a fifth of its steps where a finished one had gained more and lost less by then,
    and scored at four scales of its update. The upper bound of each required loss must stay within its
    tolerance. The levers of the best are then switched back one by one, and the parts of its update
    scaled apart. Items that choose, items that report and rows that are trained on are never the same.

    Cost: the budget. What an earlier process stored in the folder is taken up.

    Args:
        request: Model, data and settings.
        folder: Folder of the study, the store and the changes of weights.
        listener: Told about progress.

    Returns:
        The document; the base is as it was.

    Raises:
        ConfigError: An option that cannot be met, or two capabilities of one name.
        SuiteError: A capability has too few groups to be parted.
        DataError: There are too few rows to keep some out of training.
        RunError: A point could not be scored.
    """
    started = time.monotonic()
    _check(request)
    meter, opened = Meter(listener), request.opened
    meter.enter("parting rows and items")
    data = hold_out(request.data, seed=request.seed, opened=opened)
    with open_session(folder, opened, request.options, meter, ray=request.ray) as engine:
        meter.enter("reading the plan")
        space = plan_space(opened, request.own_config, data.train)
        asked = _parted(request, data, space, engine)
        study = PlanStudy(folder.study, seed=request.seed)
        bench = _bench(request, asked, space, engine, folder)
        protection = fragile_modules(bench, space, study, seed=request.seed)
        space = space.with_fragile(protection.modules)
        found = search_protocols(
            bench, space, study, max_trials=request.num_trials, seed=request.seed
        )
        meter.enter("scoring what was chosen on unseen items")
        point = bench.point(found.best)
        table = engine.evaluate((BASE, point), asked.report)
        engine.check_unchanged()
    judged = judge(
        table,
        point,
        capabilities=[halves.report for halves in asked.capabilities],
        target=asked.data.target.report,
        alpha=request.alpha,
        seed=request.seed,
    )
    return _document(
        request,
        asked,
        space,
        found,
        bench,
        judged=judged,
        no_map=protection.obstacle,
        started=started,
    )


def _check(request: PlanRequest) -> None:
    check_names(request.capabilities, reserved=("target",))
    check_budget(request.budget_tokens, request.budget_minutes)
    names = [capability.name for capability in request.capabilities]
    for name in request.require:
        if name not in names:
            raise ConfigError(
                f"--require {name}: the suites have no such capability; they have {', '.join(names)}"
            )
    check_claims(request.capabilities, request.alpha)
    if not any(capability.required for capability in request.capabilities):
        raise ConfigError("--suite: no capability is required, so there is nothing to keep")
    check_items(request.num_items)
    check_items(request.num_search_items, option="--search-items")
    if request.num_trials is not None and request.num_trials < 1:
        raise ConfigError(f"--trials: {request.num_trials} is too few; give 1 or more")


def _parted(request: PlanRequest, data: PlanData, space: PlanSpace, engine: Engine) -> _PlanInputs:
    """Split the items into those that select and those that report."""
    found = distinct(request.capabilities, engine)
    capabilities = sampled_items(found.capabilities, request.num_items, seed=request.seed)
    own = space.candidate(space.plain)
    affordable = affordable_items(
        capabilities,
        engine,
        num_points=len(scales_of(own)) + 1,
        other_tokens=engine.num_tokens((data.target.search,)),
        trained_tokens=tokens_of_run(own, own.num_steps),
        fewest=FEWEST_SEARCH_ITEMS,
        share=SEARCH_SHARE,
    )
    numbers = search_items(capabilities, requested=request.num_search_items, affordable=affordable)
    return _PlanInputs(
        tuple(split_items(c, num_search=numbers[c.name], seed=request.seed) for c in capabilities),
        data,
        found.equal_items,
    )


def _bench(
    request: PlanRequest,
    asked: _PlanInputs,
    space: PlanSpace,
    engine: Engine,
    folder: RunFolder,
) -> Bench:
    """Set up trials and score the base; refuses a budget that does not allow one trial."""
    ruler = PlanRuler(
        tuple(halves.search for halves in asked.capabilities),
        asked.data.target.search,
        request.alpha,
    )
    seconds = None if request.budget_minutes is None else 60 * request.budget_minutes
    reserve = 2 * engine.num_tokens(asked.report)
    budget = Budget(engine, request.budget_tokens, seconds, reserve)
    directions = folder.directions
    directions.mkdir(parents=True, exist_ok=True)
    bench = Bench(engine, ruler, asked.data.train, directions, budget, request.seed)
    one = bench.cost(space.candidate(space.plain), screened=True)
    if budget.max_tokens is None and budget.max_seconds is None:
        budget.max_tokens = DEFAULT_RUNS * one
    if budget.max_tokens is not None:
        needed = budget.used_tokens + one + budget.reserved
        if needed > budget.max_tokens:
            raise ConfigError(
                f"--budget-tokens: {budget.max_tokens:,.0f} does not hold one trial of your own config "
                f"and the report; give {math.ceil(needed):,} or more"
            )
        engine.meter.plan(budget.max_tokens * engine.meter.TRAINED_TOKEN)
    return bench


def _document(
    request: PlanRequest,
    asked: _PlanInputs,
    space: PlanSpace,
    found: Found,
    bench: Bench,
    *,
    judged: PlanOutcome,
    no_map: str | None,
    started: float,
) -> Plan:
    engine, rows = bench.engine, look_rows(bench.looks)
    best = rows[bench.looks.index(found.best)]
    of_trial = {
        trial.number: rows[bench.looks.index(trial.best)] for trial in bench.trials if trial.best
    }
    verdict, reasons = verdict_of(judged, has_protocol=found.trial is not None)
    own = space.candidate(space.plain)
    return Plan(
        verdict=verdict,
        reasons=reasons,
        chosen=best,
        protocol=None if found.trial is None else protocol_of(space, found.trial, found.best),
        target=judged.target,
        margins_left=judged.margins_left,
        suite_claim=judged.suite_claim,
        claims=judged.claims,
        trials=trial_rows(space, bench.trials, of_trial),
        looks=tuple(rows),
        ablation=found.ablation,
        files=(),
        budget=bench.budget.document(
            planned_run_tokens=tokens_of_run(own, own.num_steps), ended=found.ended
        ),
        cost=Cost.since(
            started,
            forward=engine.tokens_used,
            backward=bench.budget.num_trained + engine.tokens_backward,
        ),
        caveats=(
            *copies_caveats(asked.equal_items),
            *claims_caveat(
                judged.claims, request.capabilities, asked.capabilities, request.num_items
            ),
            *plan_caveats(
                found,
                bench,
                engine.numerics,
                num_held_out=asked.data.num_held_out,
                alpha=request.alpha,
                no_map=no_map,
            ),
        ),
        provenance=_provenance(request, asked, space, engine),
    )


def _provenance(
    request: PlanRequest, asked: _PlanInputs, space: PlanSpace, engine: Engine
) -> PlanProvenance:
    config = request.config
    return PlanProvenance(
        **provenance_fields("plan", request.seed),
        base_model=request.opened.provenance(),
        data=request.data.provenance(),
        held_out=asked.data.num_held_out,
        config=None if config is None else config.provenance(),
        suites=tuple(suite.provenance() for suite in request.suites),
        required=tuple(c.name for c in request.capabilities if c.required),
        protected_modules=space.fragile_modules,
        numerics=engine.numerics,
        alpha=request.alpha,
        num_search_items=asked.num_search,
    )
