"""Reported gain and retention of a plan, on held-out items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class PlanOutcome:
    """Result on the held-out items."""

    target: PlannedGain
    claims: tuple[CapabilityClaim, ...]
    suite_claim: SuiteClaim

    @property
    def margins_left(self) -> tuple[MarginLeft, ...]:
        """Share of each tolerance that is left, the smallest first."""
        rows = [_margin_left(claim) for claim in self.claims]
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
    base, tuned = (float(table.values(each, target).mean()) for each in (BASE, point))
    gains = -table.item_losses(point, target, base=BASE)
    gain, low, high = mean_limits(gains, target, alpha)
    gained = PlannedGain(
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
    return PlanOutcome(gained, claims, suite_claim(claims))


def verdict_of(judged: PlanOutcome, *, has_protocol: bool) -> tuple[TestVerdict, tuple[str, ...]]:
    """Return the verdict, and its reasons.

    Args:
        judged: Result on the held-out items.
        has_protocol: True if anything but the base was chosen.

    Returns:
        pass needs both: every required capability retained, and the target better than in the base.
    """
    if not has_protocol:
        return "fail", (
            "no protocol that was tried gains anything within the tolerances, so nothing is to be "
            "trained",
        )
    against, undecided = [], []
    if judged.target.high <= 0:
        against.append("the target is no better than in the base")
    elif judged.target.low <= 0:
        undecided.append("whether the target gains is not settled")
    return weighed(judged.suite_claim, against=against, undecided=undecided)


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


def _margin_left(claim: CapabilityClaim) -> MarginLeft:
    limit = claim.loss_limit
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
