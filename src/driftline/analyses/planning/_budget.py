"""Budget of a plan, and upper bounds of a trial's cost."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ...engine import Engine, Meter
from ...errors import ConfigError
from ...results import PlanBudget
from ._space import ProtocolCandidate

DEFAULT_RUNS = 20.0
"""Tokens of so many of the user's own runs, where no budget is given."""
SEARCH_SHARE = 0.65
"""Share of the budget left after the base and the report; the rest is for ablations, and for
scaling parts of the best update."""
MAP_SHARE = 0.1
"""Largest share of the budget for the map of what is fragile, and the probe that it looks along."""
_DEAREST = 1.3
"""Weight of a trained token under KL and replay together."""
ABLATION_SHARE = 0.85
"""Share of the budget up to the end of the ablations; the rest is for parts."""
_FORWARD = 1 / Meter.TRAINED_TOKEN
_TEMPLATE = 32
"""Tokens that a chat template may put around a text."""


@dataclass
class Budget:
    """Tokens, or minutes; whatever an earlier process used counts.

    A token that goes forward and backward counts 1, one that goes forward alone a quarter, as the
    progress of every analysis has it.
    """

    engine: Engine
    max_tokens: float | None
    """None where minutes are counted."""
    max_seconds: float | None
    reserve: float
    """Forward tokens of the report, which is made whatever was found."""
    trained: float = 0.0
    """Weighed tokens of all training so far."""
    num_trained: int = 0
    """The same, each counting 1."""
    before: float = 0.0
    """Weighed tokens that were used before the first trial."""
    earlier_seconds: float = 0.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = self.clock()

    @property
    def used_tokens(self) -> float:
        """Weighed tokens so far."""
        scored = _FORWARD * self.engine.tokens_used + (1 - _FORWARD) * self.engine.tokens_backward
        return self.trained + scored

    @property
    def used_seconds(self) -> float:
        """Seconds of all processes so far."""
        return self.earlier_seconds + self.clock() - self.started

    @property
    def words(self) -> str:
        """Budget in words."""
        if self.max_tokens is not None:
            return f"{self.max_tokens:,.0f} tokens of training"
        return f"{self._end / 60:g} minutes"

    def spend(self, num_tokens: int, weight: float = 1.0) -> None:
        """Count tokens that were trained."""
        self.num_trained += num_tokens
        self.trained += num_tokens * weight

    def fits(self, tokens: float, *, share: float = 1.0) -> bool:
        """Return whether this many more tokens fit into the budget.

        Args:
            tokens: Weighed, at most.
            share: Share of the budget that may be used for this.

        Returns:
            True if it can, with the report still to come.
        """
        if self.max_tokens is not None:
            return self.used_tokens + tokens <= share * (self.max_tokens - self.reserved)
        left = share * (self._end - self._seconds(self.reserved))
        return self.used_seconds + self._seconds(tokens) <= left

    def is_out_of_time(self, tokens: float = 0.0) -> bool:
        """Return whether running work must end for the report to be in time.

        Args:
            tokens: Weighed tokens of what the work takes once it has ended.

        Returns:
            True if it must end now.
        """
        return self.used_seconds + self._seconds(tokens + self.reserved) >= self._end

    @property
    def left_tokens(self) -> float:
        """Weighed tokens that are left, the report's included; of minutes, at the pace so far."""
        if self.max_tokens is not None:
            return max(0.0, self.max_tokens - self.used_tokens)
        pace = self._seconds(1.0)
        left = max(0.0, self._end - self.used_seconds)
        return left / pace if pace and math.isfinite(left) else 0.0

    def minutes_of(self, tokens: float) -> float:
        """Estimate the minutes of this machine for so many weighed tokens, at the pace so far."""
        return self._seconds(tokens) / 60

    def needed(self, trial: float, num_trials: int) -> float:
        """Estimate the tokens of a budget that holds a search to its end.

        Args:
            trial: Weighed tokens of one trial.

        Returns:
            Weighed tokens, with what was used before the first trial and the report.
        """
        search = self.before + num_trials * _DEAREST * trial
        return search / (SEARCH_SHARE - MAP_SHARE) + self.reserved

    @property
    def reserved(self) -> float:
        """Weighed tokens of the report."""
        return _FORWARD * self.reserve

    @property
    def _end(self) -> float:
        return math.inf if self.max_seconds is None else self.max_seconds

    def _seconds(self, tokens: float) -> float:
        """Estimate the seconds for so many tokens, at the pace so far."""
        used = self.used_tokens
        return tokens * self.used_seconds / used if used else 0.0

    def document(
        self,
        *,
        planned_run_tokens: float,
        ended: str,
        needed_tokens: float | None = None,
        estimated_minutes: float | None = None,
    ) -> PlanBudget:
        """Return the budget for the document.

        Args:
            planned_run_tokens: Tokens of the user's own run.
            ended: Why the search ended.
            needed_tokens: Tokens of a budget that holds the search; None if this one did.
            estimated_minutes: Minutes of all, as they were estimated after the first trial.
        """
        in_tokens = self.max_tokens is not None
        limit = self.max_tokens if in_tokens else (self.max_seconds or 0.0) / 60
        return PlanBudget(
            unit="tokens" if in_tokens else "minutes",
            limit=float(limit or 0.0),
            used_tokens=round(self.used_tokens, 1),
            used_minutes=round(self.used_seconds / 60, 3),
            planned_run_tokens=round(planned_run_tokens, 1),
            ended=ended,
            needed_tokens=None if needed_tokens is None else math.ceil(needed_tokens),
            needed_minutes=None
            if needed_tokens is None
            else round(self.minutes_of(needed_tokens), 3),
            estimated_minutes=estimated_minutes,
        )


def tokens_of_run(candidate: ProtocolCandidate, num_steps: int) -> float:
    """Return an upper bound of the tokens of a run's first steps.

    Whole epochs are what they are; of the last one the longest examples are taken. What the base writes
    for replay is about as long as the examples, twice that in a chat, and stands for the shortest ones.

    Args:
        num_steps: Number of its optimiser steps.

    Raises:
        ConfigError: No example is left to train on.
    """
    lengths = sorted(candidate.plan.example_tokens, reverse=True)
    if not lengths:
        raise ConfigError(
            f"{candidate.config.name}: max_length leaves no example with a token to train on; raise max_length, "
            "or shorten the prompts"
        )
    num_replaced = math.ceil(candidate.levers.replay_share * len(lengths))
    if num_replaced:
        written = round(2 * sum(lengths) / len(lengths)) + _TEMPLATE
        lengths = sorted([*lengths[:-num_replaced], *[written] * num_replaced], reverse=True)
    rows = num_steps * candidate.plan.examples_per_step
    epochs, rest = divmod(rows, len(lengths))
    return float(epochs * sum(lengths) + sum(lengths[:rest]))


def weight_of(candidate: ProtocolCandidate) -> float:
    """Return the weight of a protocol's trained token.

    KL to the base is one more forward pass, and each token of replay was written once.

    Returns:
        At least 1.
    """
    extra = (1.0 if candidate.levers.kl_to_base else 0.0) + candidate.levers.replay_share
    return 1 + _FORWARD * extra


def check_budget(tokens: float | None, minutes: float | None) -> None:
    """Refuse budgets that make no sense.

    Args:
        tokens: None where not given.
        minutes: None where not given.

    Raises:
        ConfigError: Both are given, or one is not above 0.
    """
    if tokens is not None and minutes is not None:
        raise ConfigError("--budget-tokens and --budget-minutes: give one of them")
    for name, value in (("tokens", tokens), ("minutes", minutes)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"--budget-{name}: {value:g} is not above 0")
