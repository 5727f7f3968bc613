"""Is what was lost gone, or only hard to reach? Lost capabilities asked again behind solved examples."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy

from ...capabilities import Capability, with_solved_examples
from ...engine import Engine
from ...errors import SuiteError
from ...models import BASE, Point
from ...results import CapabilityClaim, RecoveryFinding, RecoveryProbe
from ..comparison import Paired, capability_claim

NUM_SHOTS = 4

_NO_FORM = (
    "its items are texts without a question, of several kinds, or too few, so no solved example of "
    "them can be put before the others"
)
_COSTS_BASE = "the examples themselves cost the base more than the margin, so they show nothing"
_FINDINGS: dict[str, RecoveryFinding] = {"non_inferior": "access", "inferior": "persists"}
_MEASURED = ("base_plain", "tuned_plain", "base", "tuned", "low", "high")
"""Fields that are None where no example could be asked."""


class _Level(NamedTuple):
    """Settings of the test of a recovery probe."""

    alpha: float
    seed: int


def probe_recovery(
    pairs: Sequence[Paired],
    claims: Sequence[CapabilityClaim],
    engine: Engine,
    point: Point,
    *,
    alpha: float,
    seed: int,
) -> tuple[RecoveryProbe, ...]:
    """Distinguish loss of knowledge from loss of access or format, for each inferior capability.

    Base and tuned model get the same solved examples before each item, and the change between
    them is tested against the capability's own margin. Why so: design/recovery-probe.md.

    Cost: two forward passes over the items of what was lost, examples included, which run once for
    all items where the model allows it.

    Args:
        pairs: The scores of both models, as the claims rest on them.
        claims: In the same order.
        engine: Engine that scores them.
        point: The tuned model.
        alpha: Level of each probe by itself.
        seed: Random seed of the examples.
    """
    level = _Level(alpha, seed)
    return tuple(
        _probe(paired, engine, point, level)
        for paired, claim in zip(pairs, claims, strict=True)
        if claim.verdict == "inferior"
    )


def _probe(paired: Paired, engine: Engine, point: Point, level: _Level) -> RecoveryProbe:
    request = with_solved_examples(paired.capability, NUM_SHOTS, seed=level.seed)
    if request is None:
        return _unasked(paired.capability, _NO_FORM)
    try:
        engine.meter.plan(2 * engine.num_tokens((request,)))
    except SuiteError as error:
        return _unasked(paired.capability, f"the examples make the items too long: {error}")
    table = engine.evaluate((BASE, point), (request,))
    again = Paired(request, table.item_metrics(BASE, request), table.item_metrics(point, request))
    claim = capability_claim(again, alpha=level.alpha, seed=level.seed)
    ids = {item.id for item in request.items}
    is_asked = numpy.array([item.id in ids for item in paired.capability.items])
    base_plain, tuned_plain = (
        float(paired.values(side)[is_asked].mean()) for side in (paired.base, paired.tuned)
    )
    finding, reason = _FINDINGS.get(claim.verdict, "inconclusive"), claim.reason
    if request.loss(claim.base - base_plain) > request.tolerance:
        finding, reason = "inconclusive", _COSTS_BASE
    return RecoveryProbe(
        capability=request.name,
        finding=finding,
        reason=reason,
        num_shots=NUM_SHOTS,
        num_items=len(request.items),
        unit=request.unit,
        base_plain=base_plain,
        tuned_plain=tuned_plain,
        base=claim.base,
        tuned=claim.tuned,
        low=claim.low,
        high=claim.high,
        margin=request.tolerance,
        standard_error=claim.standard_error,
        num_groups=claim.num_groups,
    )


def _unasked(capability: Capability, reason: str) -> RecoveryProbe:
    return RecoveryProbe(
        capability=capability.name,
        finding="inconclusive",
        reason=reason,
        num_shots=NUM_SHOTS,
        num_items=0,
        unit=capability.unit,
        margin=capability.tolerance,
        **dict.fromkeys(_MEASURED),
    )
