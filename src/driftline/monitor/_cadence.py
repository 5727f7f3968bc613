"""Intervals of checks and glances, so that their tokens are a given share of the run's.

A clock would give another cadence after a kill than before it, and other alarms.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from transformers import TrainingArguments

from ..analyses import TokenCounter, affordable_items
from ..capabilities import Capability
from .handles import first_rows

_PASSES_OF_A_STEP = 3
"""A forward pass, and a backward pass that costs twice as much."""
_SCORINGS_AT_START = 4
"""Evaluations before training: the base, twice in the sensitivity self-test, and once after it."""
_FEWEST_ITEMS = 64
"""Least number of items per capability, whatever they cost: with these, every required one of a
suite of that size could raise its alarm."""
_SHARE_OF_GLANCES = 0.2


class Cadence(NamedTuple):
    """Optimiser steps between two checks, and between two glances (0: none)."""

    every_steps: int
    glance_every_steps: int


_FALLBACK = Cadence(50, 5)


def affordable_cadence(
    args: TrainingArguments,
    dataset: object,
    *,
    check_tokens: int,
    glance_tokens: int,
    num_steps: int,
    overhead: float,
) -> Cadence:
    """Choose the cadence at which start, checks and glances cost at most a share of the run.

    Checks that a glance brings forward come on top; they are few, since each asks for the output to
    have moved twice as far as before. A run too short to pay for one check has one, at its end.

    Args:
        args: The trainer's.
        dataset: Its training data; lengths are those of its first rows.
        check_tokens: Tokens that one check puts forward, in each process.
        glance_tokens: And one glance.
        num_steps: Number of steps of the whole run.
        overhead: Share of the run's forward and backward tokens.

    Returns:
        Steps, at least 1; 50 and 5 where the lengths cannot be seen.
    """
    trained = _tokens_per_step(args, dataset)
    if trained is None:
        return _FALLBACK
    step_tokens = _PASSES_OF_A_STEP * trained
    glance_every = math.ceil(glance_tokens / (_SHARE_OF_GLANCES * overhead * step_tokens))
    share = (1 - _SHARE_OF_GLANCES) * overhead
    num_checks = math.floor(share * step_tokens * num_steps / check_tokens) - _SCORINGS_AT_START
    return Cadence(math.ceil(num_steps / max(1, num_checks)), max(1, glance_every))


def affordable_num_items(
    args: TrainingArguments,
    dataset: object,
    capabilities: Sequence[Capability],
    counter: TokenCounter,
    *,
    num_steps: int,
    every_steps: int | None,
) -> dict[str, int] | None:
    """Find how many items of each capability let all scoring take no longer than the run's training.

    Args:
        args: The trainer's.
        dataset: Its training data.
        capabilities: With all their items.
        counter: Counter of their tokens.
        num_steps: Number of steps of the whole run.
        every_steps: Between checks, where the user says so; else checks cost a small share of the run,
            or there is one.

    Returns:
        Items by capability; None where all of them fit, or the lengths of the data cannot be seen.

    Raises:
        SuiteError: An item does not fit the model.
    """
    trained = _tokens_per_step(args, dataset)
    if trained is None:
        return None
    return affordable_items(
        capabilities,
        counter,
        num_points=_SCORINGS_AT_START + (math.ceil(num_steps / every_steps) if every_steps else 1),
        other_tokens=0,
        trained_tokens=num_steps * trained,
        fewest=_FEWEST_ITEMS,
    )


def _tokens_per_step(args: TrainingArguments, dataset: object) -> float | None:
    """Estimate the tokens that a process trains on in a step; None where lengths cannot be seen."""
    length = _mean_length(dataset)
    if length is None:
        return None
    rows: int = args.per_device_train_batch_size * args.gradient_accumulation_steps
    return rows * length


def _mean_length(dataset: object) -> float | None:
    lengths = [sum(map(len, row)) for row in first_rows(dataset, 64) or () if row]
    return sum(lengths) / len(lengths) if lengths else None
