"""Items whose loss is a weighing of log-likelihoods, and how they go through the model for gradients."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy
from jaxtyping import Float, Int
from numpy import ndarray

from ..language_model import LanguageModel, ScoringOptions
from ._prefix_tree import Layout, Row, TokenSequence, plan_batches

_BATCH_TOKENS_CPU, _BATCH_TOKENS_GPU = 512, 4096
"""Tokens per batch; a pass keeps about 1 MB per token for backward at 135M parameters."""
_LOGITS_AT_ONCE = 2**25
_ROW_TOKENS = 256
"""Sequences of one item share a row up to this size."""

Weigh = Callable[[Sequence[float]], Sequence[float]]
"""From the log-likelihoods of an item's sequences to d loss / d log-likelihood of each."""


@dataclass(frozen=True)
class WeighedSequences:
    """Sequences of one item, and the weights of their log-likelihoods in its loss."""

    sequences: tuple[TokenSequence, ...]
    weigh: Weigh


Entry = tuple[int, list[Row]]
"""An item's number, and the rows in which its sequences go in."""


def lay_out(items: Sequence[WeighedSequences], *, share: bool) -> list[Entry]:
    """Arrange the items in rows.

    Args:
        share: Let the sequences of an item share their beginning in one row (tree attention).

    Returns:
        One entry an item, in their order.
    """
    layout = Layout(row_tokens=_ROW_TOKENS, min_trunk_tokens=2**31)
    return [
        (index, list(plan_batches(item.sequences, layout, share=share).rows()))
        for index, item in enumerate(items)
    ]


def num_row_tokens(entries: Sequence[Entry]) -> int:
    """Count the tokens of some entries, without padding."""
    return sum(len(row.tokens) for _, rows in entries for row in rows)


def gradient_batches(
    opened: LanguageModel, options: ScoringOptions, entries: Sequence[Entry]
) -> Iterator[list[Entry]]:
    """Yield items of similar length together, bounded in padded tokens and in logits.

    Args:
        options: `batch_tokens` bounds a batch; None for what suits the device.
        entries: Result of `lay_out`.

    Yields:
        The entries of one batch; an item is never cut in two.
    """
    bound = options.batch_tokens
    if bound is None:
        bound = _BATCH_TOKENS_CPU if opened.device.type == "cpu" else _BATCH_TOKENS_GPU
    vocabulary = opened.model.get_output_embeddings().weight.shape[0]
    batch: list[Entry] = []
    num_rows = num_logits = 0

    def place(entry: Entry) -> tuple[bool, int, int]:
        index, rows = entry
        return any(r.is_branched for r in rows), max(len(r.tokens) for r in rows), index

    for entry in sorted(entries, key=place):
        is_branched, width, _ = place(entry)
        rows = entry[1]
        logits = vocabulary * sum(len({query.node for query in row.queries}) for row in rows)
        is_full = (num_rows + len(rows)) * width > bound
        if batch and (
            is_full or num_logits + logits > _LOGITS_AT_ONCE or place(batch[-1])[0] != is_branched
        ):
            yield batch
            batch, num_rows, num_logits = [], 0, 0
        batch.append(entry)
        num_rows, num_logits = num_rows + len(rows), num_logits + logits
    if batch:
        yield batch


def side_by_side(batch: Sequence[Entry]) -> list[tuple[int, Row]]:
    """Return the rows of a batch with their items; the first tells if the batch needs a mask."""
    pairs = ((index, row) for index, rows in batch for row in rows)
    return sorted(pairs, key=lambda pair: not pair[1].is_branched)


def queries_of(rows: Sequence[tuple[int, Row]], width: int) -> Int[ndarray, "queries 4"]:
    """Return every query: position in the batch, target token, item, sequence of the item."""
    return numpy.array(
        [
            (number * width + query.node, query.target, index, query.sequence)
            for number, (index, row) in enumerate(rows)
            for query in row.queries
        ],
        dtype=numpy.int64,
    ).reshape(-1, 4)


def weigh_queries(
    items: Sequence[WeighedSequences],
    queries: Int[ndarray, "queries 4"],
    log_probs: Float[ndarray, " queries"],
) -> tuple[Float[ndarray, " queries"], dict[int, tuple[float, ...]]]:
    """Compute the derivative of the items' summed losses in the log-probability of each query."""
    weights = numpy.zeros(len(queries))
    result = {}
    for index in dict.fromkeys(queries[:, 2].tolist()):
        mine = queries[:, 2] == index
        num_sequences = len(items[index].sequences)
        sums = numpy.bincount(queries[mine, 3], log_probs[mine], minlength=num_sequences)
        result[index] = tuple(sums.tolist())
        weights[mine] = numpy.asarray(items[index].weigh(result[index]))[queries[mine, 3]]
    return weights, result
