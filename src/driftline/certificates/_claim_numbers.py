"""Do the numbers of a certification agree with one another: counts, limits, differences, digests?"""

import math
from collections.abc import Iterator

from ._certification import CertifiedDocument, Claim

_ROUNDING = 1e-9
"""Relative to the scores: a mean of differences and a difference of means round differently."""
_RIGHT = ("accuracy", "exact_match")
_RANGES = {
    "accuracy": (0.0, 1.0),
    "exact_match": (0.0, 1.0),
    "probability": (0.0, 1.0),
    "margin_nats": (-5.0, 5.0),
}
"""Range of a mean score, by metric."""
_DIRECTIONS = {**dict.fromkeys(_RANGES, True), "nll_nats": False}
"""True if larger is better, by metric."""


def number_faults(certification: CertifiedDocument) -> Iterator[str]:
    """Find numbers that contradict one another.

    - An item count is at least 1, groups are not more than items, items that flipped neither, and
      all claims together have no more items than the suites.
    - tuned - base is the change, and so are gained - lost over the items of a share; the change
      lies between its limits, and the limit of the loss is one of them.
    - A score lies within the bounds of its metric, and its direction is the metric's.
    - A claim that rests on identical weights shows no change, and both sides have one digest.

    Args:
        certification: The document; what it does not hold is not compared.

    Yields:
        A sentence a fault.
    """
    for claim in certification.claims:
        for fault in _claim_faults(claim):
            yield f"{claim.capability}: {fault}"
    yield from _total_faults(certification)
    if any(claim.basis == "identical" for claim in certification.claims):
        yield from _identity_faults(certification)


def _claim_faults(claim: Claim) -> Iterator[str]:
    yield from _count_faults(claim)
    yield from _score_faults(claim)
    yield from _limit_faults(claim)
    if claim.basis == "identical":
        numbers = (claim.change, claim.low, claim.high, claim.pvalue)
        if any(number != 0 for number in numbers) or claim.base != claim.tuned:
            yield "it is said to rest on identical weights, and shows a change"


def _count_faults(claim: Claim) -> Iterator[str]:
    num = claim.num_items
    if num < 1:
        yield f"a claim about {num} items is about nothing"
        return
    if claim.num_groups is not None and not 1 <= claim.num_groups <= num:
        yield f"it has {claim.num_groups} groups and {num} items"
    if claim.flips is None:
        return
    lost, gained = len(claim.flips.lost), len(claim.flips.gained)
    if lost + gained > num:
        yield f"{lost} items lost and {gained} gained are more than its {num} items"
    elif claim.metric in _RIGHT and not _close(claim.change, (gained - lost) / num, 1.0):
        yield (
            f"a change of {claim.change} is not that of {lost} items lost and {gained} gained among "
            f"{num}"
        )


def _score_faults(claim: Claim) -> Iterator[str]:
    if claim.base is None or claim.tuned is None:
        return
    if not _close(claim.change, claim.tuned - claim.base, max(abs(claim.base), abs(claim.tuned))):
        yield f"the change {claim.change} is not tuned - base, {claim.tuned} - {claim.base}"
    low, high = _RANGES.get(claim.metric or "", (-math.inf, math.inf))
    for side, value in (("base", claim.base), ("tuned", claim.tuned)):
        if not low <= value <= high:
            yield f"{side} scores {value}, and {claim.metric} lies between {low:g} and {high:g}"
    if _DIRECTIONS.get(claim.metric or "", claim.higher_is_better) != claim.higher_is_better:
        better = "higher" if claim.higher_is_better else "lower"
        yield f"{better} is not better for {claim.metric}"


def _limit_faults(claim: Claim) -> Iterator[str]:
    room = _ROUNDING * max(1.0, abs(claim.change))
    low = -math.inf if claim.low is None else claim.low
    high = math.inf if claim.high is None else claim.high
    if not low - room <= claim.change <= high + room:
        yield f"the change {claim.change} does not lie between its limits {claim.low} and {claim.high}"
    limit = claim.low if claim.higher_is_better else claim.high
    if claim.higher_is_better and limit is not None:
        limit = -limit
    if limit is None and claim.pvalue is not None:
        yield f"the p-value {claim.pvalue} has no limit of the loss beside it"
    if claim.loss_limit is not None and (
        limit is None or not _close(claim.loss_limit, limit, abs(limit))
    ):
        yield f"the loss limit {claim.loss_limit} is not that of its limits, {limit}"


def _total_faults(certification: CertifiedDocument) -> Iterator[str]:
    suites, claims = certification.provenance.suites, certification.claims
    records = [suite.num_records for suite in suites]
    total = sum(claim.num_items for claim in claims)
    if all(number is not None for number in records):
        available = sum(number for number in records if number is not None)
        left_out = sum(certification.provenance.num_left_out.values())
        if total + left_out > available:
            without = f" without {left_out} that are left out" if left_out else ""
            yield f"the claims rest on {total} items{without}, and the suites hold {available}"
    names = {claim.capability for claim in claims}
    for name in certification.provenance.num_left_out:
        if name not in names:
            yield f"items of {name} are left out, and no claim is about it"
    required = sum(claim.required for claim in claims)
    said = certification.suite_claim.num_required
    if said is not None and said != required:
        yield f"the claim about the suite counts {said} required claims, and there are {required}"


def _identity_faults(certification: CertifiedDocument) -> Iterator[str]:
    provenance = certification.provenance
    digest = None if provenance.base_model is None else provenance.base_model.digest
    has_one_digest = digest is not None and digest == provenance.tuned_digest
    if not has_one_digest and provenance.base.files != provenance.tuned.files:
        yield (
            f"the weights are said to be identical, and their digests are {digest} and "
            f"{provenance.tuned_digest}"
        )


def _close(result: float, requested: float, scale: float) -> bool:
    return abs(result - requested) <= _ROUNDING * max(1.0, scale)
