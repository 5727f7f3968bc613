"""Reported gain and retention of a plan, on held-out items."""

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
from ..comparison import suite_claim
from ..search import mean_limits, point_claims, weighed
from ._protocol_looks import PartScales, ProtocolEvaluation
from ._space import PlanSpace
from ._trials import Trial

_NOTHING_CHOSEN = "the base itself was chosen, so nothing is claimed"
_PROMISING = (
    "{num} points that were tried gain within the tolerances by their means, and the items that choose are too "
    "few to show it; give more items"
)


@dataclass(frozen=True)
class PlanOutcome:
    """Result on the held-out items."""

    target: PlannedGain
    claims: tuple[CapabilityClaim, ...]
    suite_claim: SuiteClaim
    limits: Mapping[str, float] = field(default_factory=dict)
    """Capability to the upper limit of its mean loss, by the standard errors of its items."""

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
    num_promising: int = 0,
) -> tuple[TestVerdict, tuple[str, ...]]:
    """Return the verdict, and its reasons.

    Args:
        outcome: Result on the held-out items.
        has_protocol: True if anything but the base was chosen.
        unfinished: Reason why the search did not run to its end; None if it did.
        num_promising: Points that gain within the tolerances by their means, not by their bounds.

    Returns:
        pass needs both: every required capability retained, and the target better than in the base. A
        search that did not run to its end never gives fail.
    """
    if not has_protocol:
        if unfinished is not None:
            return "inconclusive", (unfinished,)
        if num_promising:
            return "inconclusive", (_PROMISING.format(num=num_promising),)
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
