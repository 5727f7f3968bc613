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
    result = assessment.row_gains
    if result is None:
        return ()
    unit, at = clean(result.unit), f"after step {result.step}, where the probe ends"
    others = f"on others ({result.source})"
    if result.seen is None:
        sentences = [
            f"On rows that are not trained on ({result.source}) {_told(result.unseen)} {unit}, {at}."
        ]
    elif min(result.seen.gain, result.unseen.gain) >= 0:
        sentences = [
            f"The target improves on rows it has seen by {_amount(result.seen)} and {others} by "
            f"{_amount(result.unseen)} {unit}, {at}."
        ]
    else:
        sentences = [
            f"On rows it has seen {_told(result.seen)}, and {others} {_told(result.unseen)} {unit}, {at}."
        ]
    sentences += _gap(result)
    if result.predicted_gain is not None:
        low, high = (number(each, signed=True) for each in _ends(result))
        sentences.append(
            f"At the end of the run, the gain on rows not trained on is forecast at "
            f"{number(result.predicted_gain, signed=True)} {unit} ({percent(result.confidence_level)} interval "
            f"{low} to {high})."
        )
    return tuple(sentences)


def _told(gain: RowGain) -> str:
    """Say that the target improves, or gets worse, and by how much."""
    return f"the target {'improves' if gain.gain >= 0 else 'gets worse'} by {_amount(gain)}"


def _amount(gain: RowGain) -> str:
    error = "" if gain.standard_error is None else f" ± {number(gain.standard_error)}"
    return f"{number(abs(gain.gain))}{error}"


def _gap(result: RowGains) -> list[str]:
    """Say what the gap between both gains shows, if they are known."""
    if result.gap is None or result.gap_standard_error is None:
        return []
    gap = f"{number(result.gap, signed=True)} ± {number(result.gap_standard_error)}"
    if not result.is_gap_shown:
        return [f"No over-fitting of the target is shown: the gap is {gap}."]
    if result.unseen.high < 0:
        return [
            f"The run over-fits its rows: the gap is {gap}, and on other rows it is worse than the base."
        ]
    return [f"Part of the gain is the rows' own and not the task's: the gap is {gap}."]


def _ends(result: RowGains) -> tuple[float, float]:
    assert result.predicted_low is not None
    assert result.predicted_high is not None
    return result.predicted_low, result.predicted_high
