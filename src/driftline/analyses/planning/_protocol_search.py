"""The search of a plan, and what each lever of the best protocol gained."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...results import LeverAblation, LeverSetting
from ._budget import ABLATION_SHARE, SEARCH_SHARE
from ._journal import SEARCH, PlanStudy
from ._parts import MOST_LOOKS, scale_parts
from ._protocol_looks import ProtocolEvaluation, best_of
from ._space import SCALE, PlanSpace, Settings, parts_word
from ._trials import Bench, Trial

_MOST = 500
"""Search trials; a model so small that a budget holds more is no one's."""
_NUM_GUIDED = 12
"""Trials before the sampler has seen enough to choose."""
_ENDED = "ended"
_MINUTES = "estimated minutes"
_NUM_VARIANTS = 3
"""Trials that usually switch a lever back; for planning time only."""
_STATE_WORDS = {
    "finished": "finished",
    "stopped": "dropped early",
    "failed": "failed",
    "out of budget": "out of budget",
}
_SECONDS = "seconds"
"""Seconds of all processes, up to the last trial that ended."""
_UNAFFORDABLE = "the budget did not hold it"
_NO_SCALE = "without it no scale that was looked at is within the tolerances"
_SMALLER_LOSS = "kept since its worst capability loses less"
_MISSES = "the protocol itself is not within the tolerances"


@dataclass(frozen=True)
class Found:
    """Result of a search."""

    best: ProtocolEvaluation
    trial: Trial | None
    """Whose look that is; None for the base."""
    ablation: tuple[LeverAblation, ...]
    ended: str
    """Reason why the search ended."""
    num_wanted: int = 0
    """Search trials after which nothing is left out that is always tried."""
    estimated_minutes: float | None = None
    """Minutes of the whole plan, as estimated after the first trial."""


def search_protocols(
    bench: Bench, space: PlanSpace, study: PlanStudy, *, max_trials: int | None, seed: int
) -> Found:
    """Try protocols within the budget, ablate the best one's levers, and scale its parts.

    Args:
        bench: Runs trials; nothing is on it yet.
        study: Picks what is tried, and has what earlier processes tried.
        max_trials: Largest number of trials of the search; None leaves it to the budget.
        seed: Random seed of the scales of parts that are proposed.

    Returns:
        The best protocol and how it was found.
    """
    bench.budget.earlier_seconds = float(str(study.note(_SECONDS) or 0.0))
    for trial in study.earlier(space):
        bench.restore(trial)
    _enter_search(bench, space, max_trials)
    ended = study.note(_ENDED)
    while not isinstance(ended, str):
        ended = _search_once(bench, space, study, max_trials=max_trials)
        _estimate(bench, study, max_trials)
        _enter_search(bench, space, max_trials)
        if ended is not None:
            study.keep(_ENDED, ended)
    requested = min(_NUM_GUIDED, _MOST if max_trials is None else max_trials)
    minutes = study.note(_MINUTES)
    said = (ended, requested, float(str(minutes)) if minutes is not None else None)
    _enter(bench, "switching levers back", _NUM_VARIANTS * _own_cost(bench, space) + _after(bench))
    searched = (t for t in bench.trials if t.purpose == SEARCH)
    best = best_of((bench.base, *(look for trial in searched for look in trial.looks)))
    if best.trial is None:
        return Found(best, None, (), *said)
    best, ablation = _ablate(bench, space, study, best)
    _enter(bench, "scaling parts of the best update", _after(bench))
    whole, trial = best, _trial_of(bench, best)
    best = scale_parts(bench, trial, whole, seed=seed)
    if best.parts is not None:
        word = parts_word(best.parts.parts)
        ablation.append(_row(word, best, whole, reason=None, was_dropped=False))
    return Found(best, trial, tuple(ablation), *said)


def num_concluded(bench: Bench) -> int:
    """Count the search trials that ended by themselves: finished, dropped early or failed."""
    searched = (trial for trial in bench.trials if trial.purpose == SEARCH)
    return sum(trial.state != "out of budget" for trial in searched)


def trial_counts(trials: Sequence[Trial]) -> str:
    """Say how many trials there are, and how each ended."""
    counts = Counter(trial.state for trial in trials)
    words = ", ".join(f"{counts[state]} {_STATE_WORDS[state]}" for state in counts)
    return f"{len(trials)} trials so far: {words}" if trials else "first trial"


def _enter_search(bench: Bench, space: PlanSpace, max_trials: int | None) -> None:
    left = math.inf
    if max_trials is not None:
        num_left = max(0, max_trials - num_concluded(bench)) + _NUM_VARIANTS
        left = num_left * _own_cost(bench, space) + _after(bench)
    stage = f"searching protocols within {bench.budget.words}; {trial_counts(bench.trials)}"
    _enter(bench, stage, left)


def _enter(bench: Bench, stage: str, work: float) -> None:
    """Begin a stage, and tell how much is left: no more than the budget has."""
    meter = bench.engine.meter
    meter.replan(meter.TRAINED_TOKEN * min(work, bench.budget.left_tokens))
    meter.enter(stage)


def _own_cost(bench: Bench, space: PlanSpace) -> float:
    return bench.cost(space.candidate(space.plain), screened=True)


def _after(bench: Bench) -> float:
    """Estimate the weighed tokens of what follows the last trial: parts, and the report."""
    return bench.scored_tokens(MOST_LOOKS) + bench.budget.reserved


def _estimate(bench: Bench, study: PlanStudy, max_trials: int | None) -> None:
    """Estimate the minutes of the whole plan once, after its first trial."""
    if study.note(_MINUTES) is not None or not bench.trials:
        return
    budget, first = bench.budget, bench.trials[0]
    if first.state == "out of budget":
        return
    left = budget.left_tokens
    if max_trials is not None:
        one = budget.used_tokens - budget.before
        left = min(left, (max_trials - 1 + _NUM_VARIANTS) * one + _after(bench))
    study.keep(_MINUTES, round(budget.used_seconds / 60 + budget.minutes_of(left), 3))


def _search_once(
    bench: Bench, space: PlanSpace, study: PlanStudy, *, max_trials: int | None
) -> str | None:
    """Run one more trial; return the reason if there is none."""
    number = study.num_searched
    if number >= min(_MOST, _MOST if max_trials is None else max_trials):
        return f"{number} trials were run, the most that is allowed"
    request = study.ask(space, _guided(bench, space, number))
    candidate = space.candidate(request.settings)
    # What follows the search needs a point within the tolerances; without one there is nothing to keep back for.
    is_found = best_of(bench.looks).trial is not None
    share = SEARCH_SHARE if is_found else 1.0
    if not bench.budget.fits(bench.cost(candidate, screened=True), share=share):
        study.drop(request)
        if not bench.trials:
            return "the budget does not hold one trial of your own config"
        whose = "the search's part of the budget" if is_found else "the budget"
        return f"{whose} does not hold one more trial"
    trial = bench.run(request.number, request.purpose, candidate)
    study.tell(trial)
    study.keep(_SECONDS, bench.budget.used_seconds)
    bench.keep_only(best_of(bench.looks))
    return "time was up" if trial.state == "out of budget" else None


def _guided(bench: Bench, space: PlanSpace, number: int) -> Settings | None:
    """Return the settings to try next, known ones, then steps from the best; None to sample.

    The last trial that the budget holds is at a lower rate where no point is within the tolerances.
    """
    first, best = space.first(), best_of(bench.looks)
    is_last_chance = (
        0 < number < _NUM_GUIDED
        and best.trial is None
        and not bench.budget.fits(2 * _own_cost(bench, space))
    )
    if number < len(first) and not is_last_chance:
        return first[number]
    if number >= _NUM_GUIDED:
        return None
    tried = [trial.settings for trial in bench.trials]
    if best.trial is None:
        moves = space.moves(space.plain, is_within=False)
    else:
        moves = space.moves(_trial_of(bench, best).settings)
    return next((move for move in moves if move not in tried), None)


def _ablate(
    bench: Bench, space: PlanSpace, study: PlanStudy, best: ProtocolEvaluation
) -> tuple[ProtocolEvaluation, list[LeverAblation]]:
    """Remove each lever in turn, and keep it out if the protocol is no worse without it."""
    rows: list[LeverAblation] = []
    tried: set[str] = set()
    while True:
        settings = _trial_of(bench, best).settings
        left = {k: v for k, v in space.without(settings).items() if k not in tried}
        if not left:
            break
        lever, without = next(iter(left.items()))
        tried.add(lever)
        word = space.word(lever, settings)
        num_trials = len(bench.trials)
        variant = _variant(bench, space, study, without, purpose=word.lever)
        other = None if variant is None else variant.best
        reason = _UNAFFORDABLE if variant is None else variant.reason
        is_no_worse = other is not None and other.order <= best.order
        rows.append(_row(word, best, other, reason=reason, was_dropped=is_no_worse))
        if other is not None and is_no_worse:
            best = other
        if len(bench.trials) > num_trials:
            # What an earlier process ran may hold the winner of a later row.
            bench.keep_only(best)
    if best.scale != 1.0:
        whole = next(look for look in _trial_of(bench, best).looks if look.scale == 1.0)
        word = LeverSetting(lever=SCALE, value=f"{best.scale:g}", plain="1")
        rows.append(_row(word, best, whole, reason=None, was_dropped=False))
    return best, rows


def _variant(
    bench: Bench, space: PlanSpace, study: PlanStudy, settings: Settings, *, purpose: str
) -> Trial | None:
    """Return the trial of some settings, run if it was not; None if the budget is too small."""
    while True:
        for trial in bench.trials:
            if trial.settings == settings and trial.state in ("finished", "failed"):
                return trial
        candidate = space.candidate(settings)
        cost = bench.cost(candidate, screened=False)
        if not bench.budget.fits(cost, share=ABLATION_SHARE):
            return None
        request = study.ask(space, settings, purpose)
        # What a killed process had begun comes first, whatever it was.
        trial = bench.run(request.number, request.purpose, space.candidate(request.settings))
        study.tell(trial)
        study.keep(_SECONDS, bench.budget.used_seconds)
        if trial.state == "out of budget":
            return None


def _row(
    word: LeverSetting,
    best: ProtocolEvaluation,
    other: ProtocolEvaluation | None,
    *,
    reason: str | None,
    was_dropped: bool,
) -> LeverAblation:
    bought = None
    if best.excess > 0:
        reason = _MISSES
    elif other is not None and other.excess > 0:
        reason = (
            _NO_SCALE if word.lever != SCALE else "the whole update is not within the tolerances"
        )
    elif other is not None:
        bought, reason = best.gain - other.gain, None
        if bought < 0 and not was_dropped:
            reason = _SMALLER_LOSS
    return LeverAblation(
        lever=word.lever,
        value=word.value,
        plain=word.plain,
        gain_with=best.gain,
        gain_without=None if other is None else other.gain,
        worst_loss_with=None if best.worst is None else best.worst_loss,
        worst_loss_without=None if other is None or other.worst is None else other.worst_loss,
        bought=bought,
        was_dropped=was_dropped,
        reason=reason,
    )


def _trial_of(bench: Bench, look: ProtocolEvaluation) -> Trial:
    return next(trial for trial in bench.trials if trial.number == look.trial)
