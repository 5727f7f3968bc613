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
    result = assessment.explanation
    if result is None:
        return ()
    mode = _MODES[result.failure_mode] if result.failure_mode else "none"
    sentences = [f"Failure mode that this points to: {mode} ({result.reason})."]
    if result.failure_mode:
        sentences += _levers(result)
    if result.items:
        worst = ", ".join(
            f"{clean(item.item)} of {clean(item.capability)} ({number(fall(item.loss), signed=True)})"
            for item in result.items[:_NUM_ITEMS]
        )
        sentences.append(f"Hurt most by the probe: {worst}.")
    sentences += _data(result)
    return tuple(sentences)


def _levers(result: ForecastExplanation) -> list[str]:
    sentences = []
    for name, effect in (("learning rate", result.rate_effect), ("steps", result.steps_effect)):
        if effect is not None:
            value, low, high = (percent(each) for each in effect)
            sentences.append(f"Half the {name} leaves {value} of a loss ({low} to {high}).")
    return sentences


def _data(result: ForecastExplanation) -> list[str]:
    if result.conflict_share is None:
        return []
    sentence = (
        f"Of the answers' tokens in a sample of the data {percent(result.conflict_share)} contradict "
        "what the base is sure of"
    )
    if not result.conflicts:
        return [sentence + "."]
    worst = ", ".join(
        f"{clean(each.example)} ({percent(each.share)})"
        for each in result.conflicts[:_NUM_EXAMPLES]
    )
    return [f"{sentence}; most in the examples {worst}."]
