"""Claims on held-out items about the result of a search, and the verdict that they give."""

from collections.abc import Sequence

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE, Point
from ...results import CapabilityClaim, SuiteClaim
from ...verdicts import TestVerdict
from ..comparison import Paired, adjusted_claims, capability_claim


def point_claims(
    table: Table, point: Point, capabilities: Sequence[Capability], *, alpha: float, seed: int
) -> tuple[CapabilityClaim, ...]:
    """Test the claims about a point, as in a certification."""
    claims = [
        capability_claim(
            Paired(c, table.item_metrics(BASE, c), table.item_metrics(point, c)),
            alpha=alpha,
            seed=seed,
        )
        for c in capabilities
    ]
    return adjusted_claims(claims, alpha)


def weighed(
    claim: SuiteClaim, *, against: Sequence[str], undecided: Sequence[str]
) -> tuple[TestVerdict, tuple[str, ...]]:
    """Return the verdict of a search, and its reasons.

    Args:
        claim: About all required capabilities.
        against: Other reasons against the result.
        undecided: Other reasons for an undecided result.

    Returns:
        fail if anything speaks against it; pass only if nothing is left undecided.
    """
    if claim.verdict == "inferior":
        against = (str(claim.reason), *against)
    elif claim.verdict == "inconclusive":
        undecided = (str(claim.reason), *undecided)
    if against:
        return "fail", (*against, *undecided)
    if undecided:
        return "inconclusive", tuple(undecided)
    return "pass", (f"all {claim.num_required} required capabilities are retained",)
