"""Claims about a change: each capability by its test, all of them by two rules."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...errors import ConfigError, RunError
from ...results import CapabilityClaim, SequentialUse, SuiteClaim
from ...stats import (
    SMALLEST_ALPHA,
    NoninferiorityTest,
    SequentialTest,
    bounded_noninferiority,
    flip_noninferiority,
    holm_adjusted_pvalues,
    sequential_noninferiority,
    standard_error,
    suite_pvalue,
    unbounded_noninferiority,
)
from ...verdicts import ClaimVerdict
from ._claim_obstacles import base_obstacle, fall_to_chance, no_pass, out_of_range
from ._flip_list import flip_list
from ._paired import Paired, is_bounded, largest_loss

_SMALLEST_ALPHA = 5e-4
"""Smallest alpha that the bootstrap of the unbounded test can reach."""
_UNSETTLED = "its limits lie on both sides of the margin; more items are needed to tell"
_RAN_OUT = "all {num} items were used, and the decision is not clear; more items are needed to tell"
_TOO_FEW = "{num} independent items are too few: they would not show it even if no score had moved"


class _Outcome(NamedTuple):
    """Result of a test, or the reason for none."""

    test: NoninferiorityTest | None
    reason: str | None
    evidence: tuple[float, float] | None = None
    """The e-values of a sequential test, for non_inferior and for inferior."""


def check_alpha(alpha: float, *, least: float = SMALLEST_ALPHA) -> None:
    """Refuse a level at which no test says anything."""
    if not least <= alpha <= 0.5:
        raise ConfigError(f"--alpha: {alpha} must lie between {least:g} and 0.5; 0.05 is usual")


def check_claims(capabilities: Sequence[Capability], alpha: float) -> None:
    """Refuse margins and levels at which nothing could be tested, before anything is scored.

    Args:
        alpha: Accepted chance that a loss of the margin passes, of one claim.

    Raises:
        ConfigError: alpha is out of reach, or a tolerance is as large as the largest possible loss.
    """
    is_unbounded = any(not is_bounded(capability) for capability in capabilities)
    check_alpha(alpha, least=_SMALLEST_ALPHA if is_unbounded else SMALLEST_ALPHA)
    for capability in capabilities:
        bound = largest_loss(capability)
        if capability.tolerance >= bound:
            raise ConfigError(
                f"capability {capability.name}: a margin of {capability.tolerance:g} accepts every "
                f"loss, since none is larger than {bound:g}; lower it in its suite or the policy"
            )


def capability_claim(
    paired: Paired, *, alpha: float, seed: int, obstacle: str | None = None
) -> CapabilityClaim:
    """Test the claim about one capability alone; `adjusted_claims` corrects for the others.

    Cost: that of its test, some 0.3 s for 1 000 items.

    Args:
        paired: The scores of both models.
        alpha: Accepted chance that a loss of the margin passes.
        seed: Random seed of the test's random orders or resamples.
        obstacle: Why the scores cannot be trusted, if so; then nothing is tested.

    Returns:
        The claim. Where there is no test, its limits and p-values are None and it is inconclusive.
        Where no number of items could show that it is kept, or the tuned model may guess, there is no
        limit of the loss and no p-value, and it is inferior or inconclusive.
    """
    reason = obstacle or base_obstacle(paired, alpha, seed) or out_of_range(paired)
    outcome = _Outcome(None, reason)
    if reason is None:
        outcome = _tested(paired, alpha=alpha, seed=seed)
    test = outcome.test
    if test is None:
        return _claim(paired, outcome)
    fall = fall_to_chance(paired, alpha, seed) if test.verdict == "non_inferior" else None
    low = None if fall or no_pass(paired.capability) else test.low
    limits: tuple[float | None, float | None] = (low, test.high)
    if not paired.capability.higher_is_better:
        limits = (-test.high, None if low is None else -low)
    return _claim(paired, outcome).model_copy(
        update={
            "low": limits[0],
            "high": limits[1],
            "loss_limit": None if low is None else -low,
            "pvalue": None if low is None else test.pvalue,
            "verdict": "inconclusive" if fall else test.verdict,
            "reason": fall or outcome.reason,
        }
    )


def identical_claim(paired: Paired) -> CapabilityClaim:
    """Return the claim about a capability of two models with bitwise equal weights.

    Args:
        paired: The scores of the base, twice.

    Returns:
        Retained without a test: the change is known to be 0, whatever the items.
    """
    zero = {"low": 0.0, "high": 0.0, "loss_limit": 0.0, "pvalue": 0.0}
    update = {**zero, "verdict": "non_inferior", "basis": "identical"}
    return _claim(paired, _Outcome(None, None)).model_copy(update=update)


def _claim(paired: Paired, outcome: _Outcome) -> CapabilityClaim:
    """Return a claim without limits: only the scores."""
    capability = paired.capability
    base, tuned = paired.values(paired.base), paired.values(paired.tuned)
    right, after = paired.right(paired.base), paired.right(paired.tuned)
    return CapabilityClaim(
        capability=capability.name,
        metric=capability.metric,
        unit=capability.unit,
        higher_is_better=capability.higher_is_better,
        num_items=len(capability.items),
        num_groups=paired.num_groups,
        base=float(base.mean()),
        tuned=float(tuned.mean()),
        change=float((tuned - base).mean()),
        low=None,
        high=None,
        loss_limit=None,
        margin=capability.tolerance,
        pvalue=None,
        adjusted_pvalue=None,
        verdict="inconclusive",
        adjusted_verdict="inconclusive",
        required=capability.required,
        method=paired.method,
        reason=outcome.reason,
        base_accuracy=None if right is None else sum(right) / len(right),
        tuned_accuracy=None if after is None else sum(after) / len(after),
        **_standard_errors(paired),
        chance=capability.chance,
        flips=flip_list(paired),
        score_range=capability.score_range,
        max_group_size=capability.max_group_size,
        sequential=_sequential_use(paired, outcome),
    )


def _standard_errors(paired: Paired) -> dict[str, float | None]:
    """Compute the errors of both means and of the paired change; none for a stopped sequence."""
    if paired.sample is not None:
        return {}
    base, tuned = paired.values(paired.base), paired.values(paired.tuned)
    groups = paired.capability.groups()
    return {
        "base_standard_error": standard_error(base, groups=groups),
        "tuned_standard_error": standard_error(tuned, groups=groups),
        "standard_error": standard_error(tuned - base, groups=groups),
    }


def adjusted_claims(claims: Sequence[CapabilityClaim], alpha: float) -> tuple[CapabilityClaim, ...]:
    """Apply Holm's correction over all claims to each of them.

    Args:
        claims: Claims of the whole document, which is the family of tests.
        alpha: Accepted chance of any wrong claim that a capability is retained.

    Returns:
        With adjusted p-values and verdicts. A claim without a p-value counts as 1 in the family.
    """
    pvalues = numpy.array([1.0 if c.pvalue is None else c.pvalue for c in claims])
    result = []
    for claim, adjusted in zip(claims, holm_adjusted_pvalues(pvalues).tolist(), strict=True):
        verdict = claim.verdict
        if verdict == "non_inferior" and adjusted > alpha:
            verdict = "inconclusive"
        shown = None if claim.pvalue is None else adjusted
        update = {"adjusted_pvalue": shown, "adjusted_verdict": verdict}
        result.append(claim.model_copy(update=update))
    return tuple(result)


def suite_claim(claims: Sequence[CapabilityClaim]) -> SuiteClaim:
    """Test the claim that every required capability is retained, each at alpha.

    Args:
        claims: Claims of all capabilities; those that are only watched do not count.

    Returns:
        non_inferior only if each is; inferior if any is; else inconclusive with its reason.
    """
    required = [claim for claim in claims if claim.required]
    pvalues = [claim.pvalue for claim in required if claim.pvalue is not None]
    verdict: ClaimVerdict = "inconclusive"
    reason: str | None = "no capability of the suite is required, so there is nothing to sign"
    if required:
        named = {v: [c.capability for c in required if c.verdict == v] for v in _WORDS}
        worst = next(v for v in _WORDS if named[v])
        verdict = worst
        reason = f"{_WORDS[worst]}: {', '.join(named[worst])}" if _WORDS[worst] else None
    return SuiteClaim(
        verdict=verdict,
        pvalue=suite_pvalue(numpy.array(pvalues))
        if pvalues and len(pvalues) == len(required)
        else None,
        num_required=len(required),
        reason=reason,
    )


_WORDS: dict[ClaimVerdict, str] = {
    "inferior": "lost beyond the margin",
    "inconclusive": "neither retained nor lost",
    "non_inferior": "",
}
"""In the order in which one decides the suite."""


def _tested(paired: Paired, *, alpha: float, seed: int) -> _Outcome:
    """Test one capability."""
    if paired.method == "sequential":
        return _tested_in_sequence(paired, alpha)
    gains = paired.gains()
    try:
        test = _test(paired, gains, alpha=alpha, seed=seed)
    except RunError as error:
        return _Outcome(None, no_pass(paired.capability) or str(error))
    if test.verdict != "inconclusive":
        return _Outcome(test, None)
    if obstacle := no_pass(paired.capability):
        return _Outcome(test, obstacle)
    best = _test(paired, numpy.zeros(len(gains)), alpha=alpha, seed=seed)
    is_hopeless = best.verdict == "inconclusive"
    return _Outcome(test, _TOO_FEW.format(num=paired.num_groups) if is_hopeless else _UNSETTLED)


def sequential_test(paired: Paired, alpha: float) -> SequentialTest:
    """Run the sequential test on the items so far; it may be repeated after every item."""
    assert paired.sample is not None
    bound = largest_loss(paired.capability)
    return sequential_noninferiority(
        paired.gains(),
        margin=paired.capability.tolerance,
        bounds=(-bound, bound),
        groups=paired.group_numbers(),
        max_group_size=paired.sample.max_group_size,
        confidence_level=1 - alpha,
    )


def _sequential_use(paired: Paired, outcome: _Outcome) -> SequentialUse | None:
    if paired.sample is None:
        return None
    evidence = outcome.evidence or (None, None)
    return SequentialUse(
        num_scored=paired.sample.num_scored,
        num_available=paired.sample.num_available,
        num_looks=paired.sample.num_looks,
        evidence_non_inferior=evidence[0],
        evidence_inferior=evidence[1],
    )


def _tested_in_sequence(paired: Paired, alpha: float) -> _Outcome:
    test, sample, margin = (
        sequential_test(paired, alpha),
        paired.sample,
        paired.capability.tolerance,
    )
    assert sample is not None
    # Limits and p-values say what the verdict says, also where they lie on the edge by rounding.
    pvalue = min(1.0, 1 / test.evidence_non_inferior)
    # Both limits are the sharpest so far; wider ones that hold the change say no more than they do.
    low, high = min(test.low, test.change), max(test.high, test.change)
    if test.verdict == "non_inferior":
        pvalue, low = min(pvalue, alpha), max(low, -margin)
    else:
        pvalue = max(pvalue, math.nextafter(alpha, 1.0))
    if test.verdict == "inferior":
        high = min(high, math.nextafter(-margin, -math.inf))
    outcome = NoninferiorityTest(
        test.change, low, high, margin, test.confidence_level, pvalue, test.verdict
    )
    return _Outcome(
        outcome,
        _RAN_OUT.format(num=f"{sample.num_available:,}")
        if test.verdict == "inconclusive"
        else None,
        (test.evidence_non_inferior, test.evidence_inferior),
    )


def _test(
    paired: Paired, gains: Float[ndarray, " items"], *, alpha: float, seed: int
) -> NoninferiorityTest:
    capability, level = paired.capability, 1 - alpha
    groups = paired.group_numbers()
    if paired.method == "flips":
        lost, gained = int((gains < 0).sum()), int((gains > 0).sum())
        return flip_noninferiority(
            lost, gained, len(gains), margin=capability.tolerance, confidence_level=level
        )
    if paired.method == "bounded":
        bound = largest_loss(capability)
        return bounded_noninferiority(
            gains,
            margin=capability.tolerance,
            bounds=(-bound, bound),
            groups=groups,
            max_group_size=capability.max_group_size,
            confidence_level=level,
            seed=seed,
        )
    return unbounded_noninferiority(
        gains, margin=capability.tolerance, groups=groups, confidence_level=level, seed=seed
    )
