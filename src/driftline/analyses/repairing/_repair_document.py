"""Reported benefit and cost of a repair, on held-out items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE, Point
from ...results import (
    CapabilityClaim,
    CapabilityRecovery,
    CellScale,
    Recovery,
    RepairFamily,
    RepairLook,
    SuiteClaim,
    TargetRecovery,
)
from ...stats import standard_error
from ...verdicts import TestVerdict
from ..comparison import suite_claim
from ..items import Halves
from ..search import Candidate, CandidateEvaluation, Cell, front, mean_limits, point_claims, weighed
from ._scale_search import RepairSearch

_NOTHING_LOST = "no required capability lost more than its tolerance on the items that choose"
_NOT_LOST_HERE = "on these items tuning cost nothing"
_NO_GAIN = "the tuned model gained nothing on these examples"


@dataclass(frozen=True)
class RepairOutcome:
    """Result on the held-out items."""

    recovery: Recovery
    target: TargetRecovery | None
    claims: tuple[CapabilityClaim, ...]
    suite_claim: SuiteClaim


def judge(
    table: Table,
    points: tuple[Point, Point],
    *,
    capabilities: Sequence[Halves],
    target: Halves | None,
    lost: Sequence[str],
    lacking: Mapping[str, str],
    alpha: float,
    seed: int,
) -> RepairOutcome:
    """Test the claims about the repaired model, as in a certification, and what it restored.

    Args:
        table: The base, the tuned and the repaired model on the items that report.
        points: The tuned and the repaired model.
        capabilities: Both parts of each.
        target: Both parts of the target, if there is one.
        lost: Required capabilities that the base has and the items that choose called lost, so that what is counted
            as given back was not picked on the items that count it.
        lacking: Capabilities that the base is not shown to have, with the reason: of these nothing was lost.
        alpha: Level of each claim and limit.
        seed: Random seed of the tests.

    Returns:
        Claims and gain.
    """
    reported = [halves.report for halves in capabilities]
    claims = point_claims(table, points[1], reported, alpha=alpha, seed=seed)
    return RepairOutcome(
        _recovery(table, points, reported, lost, lacking),
        None if target is None else _target(table, points, target.report, alpha),
        claims,
        suite_claim(claims),
    )


def verdict_of(outcome: RepairOutcome, *, has_output: bool) -> tuple[TestVerdict, tuple[str, ...]]:
    """Return the verdict, and its reasons.

    Args:
        outcome: Result on the held-out items.
        has_output: True if the search found anything but the base.

    Returns:
        pass needs both: every required capability retained, and some gain left where it is known.
    """
    target = outcome.target
    against, undecided = [], []
    if not has_output:
        against.append(
            "only the base itself meets the constraint, so nothing of the update is left"
        )
    elif target is not None and target.high <= 0:
        against.append("the repaired model is no better at the target than the base")
    elif target is not None and target.low <= 0:
        undecided.append("whether any of the target's gain is left is not settled")
    return weighed(outcome.suite_claim, against=against, undecided=undecided)


def look_rows(search: RepairSearch) -> list[RepairLook]:
    """Convert every evaluation of a search to the document's form."""
    on_front = {id(look) for look in front(search.looks)}
    return [
        RepairLook(
            family=look.candidate.family,
            label=look.candidate.label,
            target_gain=look.gain,
            gain_share=look.gain_share,
            kept_change=look.candidate.kept_change,
            worst_capability=look.worst,
            worst_loss=None if look.worst is None else look.worst_loss,
            damage=look.damage,
            excess=look.excess,
            meets_constraint=look.meets_all,
            is_on_front=id(look) in on_front,
        )
        for look in search.looks
    ]


def families(search: RepairSearch, rows: Sequence[RepairLook]) -> tuple[RepairFamily, ...]:
    """Return the result of each family, in the order in which they were searched.

    Args:
        search: Done.
        rows: Its looks, as `look_rows` gives them.

    Returns:
        One entry a family.
    """
    pairs: dict[str, list[tuple[CandidateEvaluation, RepairLook]]] = {}
    for look, row in zip(search.looks, rows, strict=True):
        pairs.setdefault(row.family, []).append((look, row))
    return tuple(
        RepairFamily(
            family=name,
            num_points=len(own),
            best=min(own, key=lambda pair: pair[0].order)[1],
        )
        for name, own in pairs.items()
    )


def cell_scales(cells: Sequence[Cell], candidate: Candidate) -> tuple[CellScale, ...]:
    """Return the scale of every part of the update."""
    return tuple(
        CellScale(cell=c.name, scale=candidate.scales[c.name], num_weights=len(c.weights))
        for c in cells
    )


def _recovery(
    table: Table,
    points: tuple[Point, Point],
    capabilities: Sequence[Capability],
    lost: Sequence[str],
    lacking: Mapping[str, str],
) -> Recovery:
    rows, damages = [], [0.0, 0.0]
    for capability in capabilities:
        moved = [table.values(p, capability) - table.values(BASE, capability) for p in points]
        changes = [float(each.mean()) for each in moved]
        errors = [standard_error(each, groups=capability.groups()) for each in moved]
        tuned, repaired = (capability.loss(change) for change in changes)
        was_lost = capability.name in lost
        reason = lacking.get(capability.name) or (None if tuned > 0 else _NOT_LOST_HERE)
        if was_lost:
            for side, loss in enumerate((tuned, repaired)):
                damages[side] += max(0.0, loss) / capability.tolerance
        rows.append(
            CapabilityRecovery(
                capability=capability.name,
                unit=capability.unit,
                required=capability.required,
                num_items=len(capability.items),
                tolerance=capability.tolerance,
                was_lost=was_lost,
                tuned_change=changes[0],
                repaired_change=changes[1],
                tuned_standard_error=errors[0],
                repaired_standard_error=errors[1],
                given_back=1 - repaired / tuned if reason is None else None,
                reason=reason,
            )
        )
    reason = None
    if damages[0] <= 0:
        reason = _NOT_LOST_HERE if lost else _NOTHING_LOST
    return Recovery(
        lost=tuple(lost),
        tuned_damage=damages[0],
        repaired_damage=damages[1],
        given_back=None if reason else 1 - damages[1] / damages[0],
        reason=reason,
        capabilities=tuple(rows),
    )


def _target(
    table: Table, points: tuple[Point, Point], target: Capability, alpha: float
) -> TargetRecovery:
    base, tuned, repaired = (float(table.values(p, target).mean()) for p in (BASE, *points))
    gains = -table.item_losses(points[1], target, base=BASE)
    _, low, high = mean_limits(gains, target, alpha)
    is_gain = tuned < base
    return TargetRecovery(
        metric=target.metric,
        unit=target.unit,
        num_items=len(target.items),
        base=base,
        tuned=tuned,
        repaired=repaired,
        tuned_gain=base - tuned,
        repaired_gain=base - repaired,
        low=low,
        high=high,
        confidence_level=1 - alpha,
        standard_error=standard_error(gains, groups=target.groups()),
        gain_share=(base - repaired) / (base - tuned) if is_gain else None,
        reason=None if is_gain else _NO_GAIN,
    )
