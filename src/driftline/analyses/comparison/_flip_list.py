"""The items of a capability that one model gets right and the other wrong, with both answers."""

from collections.abc import Callable, Mapping, Sequence

from ...capabilities import PREFERRED_OPTION, Generation, options_of
from ...capabilities import Item as CapabilityItem
from ...models import BASE, Point
from ...results import Flip, Flips
from ._paired import Paired


def flip_list(paired: Paired) -> Flips | None:
    """Return the items that one model gets right and the other wrong.

    Args:
        paired: The scores of both models.

    Returns:
        Both kinds, in the order of the items; None where an item is not right or wrong.
    """
    before, after = paired.right(paired.base), paired.right(paired.tuned)
    if before is None or after is None:
        return None
    items = paired.capability.items
    lost = tuple(
        _flip(item, scores)
        for item, scores, was, is_ in zip(items, paired.tuned, before, after, strict=True)
        if was and not is_
    )
    gained = tuple(
        _flip(item, scores)
        for item, scores, was, is_ in zip(items, paired.base, before, after, strict=True)
        if is_ and not was
    )
    adjusted, chance = None, paired.capability.chance
    if chance is not None:
        wrong_before, wrong_after = 1 - sum(before) / len(items), 1 - sum(after) / len(items)
        # With k options, chance is 1 / k, so that 1 / (k - 1) is chance / (1 - chance).
        by_guessing = wrong_before * chance / (1 - chance) * wrong_after
        adjusted = len(lost) / len(items) - by_guessing
    return Flips(lost=lost, gained=gained, chance_adjusted_loss=adjusted)


def with_answers(
    flips: Flips | None,
    paired: Paired,
    answers: Callable[[Point, Sequence[Generation]], Sequence[str]],
    point: Point,
) -> Flips | None:
    """Add the wrong model's answers, if answers are generated.

    Scores keep no texts, so the few items that flipped are answered once more. In bfloat16 an answer can differ
    from the one that was scored, as it moves with its batch.

    Args:
        flips: As `flip_list` gives them.
        paired: The scores of both models.
        answers: Generates them at a point.
        point: The tuned model.

    Returns:
        The flips; as they were where nothing is generated.
    """
    if flips is None or paired.capability.scorer != "generate":
        return flips
    items = {item.id: item for item in paired.capability.items if isinstance(item, Generation)}

    def answered(some: Sequence[Flip], at: Point) -> tuple[Flip, ...]:
        if not some:
            return ()
        said = answers(at, [items[flip.id] for flip in some])
        pairs = zip(some, said, strict=True)
        return tuple(flip.model_copy(update={"wrong": text}) for flip, text in pairs)

    update = {"lost": answered(flips.lost, point), "gained": answered(flips.gained, BASE)}
    return flips.model_copy(update=update)


def _flip(item: CapabilityItem, scores: Mapping[str, float]) -> Flip:
    """Return one item, with the scores of the model that is wrong."""
    if isinstance(item, Generation):
        return Flip(id=item.id, right=item.answer, wrong=None)
    options = options_of(item)
    if options is None:
        return Flip(id=item.id, right=None, wrong=None)
    texts, right = options
    preferred = scores.get(PREFERRED_OPTION)
    wrong = None if preferred is None else texts[int(preferred)]
    if wrong is None and len(texts) == 2:
        wrong = texts[1 - right]
    return Flip(id=item.id, right=texts[right], wrong=wrong)
