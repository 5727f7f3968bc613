"""Intervals of checks and glances, so that their tokens are a given share of the run's.

A clock would give another cadence after a kill than before it, and other alarms.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from transformers import TrainingArguments

from ..analyses import TokenCounter, affordable_items
from ..capabilities import Capability
from .detectors import MonitorState
from .handles import first_rows

EARLY_SHARES = (0.01, 0.02, 0.05, 0.1)
"""Shares of the steps after which checks come before their regular rhythm."""
_PASSES_OF_A_STEP = 3
"""A forward pass, and a backward pass that costs twice as much."""
_SCORINGS_AT_START = 2
"""Evaluations before training: the base, and once in the sensitivity self-test."""
_FEWEST_ITEMS = 64
"""Least number of items per capability, whatever they cost: with these, every required one of a
suite of that size could raise its alarm."""
_SHARE_OF_GLANCES = 0.2
_GROWTH = 1.25
"""Growth of the summed learning rate from one glance to the next, early in a run: where the output moves
with its square, the divergence grows by half."""

_OUT_OF_TURN = 8
"""Checks of a run that a forecast may bring forward: halving eight times comes close enough, and a run
that hovers under a tolerance is not looked at for ever."""


class Cadence(NamedTuple):
    """Optimiser steps between two checks, and between two glances (0: none)."""

    every_steps: int
    glance_every_steps: int
    early_steps: tuple[int, ...] = ()
    """Steps with a check of their own."""


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
    have moved twice as far as before. A run too short to pay for one check has one, at its end; one that
    cannot pay for all early checks has the later ones of them.

    Args:
        args: The trainer's.
        dataset: Its training data; lengths are those of its first rows.
        check_tokens: Tokens that one check puts forward, in each process.
        glance_tokens: The same of one glance.
        num_steps: Number of steps of the whole run.
        overhead: Share of the run's forward and backward tokens.

    Returns:
        Steps, at least 1; 50 and 5 where the lengths cannot be seen.
    """
    early = _early_steps(num_steps)
    trained = _tokens_per_step(args, dataset)
    if trained is None:
        return Cadence(50, 5, early)
    run_tokens = _PASSES_OF_A_STEP * trained * num_steps
    num_glances = _SHARE_OF_GLANCES * overhead * run_tokens / glance_tokens
    # Those at the beginning come on a clock of their own, one for each growth.
    rest = max(num_glances - 1 - _quarters(num_steps), num_glances / 4)
    share = (1 - _SHARE_OF_GLANCES) * overhead
    num_checks = math.floor(share * run_tokens / check_tokens) - _SCORINGS_AT_START
    # One is at the end.
    early = early[len(early) - min(len(early), max(0, num_checks - 1)) :]
    return Cadence(
        math.ceil(num_steps / max(1, num_checks - len(early))),
        max(1, math.ceil(num_steps / rest)),
        early,
    )


def _early_steps(num_steps: int) -> tuple[int, ...]:
    return tuple(sorted({math.ceil(share * num_steps) for share in EARLY_SHARES} - {num_steps}))


def is_check_due(state: MonitorState, step: int) -> bool:
    """Return whether a check follows a step, and was not made before it.

    Returns:
        Also true where a forecast brought a check forward.
    """
    if step <= 0 or (state.steps and state.steps[-1] == step):
        return False
    return step % state.every_steps == 0 or step == state.next_check or step in state.early_steps


def is_glance_due(state: MonitorState, clock: Sequence[float], step: int) -> bool:
    """Return whether the output is looked at between checks, at the end of a step.

    Args:
        clock: Summed learning rate after each step of the run.

    Returns:
        False where there are no glances.
    """
    if not state.glance_every_steps or step <= 0:
        return False
    is_early = state.has_early_glances and step <= len(clock) and is_early_glance(clock, step)
    return step % state.glance_every_steps == 0 or is_early


def is_look_ahead_due(state: MonitorState, clock: Sequence[float], step: int) -> bool:
    """Return whether the glance of a step comes before it is taken, which needs a copy of the weights.

    By default that is so on the clock of the learning rate, where a step counts for much.

    Args:
        clock: Summed learning rate after each step of the run.

    Returns:
        True for every glance whose rhythm the user has set.
    """
    if not is_glance_due(state, clock, step):
        return False
    return not state.has_early_glances or (step <= len(clock) and is_early_glance(clock, step))


def bring_forward(state: MonitorState, step: int, ahead: float | None) -> None:
    """Schedule a check halfway to a forecast crossing that comes before the next one.

    Args:
        state: Of the monitor; it is changed.
        step: Of the check that was just made.
        ahead: Steps to the crossing; None where none is forecast.
    """
    state.num_out_of_turn += step == state.next_check and step % state.every_steps > 0
    state.next_check = 0
    wait = state.every_steps - step % state.every_steps
    if ahead and ahead < wait and state.num_out_of_turn < _OUT_OF_TURN:
        state.next_check = step + max(1, math.floor(ahead / 2))


def is_early_glance(clock: Sequence[float], step: int) -> bool:
    """Return whether the summed learning rate has grown by another quarter with a step.

    So every step of a warm-up's beginning is looked at, and later ones ever more seldom.

    Args:
        clock: Summed learning rate after each step of the run.
        step: From 1.

    Returns:
        Also true at the first step that moves at all.
    """
    first = next((at for at in clock if at > 0), 0.0)
    now, before = clock[step - 1], clock[step - 2] if step > 1 else 0.0
    if now <= 0 or before <= 0:
        return now > 0
    return _quarters(now / first) > _quarters(before / first)


def _quarters(growth: float) -> int:
    return math.floor(math.log(growth) / math.log(_GROWTH) + 1e-9)


def affordable_num_items(
    args: TrainingArguments,
    dataset: object,
    capabilities: Sequence[Capability],
    counter: TokenCounter,
    *,
    num_steps: int,
    every_steps: int | None,
    overhead: float,
    other_tokens: int,
) -> dict[str, int] | None:
    """Find how many items of each capability let all scoring cost its share of the run's training.

    Args:
        args: The trainer's.
        dataset: Its training data; lengths are those of its first rows.
        capabilities: Suites' items that may be scored.
        counter: Counts the tokens of items.
        num_steps: Number of steps of the whole run.
        every_steps: Between checks, where the user says so, who then pays up to as much as for the
            training; else there are the early checks and one at the end, within the overhead.
        overhead: Share of the run's forward and backward tokens.
        other_tokens: What a check puts forward beside the items.

    Returns:
        Items by capability; None where all of them fit, or the lengths of the data cannot be seen.

    Raises:
        SuiteError: An item does not fit the model.
    """
    trained = _tokens_per_step(args, dataset)
    if trained is None:
        return None
    # A little is kept back, since items differ in length.
    share = 0.95 * (1 - _SHARE_OF_GLANCES) * overhead
    return affordable_items(
        capabilities,
        counter,
        num_points=_SCORINGS_AT_START
        + (math.ceil(num_steps / every_steps) if every_steps else 1 + len(_early_steps(num_steps))),
        other_tokens=other_tokens,
        trained_tokens=num_steps * trained * (1.0 if every_steps else share),
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
