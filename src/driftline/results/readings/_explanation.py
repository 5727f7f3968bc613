"""An explanation of a forecast, in sentences."""

from ..documents import Assessment
from ..parts import ForecastExplanation
from ._falls import fall
from ._readings import clean, number, percent

_MODES = {
    "belief_space_collapse": "belief-space collapse",
    "selective_capability_loss": "selective capability loss",
    "instability_amplification": "instability amplification",
}
_NUM_ITEMS = 3
_NUM_EXAMPLES = 3


def explanation_sentences(assessment: Assessment) -> tuple[str, ...]:
    """Say what drives the risk, and what would be safe."""
    found = assessment.explanation
    if found is None:
        return ()
    mode = _MODES[found.failure_mode] if found.failure_mode else "none"
    sentences = [f"Failure mode that this points to: {mode} ({found.reason})."]
    if found.failure_mode:
        sentences += _levers(found)
    if found.items:
        worst = ", ".join(
            f"{clean(item.item)} of {clean(item.capability)} ({number(fall(item.loss), signed=True)})"
            for item in found.items[:_NUM_ITEMS]
        )
        sentences.append(f"Hurt most by the probe: {worst}.")
    sentences += _data(found)
    return tuple(sentences)


def _levers(found: ForecastExplanation) -> list[str]:
    sentences = []
    for name, effect in (("learning rate", found.rate_effect), ("steps", found.steps_effect)):
        if effect is not None:
            value, low, high = (percent(each) for each in effect)
            sentences.append(f"Half the {name} leaves {value} of a loss ({low} to {high}).")
    return sentences


def _data(found: ForecastExplanation) -> list[str]:
    if found.conflict_share is None:
        return []
    sentence = (
        f"Of the answers' tokens in a sample of the data {percent(found.conflict_share)} contradict "
        "what the base is sure of"
    )
    if not found.conflicts:
        return [sentence + "."]
    worst = ", ".join(
        f"{clean(each.example)} ({percent(each.share)})" for each in found.conflicts[:_NUM_EXAMPLES]
    )
    return [f"{sentence}; most in the examples {worst}."]
