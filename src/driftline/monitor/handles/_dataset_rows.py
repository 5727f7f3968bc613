"""The tokens of a trainer's data set, read by index so that no random number is drawn."""

from collections.abc import Sequence

_ANSWERS = ("chosen_ids", "rejected_ids", "completion_ids")


def first_rows(dataset: object, num: int) -> list[list[tuple[int, ...]]] | None:
    """Return the token sequences of the first rows: one each, or one per answer in preference data.

    >>> first_rows([{"input_ids": [1, 2]}, {"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [3, 4]}], 5)
    [[(1, 2)], [(1, 2), (1, 3, 4)]]

    Args:
        dataset: The trainer's.
        num: Largest number of rows.

    Returns:
        For each row its sequences, none where it is not tokenised; None where rows cannot be taken by
        index at all.
    """
    try:
        rows = [dataset[index] for index in range(min(num, len(dataset)))]  # type: ignore[arg-type, index]
        return [_sequences(row) for row in rows]
    except (TypeError, AttributeError, KeyError, IndexError):
        return None


def _sequences(row: dict[str, Sequence[int] | None]) -> list[tuple[int, ...]]:
    whole = row.get("input_ids")
    if whole is not None:
        return [tuple(map(int, whole))]
    prompt = row.get("prompt_ids")
    if prompt is None:
        return []
    answers = [row.get(name) for name in _ANSWERS]
    return [(*map(int, prompt), *map(int, answer)) for answer in answers if answer is not None]
