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
    unit = clean(found.unit)
    others = f"others ({found.source}) {_by(found.unseen)}"
    at = f"after step {found.step}, where the probe ends"
    if found.seen is None:
        sentences = [
            f"On rows that are not trained on, the target changes: on {others} {unit}, {at}."
        ]
    else:
        sentences = [
            f"The target improves on rows it has seen {_by(found.seen)} and on {others} {unit}, {at}."
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


def _by(gain: RowGain) -> str:
    error = "" if gain.standard_error is None else f" ± {number(gain.standard_error)}"
    return f"by {number(gain.gain, signed=True)}{error}"


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
