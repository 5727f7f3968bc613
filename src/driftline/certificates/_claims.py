"""Do the verdicts of a certification follow from its numbers? Recomputed from what it says."""

import math
from collections.abc import Iterator, Sequence

import numpy

from ..stats import holm_adjusted_pvalues, suite_pvalue
from ._certification import CertifiedDocument, CertifiedSuiteClaim, Claim, ClaimVerdict
from ._claim_numbers import number_faults
from ._policy_rules import embedded_policy_faults

_ROUNDING = 1e-9
"""Relative; numbers travel as the shortest decimal that reads back as the same double."""

_RANK = {"fail": 0, "inferior": 0, "inconclusive": 1, "pass": 2, "non_inferior": 2}


def claim_faults(certification: CertifiedDocument) -> tuple[str, ...]:
    """List the contradictions within a certification.

    - A capability is non_inferior exactly where the largest loss that its limits leave possible is
      at most the margin and its p-value at most alpha; inferior only where the smallest one is
      above the margin, and inconclusive without limits.
    - Adjusted p-values are Holm's over all claims, where one without a p-value counts as 1. What is
      non_inferior stays so where the adjusted p-value is at most alpha, else it is inconclusive;
      other verdicts stand.
    - The suite is inferior where a required claim is, non_inferior where all of them are, else
      inconclusive; its p-value is the largest of theirs. The document's verdict is not better.
    - Where a policy is named: alpha, margins and which claims are required are as it says.
    - Counts, limits and differences agree with one another, and identical weights have one digest:
      see `number_faults`.

    It cannot tell whether the numbers were measured, only that they agree. Cost: microseconds.
    Source: Holm 1979; Berger 1982, as in `driftline.stats`.

    Args:
        certification: Document that was signed, or is to be.

    Returns:
        A sentence a fault; none where all agrees.
    """
    alpha = certification.provenance.alpha
    faults = [
        f"{claim.capability}: {fault}"
        for claim in certification.claims
        for fault in _verdict_faults(claim, alpha)
    ]
    faults += _holm_faults(certification.claims)
    faults += _suite_faults(certification.suite_claim, certification.claims)
    if _RANK[certification.verdict] > _RANK[certification.suite_claim.verdict]:
        faults.append(
            f"the verdict {certification.verdict} is better than that of the claim about the "
            f"suite, {certification.suite_claim.verdict}"
        )
    faults += number_faults(certification)
    if certification.provenance.policy is not None:
        faults += embedded_policy_faults(
            certification.provenance.policy, certification.claims, alpha
        )
    return tuple(faults)


def _losses(claim: Claim) -> tuple[float | None, float | None]:
    """Return the smallest and the largest loss that the limits allow."""
    if claim.higher_is_better:
        return _minus(claim.high), _minus(claim.low)
    return claim.low, claim.high


def _verdict_faults(claim: Claim, alpha: float) -> Iterator[str]:
    smallest, largest = _losses(claim)
    is_kept = largest is not None and largest <= claim.margin and _at_most(claim.pvalue, alpha)
    is_lost = smallest is not None and smallest > claim.margin
    requested = "non_inferior" if is_kept else "inferior" if is_lost else "inconclusive"
    if claim.verdict != requested:
        yield (
            f"the verdict {claim.verdict} does not follow from a loss between {smallest} and "
            f"{largest}, margin {claim.margin}, p-value {claim.pvalue} and alpha {alpha}, which "
            f"make it {requested}"
        )
    if claim.verdict == "non_inferior" and not _at_most(claim.adjusted_pvalue, alpha):
        requested = "inconclusive"
    if claim.adjusted_verdict != requested:
        yield (
            f"the adjusted verdict {claim.adjusted_verdict} does not follow from the adjusted "
            f"p-value {claim.adjusted_pvalue} and alpha {alpha}, which make it {requested}"
        )


def _holm_faults(claims: Sequence[Claim]) -> Iterator[str]:
    family = numpy.array([1.0 if claim.pvalue is None else claim.pvalue for claim in claims])
    for claim, adjusted in zip(claims, holm_adjusted_pvalues(family).tolist(), strict=True):
        requested = None if claim.pvalue is None else adjusted
        if not _equal(claim.adjusted_pvalue, requested):
            yield (
                f"{claim.capability}: the adjusted p-value {claim.adjusted_pvalue} is not that of "
                f"Holm, {requested}"
            )


def _suite_faults(suite: CertifiedSuiteClaim, claims: Sequence[Claim]) -> Iterator[str]:
    required = [claim for claim in claims if claim.required]
    verdict = _suite_verdict(required)
    if suite.verdict != verdict:
        yield (
            f"the suite's verdict {suite.verdict} does not follow from its required claims, which "
            f"make it {verdict}"
        )
    pvalues = [claim.pvalue for claim in required if claim.pvalue is not None]
    requested = None
    if pvalues and len(pvalues) == len(required):
        requested = suite_pvalue(numpy.array(pvalues, dtype=float))
    if not _equal(suite.pvalue, requested):
        yield f"the suite's p-value {suite.pvalue} is not the largest of its required claims, {requested}"


def _suite_verdict(required: Sequence[Claim]) -> ClaimVerdict:
    verdicts = {claim.verdict for claim in required}
    if "inferior" in verdicts:
        return "inferior"
    return "non_inferior" if verdicts == {"non_inferior"} else "inconclusive"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _at_most(value: float | None, bound: float) -> bool:
    return value is not None and value <= bound * (1 + _ROUNDING)


def _equal(result: float | None, requested: float | None) -> bool:
    if result is None or requested is None:
        return result is requested
    return math.isclose(result, requested, rel_tol=_ROUNDING)
