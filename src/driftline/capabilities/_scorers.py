"""Conversion of items to texts, and of their likelihoods to metrics (`driftline.metrics`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import SuiteError
from ..metrics import MARGIN_BOUND_NATS, MetricName
from ._items import (
    Alternatives,
    Cloze,
    Generation,
    Item,
    MinimalPair,
    MultipleChoice,
    Passage,
    options_of,
)

ScorerName = Literal[
    "multiple_choice", "alternatives", "minimal_pair", "cloze", "perplexity", "generate"
]
Normalization = Literal["none", "tokens", "bytes"]

ITEM_TYPES: dict[ScorerName, type[Item]] = {
    "multiple_choice": MultipleChoice,
    "alternatives": Alternatives,
    "minimal_pair": MinimalPair,
    "cloze": Cloze,
    "perplexity": Passage,
    "generate": Generation,
}

_OF_OPTIONS: tuple[MetricName, ...] = ("margin_nats", "accuracy", "probability")

SCORER_METRICS: dict[ScorerName, tuple[MetricName, ...]] = {
    "multiple_choice": _OF_OPTIONS,
    "alternatives": _OF_OPTIONS,
    "minimal_pair": _OF_OPTIONS,
    "cloze": ("nll_nats",),
    "perplexity": ("nll_nats",),
    "generate": ("exact_match",),
}


@dataclass(frozen=True)
class Likelihood:
    """Likelihood of one completion."""

    log_likelihood: float
    num_tokens: int
    num_bytes: int


Request = tuple[str | list[dict[str, str]], tuple[str, ...]]
"""A context (a text, or chat messages) and the completions whose likelihoods are wanted."""


def likelihood_requests(item: Item) -> tuple[Request, ...]:
    """Return the contexts and completions whose likelihoods an item needs.

    Args:
        item: Any item but a generation.

    Returns:
        One request a context; the item's completions are those of all of them, in order.

    Raises:
        SuiteError: The item needs a generated answer instead.
    """
    match item:
        case MultipleChoice():
            return ((item.context(), item.choices),)
        case Alternatives():
            return tuple((option.prompt, (option.completion,)) for option in item.alternatives)
        case MinimalPair():
            return (("", (item.good, item.bad)),)
        case Cloze():
            return ((item.context(), (item.completion,)),)
        case Passage():
            return (("", (item.text,)),)
        case Generation():
            raise SuiteError(f"item {item.id}: is scored by its generated answer")


PREFERRED_OPTION = "preferred_option"
"""Key, next to an item's metrics, of the option that the model prefers."""


def completion_bytes(completion: str) -> int:
    """Count the bytes for `normalization: bytes`: UTF-8, without surrounding white space.

    A choice carries the space that joins it to its prompt, and that space is no part of its length.

    >>> completion_bytes(" né")
    3

    Args:
        completion: The text.

    Returns:
        At least 1.
    """
    return len(completion.strip().encode()) or 1


def score_likelihoods(
    item: Item, likelihoods: Sequence[Likelihood], *, normalization: Normalization = "none"
) -> dict[MetricName, float]:
    """Compute the metrics of one item from the likelihoods of its completions.

    >>> pair = MinimalPair(id="1", good="She runs.", bad="She run.")
    >>> scores = score_likelihoods(pair, [Likelihood(-7.0, 3, 9), Likelihood(-9.5, 3, 8)])
    >>> {metric: round(value, 3) for metric, value in scores.items()}
    {'margin_nats': 2.5, 'accuracy': 1.0, 'probability': 0.924}

    Args:
        item: The item.
        likelihoods: One a completion, in the order of `likelihood_requests`; of a passage, one a
            window.
        normalization: Divide each log-likelihood by its number of tokens or bytes first.

    Returns:
        Metric to value.
    """
    if isinstance(item, Passage):
        num_tokens = sum(window.num_tokens for window in likelihoods)
        return {"nll_nats": -sum(window.log_likelihood for window in likelihoods) / num_tokens}
    if isinstance(item, Cloze):
        (only,) = likelihoods
        return {"nll_nats": -only.log_likelihood / only.num_tokens}
    values = [_normalized(each, normalization) for each in likelihoods]
    options = options_of(item)
    assert options is not None
    right = options.right
    margin = clipped_margin(values, right)
    return {
        "margin_nats": margin,
        "accuracy": float(margin > 0),
        "probability": right_probability(values, right),
    }


def right_probability(values: Sequence[float], right: int) -> float:
    """Compute the softmax of some log-likelihoods at the right one.

    >>> right_probability([-2.0, -2.0, -2.0, -2.0], 1)
    0.25

    Args:
        values: One log-likelihood an option, in nats.
        right: Place of the right option.

    Returns:
        A probability: chance where the model prefers no option.
    """
    return _softmax(values)[right]


def _softmax(values: Sequence[float]) -> list[float]:
    largest = max(values)
    weights = [math.exp(value - largest) for value in values]
    total = sum(weights)
    return [weight / total for weight in weights]


def preferred_option(
    item: Item, likelihoods: Sequence[Likelihood], *, normalization: Normalization = "none"
) -> int | None:
    """Return the index of the preferred option; a wrong one if it ties with the right one.

    >>> pair = MinimalPair(id="1", good="She runs.", bad="She run.")
    >>> preferred_option(pair, [Likelihood(-7.0, 3, 9), Likelihood(-9.5, 3, 8)])
    0

    Args:
        item: The item.
        likelihoods: One a completion, as for `score_likelihoods`.
        normalization: As for `score_likelihoods`.

    Returns:
        From 0, in the order of the item's options; None where the item has none.
    """
    options = options_of(item)
    if options is None:
        return None
    values, right = [_normalized(each, normalization) for each in likelihoods], options.right
    wrong = max((i for i in range(len(values)) if i != right), key=values.__getitem__)
    return right if values[right] > values[wrong] else wrong


def clipped_margin(values: Sequence[float], right: int) -> float:
    """Return the right log-likelihood minus the best wrong one, clipped.

    >>> clipped_margin([-2.0, -3.5, -9.0], 0)
    1.5

    Args:
        values: One log-likelihood an option, in nats.
        right: The place of the right option.

    Returns:
        The margin in nats, within +-5.
    """
    margin = values[right] - max(value for i, value in enumerate(values) if i != right)
    return max(-MARGIN_BOUND_NATS, min(MARGIN_BOUND_NATS, margin))


def loss_weights(
    item: Item,
    likelihoods: Sequence[Likelihood],
    *,
    normalization: Normalization = "none",
    metric: MetricName = "margin_nats",
) -> tuple[float, ...]:
    """Compute the derivative of an item's loss in the log-likelihood of each completion.

    The loss is -margin_nats or -probability for items with options and nll_nats for texts, as
    `score_likelihoods` defines them. A clipped margin does not move; of several best wrong options,
    the first counts.

    >>> pair = MinimalPair(id="1", good="She runs.", bad="She run.")
    >>> loss_weights(pair, [Likelihood(-7.0, 3, 9), Likelihood(-9.5, 3, 8)])
    (-1.0, 1.0)

    Args:
        item: Any item but a generation.
        likelihoods: One a completion, as for `score_likelihoods`.
        normalization: As for `score_likelihoods`.
        metric: Metric of the loss, for an item with options: its margin or its probability.

    Returns:
        d loss / d log-likelihood, one a completion.

    Raises:
        SuiteError: The item is scored by a generated answer, which has no gradient.
    """
    if isinstance(item, Generation):
        raise SuiteError(f"item {item.id}: a generated answer has no gradient")
    if isinstance(item, (Cloze, Passage)):
        return (-1.0 / sum(each.num_tokens for each in likelihoods),) * len(likelihoods)
    options = options_of(item)
    assert options is not None
    right = options.right
    values = [_normalized(each, normalization) for each in likelihoods]
    lengths = [_length(each, normalization) for each in likelihoods]
    if metric == "probability":
        shares = _softmax(values)
        return tuple(
            shares[right] * (share - float(place == right)) / length
            for place, (share, length) in enumerate(zip(shares, lengths, strict=True))
        )
    weights = [0.0] * len(values)
    if abs(clipped_margin(values, right)) < MARGIN_BOUND_NATS:
        wrong = max((i for i in range(len(values)) if i != right), key=values.__getitem__)
        weights[right] = -1.0 / lengths[right]
        weights[wrong] = 1.0 / lengths[wrong]
    return tuple(weights)


def score_answer(item: Generation, answer: str) -> dict[MetricName, float]:
    """Compute the metric of one item from the model's greedy answer.

    Args:
        item: The item.
        answer: The model's text; surrounding white space does not count.

    Returns:
        Metric to value.
    """
    return {"exact_match": float(answer.strip().startswith(item.answer.strip()))}


def _normalized(likelihood: Likelihood, normalization: Normalization) -> float:
    return likelihood.log_likelihood / _length(likelihood, normalization)


def _length(likelihood: Likelihood, normalization: Normalization) -> int:
    lengths = {"none": 1, "tokens": likelihood.num_tokens, "bytes": likelihood.num_bytes}
    return lengths[normalization]
