"""What can be claimed of a change: each capability by its test, all of them by two rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..capabilities import MARGIN_BOUND_NATS, Alternatives, Capability, MinimalPair, MultipleChoice
from ..capabilities import Item as CapabilityItem
from ..errors import ConfigError, RunError
from ..results import CapabilityClaim, ClaimVerdict, Flip, Flips, SuiteClaim
from ..stats import (
    NoninferiorityTest,
    bounded_noninferiority,
    flip_noninferiority,
    holm_adjusted_pvalues,
    suite_pvalue,
    unbounded_noninferiority,
)

Method = Literal["flips", "bounded", "unbounded"]

_RIGHT = ("accuracy", "exact_match")
"""Metrics that are 1 for an item that is right and 0 for one that is wrong."""
_SMALLEST_ALPHA = 5e-4
"""What the bootstrap of the unbounded test can reach."""
_UNSETTLED = "its limits lie on both sides of the margin; more items are needed to tell"
_TOO_FEW = "{num} independent items are too few: they would not show it even if no score had moved"


@dataclass(frozen=True)
class Paired:
    """A capability with the scores of both models on the same items."""

    capability: Capability
    base: Sequence[Mapping[str, float]]
    """Every metric of each item, in the capability's order."""
    tuned: Sequence[Mapping[str, float]]

    @property
    def num_moved(self) -> int:
        """Items of which any metric differs."""
        return sum(dict(b) != dict(t) for b, t in zip(self.base, self.tuned, strict=True))

    @property
    def num_groups(self) -> int:
        """Independent units of evidence."""
        return len(set(self.capability.groups()))

    @property
    def method(self) -> Method:
        """Which test is right for the metric: see design/certification-statistics.md."""
        if self.capability.metric == "nll_nats":
            return "unbounded"
        is_grouped = self.num_groups < len(self.capability.items)
        return "bounded" if is_grouped or self.capability.metric == "margin_nats" else "flips"

    def values(self, side: Sequence[Mapping[str, float]]) -> Float[ndarray, " items"]:
        """The capability's own metric, item by item."""
        return numpy.array([metrics[self.capability.metric] for metrics in side], dtype=float)

    def right(self, side: Sequence[Mapping[str, float]]) -> list[bool] | None:
        """Which items are right; None where the scorer does not say."""
        for metric in _RIGHT:
            if metric in side[0]:
                return [metrics[metric] > 0 for metrics in side]
        return None


class _Outcome(NamedTuple):
    """What a test said, or why there is none."""

    test: NoninferiorityTest | None
    reason: str | None


def check_claims(capabilities: Sequence[Capability], alpha: float) -> None:
    """Refuse margins and levels at which nothing could be tested, before anything is scored.

    Args:
        capabilities: What is to be claimed.
        alpha: Accepted chance that a loss of the margin passes, of one claim.

    Raises:
        ConfigError: alpha is out of reach, or a tolerance is as large as the largest possible loss.
    """
    is_unbounded = any(capability.metric == "nll_nats" for capability in capabilities)
    least = _SMALLEST_ALPHA if is_unbounded else 0.0
    if not (least <= alpha <= 0.5 and alpha > 0):
        raise ConfigError(f"--alpha: {alpha} must lie between {least:g} and 0.5; 0.05 is usual")
    for capability in capabilities:
        bound = _largest_loss(capability)
        if capability.tolerance >= bound:
            raise ConfigError(
                f"--suite: capability {capability.name}: a tolerance of {capability.tolerance:g} "
                f"accepts every loss, since none is larger than {bound:g}; lower it"
            )


def capability_claim(
    paired: Paired, *, alpha: float, seed: int, obstacle: str | None = None
) -> CapabilityClaim:
    """The claim about one capability by itself; `adjusted_claims` adds the others' share.

    Cost: that of its test, some 0.3 s for 1 000 items.

    Args:
        paired: The scores of both models.
        alpha: Accepted chance that a loss of the margin passes.
        seed: Of the test's random orders or resamples.
        obstacle: Why the scores cannot be trusted, if so; then nothing is tested.

    Returns:
        The claim. Where there is no test, its limits and p-values are None and it is inconclusive.
    """
    capability = paired.capability
    base, tuned = paired.values(paired.base), paired.values(paired.tuned)
    flips, sign = _flips(paired), 1.0 if capability.higher_is_better else -1.0
    reason = obstacle or _nothing_to_retain(paired)
    outcome = _Outcome(None, reason)
    if reason is None:
        outcome = _tested(paired, sign * (tuned - base), alpha=alpha, seed=seed)
    test = outcome.test
    limits = (None, None) if test is None else (test.low, test.high)
    if test is not None and sign < 0:
        limits = (-test.high, -test.low)
    verdict: ClaimVerdict = "inconclusive" if test is None else test.verdict
    right = paired.right(paired.base)
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
        low=limits[0],
        high=limits[1],
        loss_limit=None if test is None else -test.low,
        margin=capability.tolerance,
        pvalue=None if test is None else test.pvalue,
        adjusted_pvalue=None,
        verdict=verdict,
        adjusted_verdict="inconclusive",
        required=capability.required,
        method=paired.method,
        reason=outcome.reason,
        base_accuracy=None if right is None else sum(right) / len(right),
        chance=capability.chance,
        flips=flips,
    )


def adjusted_claims(claims: Sequence[CapabilityClaim], alpha: float) -> tuple[CapabilityClaim, ...]:
    """The same claims, with what Holm's correction over all of them leaves of each.

    Args:
        claims: Of the whole document, as the family is.
        alpha: Accepted chance of any wrong claim that a capability is retained.

    Returns:
        With adjusted p-values and verdicts. A claim without a p-value counts as 1 in the family.
    """
    pvalues = numpy.array([1.0 if c.pvalue is None else c.pvalue for c in claims])
    found = []
    for claim, adjusted in zip(claims, holm_adjusted_pvalues(pvalues).tolist(), strict=True):
        verdict = claim.verdict
        if verdict == "non_inferior" and adjusted > alpha:
            verdict = "inconclusive"
        shown = None if claim.pvalue is None else adjusted
        update = {"adjusted_pvalue": shown, "adjusted_verdict": verdict}
        found.append(claim.model_copy(update=update))
    return tuple(found)


def suite_claim(claims: Sequence[CapabilityClaim]) -> SuiteClaim:
    """The claim that every required capability is retained, each at alpha.

    Args:
        claims: Of all capabilities; those that are only watched do not count.

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


def _largest_loss(capability: Capability) -> float:
    """The largest loss that a mean score could have."""
    bounds = {"margin_nats": 2 * MARGIN_BOUND_NATS, "nll_nats": float("inf")}
    return bounds.get(capability.metric, 1.0)


def _nothing_to_retain(paired: Paired) -> str | None:
    """Why the base itself has nothing that could be lost; None where it has."""
    capability, right = paired.capability, paired.right(paired.base)
    if right is None:
        return None
    accuracy, floor = sum(right) / len(right), capability.chance or 0.0
    if accuracy <= floor:
        return (
            f"the base has an accuracy of {accuracy:.1%} where guessing gives {floor:.1%}; there is "
            "nothing to retain"
        )
    if capability.metric in _RIGHT and accuracy - capability.tolerance <= floor:
        return (
            f"the margin of {100 * capability.tolerance:g} points accepts a fall of the base's "
            f"accuracy of {accuracy:.1%} to the {floor:.1%} of guessing; lower the tolerance"
        )
    return None


def _tested(
    paired: Paired, gains: Float[ndarray, " items"], *, alpha: float, seed: int
) -> _Outcome:
    """The test of one capability, on changes of which larger is better."""
    try:
        test = _test(paired, gains, alpha=alpha, seed=seed)
    except RunError as error:
        return _Outcome(None, str(error))
    if test.verdict != "inconclusive":
        return _Outcome(test, None)
    # Without bounds, a sample that does not move has no spread and says nothing.
    if paired.method != "unbounded":
        best = _test(paired, numpy.zeros(len(gains)), alpha=alpha, seed=seed)
        if best.verdict == "inconclusive":
            return _Outcome(test, _TOO_FEW.format(num=paired.num_groups))
    return _Outcome(test, _UNSETTLED)


def _test(
    paired: Paired, gains: Float[ndarray, " items"], *, alpha: float, seed: int
) -> NoninferiorityTest:
    capability, level = paired.capability, 1 - alpha
    _, groups = numpy.unique(capability.groups(), return_inverse=True)
    if paired.method == "flips":
        lost, gained = int((gains < 0).sum()), int((gains > 0).sum())
        return flip_noninferiority(
            lost, gained, len(gains), margin=capability.tolerance, confidence_level=level
        )
    if paired.method == "bounded":
        bound = _largest_loss(capability)
        return bounded_noninferiority(
            gains,
            margin=capability.tolerance,
            bounds=(-bound, bound),
            groups=groups,
            confidence_level=level,
            seed=seed,
        )
    return unbounded_noninferiority(
        gains, margin=capability.tolerance, groups=groups, confidence_level=level, seed=seed
    )


def _flips(paired: Paired) -> Flips | None:
    """The items that changed sides."""
    before, after = paired.right(paired.base), paired.right(paired.tuned)
    if before is None or after is None:
        return None
    items = list(zip(paired.capability.items, before, after, strict=True))
    lost = tuple(_flip(item) for item, was, is_ in items if was and not is_)
    gained = tuple(_flip(item) for item, was, is_ in items if is_ and not was)
    adjusted, chance = None, paired.capability.chance
    if chance is not None:
        wrong_before, wrong_after = 1 - sum(before) / len(items), 1 - sum(after) / len(items)
        # With k options, chance is 1 / k, so that 1 / (k - 1) is chance / (1 - chance).
        by_guessing = wrong_before * chance / (1 - chance) * wrong_after
        adjusted = len(lost) / len(items) - by_guessing
    return Flips(lost=lost, gained=gained, chance_adjusted_loss=adjusted)


def _flip(item: CapabilityItem) -> Flip:
    options: tuple[str, ...] = ()
    right = 0
    match item:
        case MultipleChoice():
            options, right = item.choices, item.answer
        case Alternatives():
            options, right = tuple(a.prompt + a.completion for a in item.alternatives), item.answer
        case MinimalPair():
            options = (item.good, item.bad)
    wrong = [option for index, option in enumerate(options) if index != right]
    return Flip(
        id=item.id,
        right=options[right] if options else None,
        wrong=wrong[0] if len(wrong) == 1 else None,
    )
