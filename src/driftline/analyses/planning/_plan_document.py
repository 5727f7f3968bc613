"""Reported gain and retention of a plan, on held-out items."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE, Point
from ...results import (
    CapabilityClaim,
    MarginLeft,
    PlanLook,
    PlannedGain,
    PlannedProtocol,
    PlanTrial,
    SuiteClaim,
)
from ...stats import standard_error
from ...verdicts import TestVerdict
from ..comparison import nothing_to_lose, suite_claim
from ..search import mean_limits, point_claims, weighed
from ._protocol_looks import PartScales, ProtocolEvaluation
from ._space import PlanSpace
from ._trials import Trial

_NOTHING_CHOSEN = "the base itself was chosen, so nothing is claimed"
_PROMISING = (
    "{num} points that were tried gain within the tolerances by their means, and the items that choose are too "
    "few to show it; give more items{enough}"
)
_ENOUGH = ": about {num:,} of each capability for the nearest"


@dataclass(frozen=True)
class PlanOutcome:
    """Result on the held-out items."""

    target: PlannedGain
    claims: tuple[CapabilityClaim, ...]
    suite_claim: SuiteClaim
    limits: Mapping[str, float] = field(default_factory=dict)
    """Capability to the upper limit of its mean loss, by the standard errors of its items; without those that the
    base is not shown to have."""

    @property
    def margins_left(self) -> tuple[MarginLeft, ...]:
        """Share of each tolerance that is left, the smallest first."""
        rows = [_margin_left(claim, self.limits.get(claim.capability)) for claim in self.claims]
        return tuple(sorted(rows, key=lambda row: (row.left is None, row.left or 0.0)))


def judge(
    table: Table,
    point: Point,
    *,
    capabilities: Sequence[Capability],
    target: Capability,
    alpha: float,
    seed: int,
) -> PlanOutcome:
    """Test the claims about the chosen point, as in a certification, and measure its gain."""
    claims = point_claims(table, point, capabilities, alpha=alpha, seed=seed)
    gained = _gain(table, point, target, alpha)
    limits = {
        c.name: mean_limits(table.item_losses(point, c, base=BASE), c, alpha)[2]
        for c in capabilities
        if nothing_to_lose(c, table) is None
    }
    return PlanOutcome(gained, claims, suite_claim(claims), limits)


def nothing_claimed(
    table: Table, target: Capability, *, num_required: int, alpha: float
) -> PlanOutcome:
    """Return the result where the base is what was chosen: there is nothing to claim, and no gain.

    Args:
        table: Scores of the base.
        target: The target's rows that choose, which are scored already.
        num_required: Number of required capabilities.
        alpha: Level of the limits.

    Returns:
        No claim, and a gain of 0.
    """
    claim = SuiteClaim(
        verdict="inconclusive", pvalue=None, num_required=num_required, reason=_NOTHING_CHOSEN
    )
    return PlanOutcome(_gain(table, BASE, target, alpha), (), claim)


def verdict_of(
    outcome: PlanOutcome,
    *,
    has_protocol: bool,
    unfinished: str | None = None,
    promising: Sequence[ProtocolEvaluation] = (),
    num_choosing: int = 0,
) -> tuple[TestVerdict, tuple[str, ...]]:
    """Return the verdict, and its reasons.

    Args:
        outcome: Result on the held-out items.
        has_protocol: True if anything but the base was chosen.
        unfinished: Reason why the search did not run to its end; None if it did.
        promising: Points that gain within the tolerances by their means, not by their bounds.
        num_choosing: Items of a capability that chose, at most.

    Returns:
        pass needs both: every required capability retained, and the target better than in the base. A
        search that did not run to its end never gives fail.
    """
    if not has_protocol:
        if unfinished is not None:
            return "inconclusive", (unfinished,)
        if promising:
            needed = items_to_show(promising, num_choosing)
            enough = "" if needed is None else _ENOUGH.format(num=needed)
            return "inconclusive", (_PROMISING.format(num=len(promising), enough=enough),)
        return "fail", (
            "no protocol that was tried gains anything within the tolerances, so nothing is to be "
            "trained",
        )
    against, undecided = [], []
    if outcome.target.high <= 0:
        against.append("the target is no better than in the base")
    elif outcome.target.low <= 0:
        undecided.append("whether the target gains is not settled")
    verdict, reasons = weighed(outcome.suite_claim, against=against, undecided=undecided)
    if verdict == "fail" and unfinished is not None:
        return "inconclusive", (f"the best so far does not hold: {'; '.join(reasons)}", unfinished)
    return verdict, reasons


def items_to_show(promising: Sequence[ProtocolEvaluation], num_choosing: int) -> int | None:
    """Estimate the items with which the bounds of the nearest point would stay within the tolerances.

    Bounds come closer to their means as one over the square root of the items.

    Args:
        promising: Points whose means are within the tolerances.
        num_choosing: Items of a capability that chose, at most.

    Returns:
        Items of a capability, half of which choose, in two digits; None where a mean is at its tolerance.
    """
    factors = [
        max((loss.bound - loss.mean) / (1 - loss.mean) for loss in look.losses.values())
        for look in promising
        if all(loss.mean < 1 for loss in look.losses.values())
    ]
    if not factors:
        return None
    needed = 2 * num_choosing * min(factors) ** 2
    unit = int(10 ** max(0, math.floor(math.log10(max(needed, 1))) - 1))
    return unit * math.ceil(needed / unit)


def trial_rows(
    space: PlanSpace, trials: Sequence[Trial], looks: Mapping[int, PlanLook]
) -> tuple[PlanTrial, ...]:
    """Convert every trial to the document's form."""
    return tuple(
        PlanTrial(
            number=trial.number,
            purpose=trial.purpose,
            state=trial.state,
            settings=space.words(trial.settings),
            num_steps=trial.candidate.num_steps,
            best=looks.get(trial.number),
            tokens_trained=trial.tokens,
            wall_seconds=round(trial.seconds, 1),
            reason=trial.reason,
            forecast=trial.forecast,
        )
        for trial in trials
    )


def protocol_of(space: PlanSpace, trial: Trial, look: ProtocolEvaluation) -> PlannedProtocol:
    """Return a trial with its update scaled exactly as in an evaluation."""
    parts = PartScales({}, ()) if look.parts is None else look.parts
    candidate = trial.candidate.with_scale(look.scale, parts.modules)
    return PlannedProtocol(
        config=candidate.config.values,
        levers=candidate.levers.to_values(),
        num_steps=candidate.num_steps,
        settings=space.words(trial.settings, scale=look.scale, parts=parts.parts),
    )


def _gain(table: Table, point: Point, target: Capability, alpha: float) -> PlannedGain:
    base, tuned = (float(table.values(each, target).mean()) for each in (BASE, point))
    gains = -table.item_losses(point, target, base=BASE)
    gain, low, high = mean_limits(gains, target, alpha)
    return PlannedGain(
        metric=target.metric,
        unit=target.unit,
        num_items=len(target.items),
        base=base,
        tuned=tuned,
        gain=gain,
        low=low,
        high=high,
        confidence_level=1 - alpha,
        standard_error=standard_error(gains, groups=target.groups()),
    )


def _margin_left(claim: CapabilityClaim, limit: float | None) -> MarginLeft:
    return MarginLeft(
        capability=claim.capability,
        required=claim.required,
        unit=claim.unit,
        tolerance=claim.margin,
        loss=-claim.change if claim.higher_is_better else claim.change,
        standard_error=claim.standard_error,
        loss_limit=limit,
        left=None if limit is None else 1 - limit / claim.margin,
        reason=None if limit is not None else claim.reason or "no test was made",
    )
