"""A comparison of configs in words and rows that every rendering shares."""

from ...documents import ConfigComparison
from .._probabilities import probability
from .._readings import clean, number

_NEXT = "lower the learning rate, shorten the run, or ask driftline plan for a safer protocol"


_ITEMS = "the base is not shown to have all that is required, so none can be: give items that it can answer"


def lacks_what_is_required(document: ConfigComparison) -> bool:
    """Tell whether the safest config would be safe but for a required capability that the base lacks.

    A forecast is inconclusive for that reason alone, and a longer probe would not change it.
    """
    row = next(each for each in document.configs if each.label == document.safest)
    return document.recommended is None and row.verdict == "inconclusive"


def config_comparison_headline(document: ConfigComparison) -> str:
    """Say in one sentence which config is safest, and whether it is safe."""
    row = next(each for each in document.configs if each.label == document.safest)
    text = (
        f"the safest of {len(document.configs)} configs is {clean(row.label)} (P = "
        f"{probability(row.probability_safest)})"
    )
    if document.recommended is not None:
        other = next(each for each in document.configs if each.label == document.recommended)
        gain = "" if other.gain is None else f" ({number(other.gain, signed=True)} nats a token)"
        return f"take {clean(other.label)}: it is forecast to be safe and gains most{gain}; {text}"
    if document.verdict == "fail":
        return f"each config is forecast to be unsafe; {text}; {_NEXT}"
    way_out = _ITEMS if lacks_what_is_required(document) else _NEXT
    return f"no config is forecast to be safe; {text}; {way_out}"
