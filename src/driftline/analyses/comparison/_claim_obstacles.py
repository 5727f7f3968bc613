"""Reasons for which nothing, or no pass, can be claimed of a capability, however the scores changed."""

from collections import Counter

import numpy

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE
from ...stats import ALPHA, above_chance_evidence, above_chance_pvalue
from ._paired import Paired, has_known_sizes, is_bounded

_NO_RANGE = (
    "nll_nats has no bounds, so that no number of items rules out a rare and large loss; declare "
    "range: [LOW, HIGH] of the scores in the suite, or claim accuracy or margin_nats"
)
_NO_SIZE = (
    "its groups hold {least} to {most} items, so that a rare and larger one could carry a loss that "
    "these do not show; declare max_group_size in the suite, the most items that a group can hold"
)
_OUT_OF_RANGE = (
    "item {id} scores {value:g} {unit} at the {side}, outside of the declared range of {low:g} to "
    "{high:g}; declare one that holds every score"
)
_AT_CHANCE = (
    "the base answers {num_right} of {num} items right ({accuracy:.1%}), where guessing gives "
    "{floor:.1%}; it is not shown to be above chance at alpha = {alpha:g} (p = {pvalue:.2g}), so there "
    "is nothing to retain; ask items that the base can answer, or more of them"
)
_FELL = (
    "the tuned model answers {num_right} of {num} items right ({accuracy:.1%}), where guessing gives "
    "{floor:.1%}; it is not shown to be above chance at alpha = {alpha:g} (p = {pvalue:.2g}), so a margin "
    "of {margin:g} {unit} would accept a model that guesses; lower the tolerance, or ask more items"
)
_NONE_RIGHT = (
    "the base answers none of {num} items right, so there is nothing to retain; ask items that the "
    "base can answer"
)
_FALL = (
    "the margin of {margin:g} {unit} accepts a fall of the base from {value:.1%} to the {floor:.1%} of "
    "guessing; lower the tolerance"
)


def base_obstacle(paired: Paired, alpha: float, seed: int) -> str | None:
    """Return why the base cannot lose the capability.

    A base of which the items do not show, at level alpha, that it answers more often right than a
    guess has no capability to retain, whatever the metric: a mean margin may be positive where half
    of the answers are wrong.

    Args:
        paired: The scores; only those of the base count.
        alpha: Level of the test against guessing.
        seed: Random seed of its orders, if items come in groups.

    Returns:
        The reason and a mend; None where the base has the capability, or where nothing says when an
        item is right.
    """
    capability, right = paired.capability, paired.right(paired.base)
    if right is None:
        return None
    num_right, num, floor = sum(right), len(right), capability.chance
    if num_right == 0:
        return _NONE_RIGHT.format(num=num)
    if floor is not None:
        pvalue = _chance_pvalue(paired, numpy.array(right), alpha, seed)
        if pvalue > alpha:
            accuracy = num_right / num
            return _AT_CHANCE.format(
                num_right=num_right,
                num=num,
                accuracy=accuracy,
                floor=floor,
                alpha=alpha,
                pvalue=pvalue,
            )
    if not capability.measure.falls_to_chance:
        return None
    value = float(paired.values(paired.base).mean())
    if value - capability.tolerance > (floor or 0.0):
        return None
    return _FALL.format(
        margin=capability.tolerance, unit=capability.unit, value=value, floor=floor or 0.0
    )


def nothing_to_lose(capability: Capability, table: Table) -> str | None:
    """Return why the base cannot lose a capability, by the test of a certification at its usual level.

    Such a capability can be neither lost nor kept, so that it decides nothing, wherever losses decide.

    Args:
        table: Scores of the base.

    Returns:
        The reason and a mend; None where the base is shown to have it.
    """
    scores = table.item_metrics(BASE, capability)
    return base_obstacle(Paired(capability, scores, scores), ALPHA, seed=0)


def fall_to_chance(paired: Paired, alpha: float, seed: int) -> str | None:
    """Return why a mean within its margin does not pass: the tuned model may guess.

    A mean share of right answers says by itself how far it lies above guessing. A mean margin in nats
    does not, so a wide margin would take a model that guesses for one that kept a capability.

    Args:
        paired: The scores; only those of the tuned model count.
        alpha: Level of the test against guessing.
        seed: Random seed of its orders, if items come in groups.

    Returns:
        The reason and a mend; None where the tuned model is above chance, where the metric says so by
        itself, or where nothing says what a guess is.
    """
    capability, right = paired.capability, paired.right(paired.tuned)
    floor = capability.chance
    if right is None or floor is None or capability.measure.falls_to_chance:
        return None
    pvalue = _chance_pvalue(paired, numpy.array(right), alpha, seed)
    if pvalue <= alpha:
        return None
    return _FELL.format(
        num_right=sum(right),
        num=len(right),
        accuracy=sum(right) / len(right),
        floor=floor,
        alpha=alpha,
        pvalue=pvalue,
        margin=capability.tolerance,
        unit=capability.unit,
    )


def _chance_pvalue(paired: Paired, right: numpy.ndarray, alpha: float, seed: int) -> float:
    """Compute the p-value of "the model guesses", by a test that fits how items were chosen."""
    capability = paired.capability
    chances, groups = numpy.array(capability.chances()), paired.group_numbers()
    if paired.sample is not None:
        largest = paired.sample.max_group_size
        evidence = above_chance_evidence(right, chances, groups=groups, max_group_size=largest)
        return min(1.0, 1 / evidence)
    return above_chance_pvalue(
        right,
        chances,
        groups=groups,
        # A base is judged by the groups that there are; without a declared size nothing passes.
        max_group_size=capability.max_group_size or largest_group(capability),
        alpha=alpha,
        seed=seed,
    )


def largest_group(capability: Capability) -> int:
    """Return the number of items of the largest group."""
    return max(Counter(capability.groups()).values())


def out_of_range(paired: Paired) -> str | None:
    """Name the first score that contradicts the declared range; None where there is none."""
    declared = paired.capability.score_range
    if declared is None:
        return None
    low, high = declared
    for side, scores in (("base", paired.base), ("tuned model", paired.tuned)):
        for item, value in zip(paired.capability.items, paired.values(scores), strict=True):
            if not low <= value <= high:
                return _OUT_OF_RANGE.format(
                    id=item.id,
                    value=value,
                    unit=paired.capability.unit,
                    side=side,
                    low=low,
                    high=high,
                )
    return None


def no_pass(capability: Capability) -> str | None:
    """Return why no number of items could show retention; None if some number could."""
    if not is_bounded(capability):
        return _NO_RANGE
    if has_known_sizes(capability):
        return None
    sizes = Counter(capability.groups()).values()
    return _NO_SIZE.format(least=min(sizes), most=max(sizes))
