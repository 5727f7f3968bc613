"""The gain on rows that are trained on and on others, in sentences."""

from ..documents import Assessment
from ..parts import RowGain, RowGains
from ._readings import clean, number, percent


def row_gain_sentences(assessment: Assessment) -> tuple[str, ...]:
    """Say what the run gains on rows that it has seen and on others, and what the gap means.

    Args:
        assessment: With both measured, or without.

    Returns:
        Sentences without markup; none where it was not measured.
    """
    found = assessment.row_gains
    if found is None:
        return ()
    unit, at = clean(found.unit), f"after step {found.step}, where the probe ends"
    others = f"on others ({found.source})"
    if found.seen is None:
        sentences = [
            f"On rows that are not trained on ({found.source}) {_told(found.unseen)} {unit}, {at}."
        ]
    elif min(found.seen.gain, found.unseen.gain) >= 0:
        sentences = [
            f"The target improves on rows it has seen by {_amount(found.seen)} and {others} by "
            f"{_amount(found.unseen)} {unit}, {at}."
        ]
    else:
        sentences = [
            f"On rows it has seen {_told(found.seen)}, and {others} {_told(found.unseen)} {unit}, {at}."
        ]
    sentences += _gap(found)
    if found.predicted_gain is not None:
        low, high = (number(each, signed=True) for each in _ends(found))
        sentences.append(
            f"At the end of the run, the gain on rows not trained on is forecast at "
            f"{number(found.predicted_gain, signed=True)} {unit} ({percent(found.confidence_level)} interval "
            f"{low} to {high})."
        )
    return tuple(sentences)


def _told(gain: RowGain) -> str:
    """Say that the target improves, or gets worse, and by how much."""
    return f"the target {'improves' if gain.gain >= 0 else 'gets worse'} by {_amount(gain)}"


def _amount(gain: RowGain) -> str:
    error = "" if gain.standard_error is None else f" ± {number(gain.standard_error)}"
    return f"{number(abs(gain.gain))}{error}"


def _gap(found: RowGains) -> list[str]:
    """Say what the gap between both gains shows, if they are known."""
    if found.gap is None or found.gap_standard_error is None:
        return []
    gap = f"{number(found.gap, signed=True)} ± {number(found.gap_standard_error)}"
    if not found.is_gap_shown:
        return [f"No over-fitting of the target is shown: the gap is {gap}."]
    if found.unseen.high < 0:
        return [
            f"The run over-fits its rows: the gap is {gap}, and on other rows it is worse than the base."
        ]
    return [f"Part of the gain is the rows' own and not the task's: the gap is {gap}."]


def _ends(found: RowGains) -> tuple[float, float]:
    assert found.predicted_low is not None
    assert found.predicted_high is not None
    return found.predicted_low, found.predicted_high
