"""Search under a bound for the protocol that adapts most, judged on held-out items."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ...capabilities import Capability, Suite
from ...engine import Engine, Meter, Progress, RunFolder, open_session
from ...errors import ConfigError
from ...models import BASE, LanguageModel, TrainingConfig, TrainingData
from ...provenance import provenance_fields
from ...results import Cost, EqualItems, Plan, PlanProvenance
from ..certification import copies_caveats
from ..comparison import check_claims
from ..items import (
    Halves,
    check_items,
    claims_caveat,
    distinct,
    keys_of,
    sampled_items,
    search_items,
    split_items,
)
from ..search import SearchRequest
from ..suite_scores import check_names
from ._budget import DEFAULT_RUNS, Budget, check_budget, tokens_of_run
from ._caveats import plan_caveats
from ._choices import plan_space
from ._held_out_rows import PlanData, hold_out
from ._journal import PlanStudy
from ._parts import MOST_LOOKS
from ._plan_document import PlanOutcome, judge, nothing_claimed, protocol_of, trial_rows, verdict_of
from ._protect import fragile_modules
from ._protocol_looks import PlanRuler, look_rows
from ._protocol_search import Found, num_concluded, search_protocols
from ._space import PlanSpace
from ._trials import SCALES, Bench

_PLAIN = TrainingConfig("TRL's defaults", {}, "sha256:none")


@dataclass(frozen=True)
class PlanRequest(SearchRequest):
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

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites, required as was asked."""
        result = tuple(c for suite in self.suites for c in suite.capabilities)
        if not self.require:
            return result
        return tuple(replace(c, required=c.name in self.require) for c in result)

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
        inputs = _parted(request, data, engine)
        study = PlanStudy(folder.study, seed=request.seed)
        bench = _bench(request, inputs, space, engine, folder)
        bench.budget.started = started
        protection = fragile_modules(bench, space, study, seed=request.seed)
        space = space.with_fragile(protection.modules)
        bench.budget.before = bench.budget.used_tokens
        result = search_protocols(
            bench, space, study, max_trials=request.num_trials, seed=request.seed
        )
        outcome = _judged(request, inputs, result, bench)
        engine.check_unchanged()
    return _document(
        request,
        inputs,
        space,
        result,
        bench,
        outcome=outcome,
        no_map=protection.obstacle,
        started=started,
    )


def _judged(request: PlanRequest, inputs: _PlanInputs, result: Found, bench: Bench) -> PlanOutcome:
    """Score what was chosen on items that chose nothing; of the base there is nothing to say."""
    engine = bench.engine
    if result.trial is None:
        engine.meter.replan(0.0)
        return nothing_claimed(
            bench.table,
            inputs.data.target.search,
            num_required=sum(c.required for c in request.capabilities),
            alpha=request.alpha,
        )
    engine.meter.replan(engine.meter.TRAINED_TOKEN * bench.budget.reserved)
    engine.meter.enter("scoring what was chosen on items that chose nothing")
    point = bench.point(result.best)
    outcome = judge(
        engine.evaluate((BASE, point), inputs.report),
        point,
        capabilities=[halves.report for halves in inputs.capabilities],
        target=inputs.data.target.report,
        alpha=request.alpha,
        seed=request.seed,
    )
    engine.meter.replan(0.0)
    return outcome


def _unfinished(result: Found, bench: Bench, needed: float | None) -> str | None:
    """Say why the search is not at its end, and the budget that it needs; None if it is."""
    if needed is None:
        failed = next((t.reason for t in bench.trials if t.state == "failed"), None)
        if failed is not None and not any(t.state == "finished" for t in bench.trials):
            return f"no trial was trained to its end; the first failed with: {failed}"
        return None
    minutes = bench.budget.minutes_of(needed)
    return (
        f"the search is not at its end ({result.ended}; {num_concluded(bench)} of {result.num_wanted} trials "
        f"ended by themselves): it needs a budget of about {math.ceil(needed):,} tokens, or "
        f"{max(minutes, 0.1):.1f} minutes of this machine"
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


def _parted(request: PlanRequest, data: PlanData, engine: Engine) -> _PlanInputs:
    """Split the items into those that select and those that report."""
    result = distinct(request.capabilities, engine)
    capabilities = sampled_items(result.capabilities, request.num_items, seed=request.seed)
    numbers = search_items(capabilities, requested=request.num_search_items)
    return _PlanInputs(
        tuple(split_items(c, num_search=numbers[c.name], seed=request.seed) for c in capabilities),
        data,
        result.equal_items,
    )


def _bench(
    request: PlanRequest,
    inputs: _PlanInputs,
    space: PlanSpace,
    engine: Engine,
    folder: RunFolder,
) -> Bench:
    """Set up trials and score the base."""
    ruler = PlanRuler(
        tuple(halves.search for halves in inputs.capabilities),
        inputs.data.target.search,
        request.alpha,
        prefer=request.prefer,
    )
    seconds = None if request.budget_minutes is None else 60 * request.budget_minutes
    reserve = 2 * engine.num_tokens(inputs.report)
    budget = Budget(engine, request.budget_tokens, seconds, reserve)
    directions = folder.directions
    directions.mkdir(parents=True, exist_ok=True)
    bench = Bench(engine, ruler, inputs.data.train, directions, budget, request.seed)
    one = bench.cost(space.candidate(space.plain), screened=True)
    if budget.max_tokens is None and budget.max_seconds is None:
        budget.max_tokens = DEFAULT_RUNS * one
    if budget.max_tokens is not None:
        engine.meter.plan(budget.max_tokens * engine.meter.TRAINED_TOKEN)
    num = _num_candidates(request, space, budget, one)
    bench.ruler = replace(bench.ruler, num_candidates=num)
    return bench


def _num_candidates(request: PlanRequest, space: PlanSpace, budget: Budget, one: float) -> int:
    """Bound the number of points that may be chosen, before the first of them is trained."""
    # Minutes hold a number of trials that is not known yet, and bounds must not change on the way.
    affordable = DEFAULT_RUNS if budget.max_tokens is None else budget.max_tokens / one
    if request.num_trials is not None:
        # Each lever may be switched back once.
        affordable = min(affordable, request.num_trials + len(space.choices))
    return len(SCALES) * math.ceil(affordable) + MOST_LOOKS


def _document(
    request: PlanRequest,
    inputs: _PlanInputs,
    space: PlanSpace,
    result: Found,
    bench: Bench,
    *,
    outcome: PlanOutcome,
    no_map: str | None,
    started: float,
) -> Plan:
    engine, rows = bench.engine, look_rows(bench.looks)
    best = rows[bench.looks.index(result.best)]
    of_trial = {
        trial.number: rows[bench.looks.index(trial.best)] for trial in bench.trials if trial.best
    }
    own = space.candidate(space.plain)
    needed = None
    if num_concluded(bench) < result.num_wanted:
        needed = bench.budget.needed(bench.cost(own, screened=True), result.num_wanted)
    verdict, reasons = verdict_of(
        outcome,
        has_protocol=result.trial is not None,
        unfinished=_unfinished(result, bench, needed),
        promising=[
            look
            for look in bench.looks
            if look.excess > 0 and look.worst_loss <= 1 and look.gain > 0
        ],
        num_choosing=inputs.num_search,
    )
    return Plan(
        verdict=verdict,
        reasons=reasons,
        chosen=best,
        protocol=None if result.trial is None else protocol_of(space, result.trial, result.best),
        target=outcome.target,
        margins_left=outcome.margins_left,
        suite_claim=outcome.suite_claim,
        claims=outcome.claims,
        trials=trial_rows(space, bench.trials, of_trial),
        looks=tuple(rows),
        ablation=result.ablation,
        files=(),
        budget=bench.budget.document(
            planned_run_tokens=tokens_of_run(own, own.num_steps),
            ended=result.ended,
            needed_tokens=needed,
            estimated_minutes=result.estimated_minutes,
        ),
        cost=Cost.since(
            started,
            forward=engine.tokens_used,
            backward=bench.budget.num_trained + engine.tokens_backward,
        ),
        caveats=(
            *copies_caveats(inputs.equal_items),
            *claims_caveat(
                outcome.claims, request.capabilities, inputs.capabilities, request.num_items
            ),
            *plan_caveats(
                result,
                bench,
                engine.numerics,
                num_held_out=inputs.data.num_held_out,
                alpha=request.alpha,
                no_map=no_map,
            ),
        ),
        provenance=_provenance(request, inputs, space, bench),
    )


def _provenance(
    request: PlanRequest, inputs: _PlanInputs, space: PlanSpace, bench: Bench
) -> PlanProvenance:
    config = request.config
    return PlanProvenance(
        **provenance_fields("plan", request.seed),
        base_model=request.opened.provenance(),
        data=request.data.provenance(),
        held_out=inputs.data.num_held_out,
        config=None if config is None else config.provenance(),
        suites=tuple(suite.provenance() for suite in request.suites),
        required=tuple(c.name for c in request.capabilities if c.required),
        protected_modules=space.fragile_modules,
        numerics=bench.engine.numerics,
        alpha=request.alpha,
        num_search_items=inputs.num_search,
        num_candidates=bench.ruler.num_candidates,
        prefer=request.prefer,
        chosen_on=keys_of([halves.search for halves in inputs.capabilities]),
    )
