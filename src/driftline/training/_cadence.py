"""How often to check, so that checks cost a stated share of the run; by tokens, not by a clock.

A clock would give another cadence after a kill than before it, and other alarms.
"""

import math

from transformers import TrainingArguments

from ._dataset_rows import first_rows

_FALLBACK_STEPS = 50
_PASSES_OF_A_STEP = 3
"""A forward pass, and a backward pass that costs twice as much."""


def steps_between_checks(
    args: TrainingArguments, dataset: object, check_tokens: int, *, overhead: float
) -> int:
    """The cadence at which checks cost at most so much.

    Args:
        args: The trainer's.
        dataset: Its training data; lengths are those of its first rows.
        check_tokens: Tokens that one check puts forward, in each process.
        overhead: Share of the run's forward and backward tokens.

    Returns:
        Optimiser steps, at least 1; 50 where the lengths cannot be seen.
    """
    length = _mean_length(dataset)
    if length is None:
        return _FALLBACK_STEPS
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps
    step_tokens = _PASSES_OF_A_STEP * rows * length
    found: int = max(1, math.ceil(check_tokens / (overhead * step_tokens)))
    return found


def _mean_length(dataset: object) -> float | None:
    lengths = [sum(map(len, row)) for row in first_rows(dataset, 64) or () if row]
    return sum(lengths) / len(lengths) if lengths else None
