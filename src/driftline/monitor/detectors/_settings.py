"""Settings of the monitor."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Self

from pydantic import JsonValue

from ...errors import ConfigError

Detector = Literal[
    "belief_space_collapse", "selective_capability_loss", "instability_amplification"
]
DETECTORS: tuple[Detector, ...] = (
    "belief_space_collapse",
    "selective_capability_loss",
    "instability_amplification",
)
Action = Literal["log", "warn", "lower_learning_rate", "stop", "roll_back"]
ACTIONS: tuple[Action, ...] = ("log", "warn", "lower_learning_rate", "stop", "roll_back")
"""By how far they go; each includes those before it but the learning rate."""


_KINDS: dict[str, type] = {
    **dict.fromkeys(
        (
            "every_steps", "num_items", "glance_every_steps", "max_interventions", "num_snapshots", "anchor_rows",
            "anchor_row_tokens", "num_layers", "step_tokens", "seed",
        ),
        int,
    ),
    **dict.fromkeys(
        ("overhead", "alpha", "lower_factor", "check_timeout_seconds", "heartbeat_seconds"), float
    ),
}  # fmt: skip
"""The fields that are numbers, and whether each is a count."""
_MAY_BE_NONE = ("every_steps", "num_items", "glance_every_steps")


@dataclass(frozen=True)
class MonitorSettings:
    """Frequency of checks, conclusions and actions. Defaults suit a first run."""

    every_steps: int | None = None
    """Optimiser steps between checks; None: at 1, 2, 5 and 10 % of the steps and then as often as
    `overhead` allows, by tokens."""
    overhead: float = 0.025
    """Share of the run's forward and backward tokens that checks and glances may cost, where
    `every_steps` is None."""
    num_items: int | None = None
    """Items of each capability that are scored; None: all, or as many as `overhead` pays for, 64 or more;
    where `every_steps` is set, as many as let all scoring take no longer than the training."""
    glance_every_steps: int | None = None
    """Optimiser steps between glances, which read the output at suite text alone and bring the next
    check forward where it has moved on; None: wherever the summed learning rate has grown by a quarter,
    and as often as a fifth of `overhead` allows; 0: none."""
    look_ahead: bool = True
    """Glance where a step leads before it is taken (Adam and AdamW), and act then: on the clock of the
    learning rate, or at every glance where `glance_every_steps` is set. Off: after it."""
    alpha: float = 0.05
    """Accepted chance that a run within its tolerances is accused, over all looks and all required
    capabilities together."""
    action: Action = "warn"
    """On an alarm."""
    act_on: Literal["evidence", "measured"] = "evidence"
    """Rule by which a capability counts as lost: evidence at level alpha, or a mean loss over its
    items beyond the tolerance, which carries no error rate."""
    after_roll_back: Literal["stop", "continue"] = "stop"
    """Continue: at a lower learning rate and with the optimiser's moments cleared."""
    lower_factor: float = 0.5
    """Factor of the learning rate when it is lowered."""
    max_interventions: int = 3
    """Lowered rates and roll-backs after which the next alarm stops the run."""
    num_snapshots: int = 2
    """Safe snapshots kept on disk, in addition to that of step 0; 0: none at all, also not of step
    0, and then no update norm of a full fine-tuning either."""
    anchor_rows: int = 4
    """Rows of suite text, and as many of the new task, at which output and representation are read."""
    anchor_row_tokens: int = 48
    num_layers: int = 4
    """Layers whose hidden states are watched, evenly spaced, the last among them."""
    step_tokens: int = 256
    """Tokens of the training batch on which the predictability of a step is measured, with 4 forward
    passes a check; 0 switches it off."""
    check_timeout_seconds: float = 900.0
    """A check that takes longer is written down while it still runs, as `check_overdue`."""
    heartbeat_seconds: float = 60.0
    """A line in the log at least so often while steps are taken."""
    seed: int = 0
    """Random seed of the sensitivity self-test."""
    thresholds: "Thresholds" = field(default_factory=lambda: Thresholds())

    @property
    def tokens_beside_items(self) -> int:
        """Tokens of a check beside those of the items: rows of both kinds, and four passes of the step."""
        return 2 * self.anchor_rows * self.anchor_row_tokens + 4 * self.step_tokens

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ConfigError: A value is out of its range; the message names it.
        """
        for name, is_right, requested in (
            ("every_steps", self.every_steps is None or self.every_steps >= 1, "at least 1"),
            ("num_items", self.num_items is None or self.num_items >= 2, "at least 2"),
            (
                "glance_every_steps",
                self.glance_every_steps is None or self.glance_every_steps >= 0,
                "at least 0",
            ),
            ("overhead", 0 < self.overhead <= 1, "above 0 and at most 1"),
            ("alpha", 0 < self.alpha <= 0.5, "above 0 and at most 0.5"),
            ("action", self.action in ACTIONS, f"one of {', '.join(ACTIONS)}"),
            ("act_on", self.act_on in ("evidence", "measured"), "evidence or measured"),
            ("after_roll_back", self.after_roll_back in ("stop", "continue"), "stop or continue"),
            ("lower_factor", 0 < self.lower_factor < 1, "between 0 and 1"),
            ("max_interventions", self.max_interventions >= 1, "at least 1"),
            ("num_snapshots", self.num_snapshots >= 0, "at least 0"),
            ("anchor_rows", self.anchor_rows >= 1, "at least 1"),
            ("anchor_row_tokens", self.anchor_row_tokens >= 8, "at least 8"),
            ("num_layers", self.num_layers >= 1, "at least 1"),
            ("step_tokens", self.step_tokens >= 0, "at least 0"),
            ("check_timeout_seconds", self.check_timeout_seconds > 0, "above 0"),
            ("heartbeat_seconds", self.heartbeat_seconds > 0, "above 0"),
        ):
            if not is_right:
                raise ConfigError(f"monitor: {name}: {getattr(self, name)!r} is not {requested}")
        self._check_kinds()
        if not isinstance(self.look_ahead, bool):
            raise ConfigError(f"monitor: look_ahead: {self.look_ahead!r} is not true or false")
        if self.action == "roll_back" and self.num_snapshots == 0:
            raise ConfigError(
                "monitor: num_snapshots: 0 leaves nothing to roll back to; set at least 1"
            )

    def _check_kinds(self) -> None:
        """Refuse yes and no for numbers, fractions for counts, and numbers without an end.

        Raises:
            ConfigError: A value is of another kind than its default; the message names it.
        """
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            is_count = isinstance(value, int) and not isinstance(value, bool)
            is_number = is_count or (isinstance(value, float) and math.isfinite(value))
            if not (is_count if kind is int else is_number):
                requested = "a whole number" if kind is int else "a finite number"
                raise ConfigError(f"monitor: {name}: {value!r} is not {requested}")

    @classmethod
    def from_values(cls, values: dict[str, JsonValue], *, origin: str) -> Self:
        """Read settings from the values of a file.

        Args:
            values: Field to value.
            origin: Name of the file in messages.

        Returns:
            The settings.

        Raises:
            ConfigError: An unknown field, or a value that makes no sense.
        """
        known = set(asdict(cls())) - {"thresholds"}
        for key in values:
            if key not in known:
                raise ConfigError(
                    f"{origin}: monitor: unknown key {key}; it takes {', '.join(sorted(known))}"
                )
        try:
            return replace(cls(), **values)  # type: ignore[arg-type]  # fields are checked one by one
        except TypeError as error:
            raise ConfigError(f"{origin}: monitor: a value is of the wrong kind: {error}") from None


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of signals without an error rate; `design/monitor.md` gives their origin."""

    kl_nats: float = 0.5
    """D_KL(base || now) at suite text, nats per token: the output has left the base's range."""
    glance_kl_nats: float = 0.02
    """The same, at a glance: from here on every doubling since the last check asks for a check at
    once."""
    representation_drift: float = 0.1
    """1 - debiased linear CKA with the base, mean over watched layers."""
    rank_factor: float = 1.5
    """Effective rank over the base's, either way, in any watched layer."""
    broad_share: float = 0.5
    """Share of all watched capabilities beyond their tolerance from which a loss counts as
    broad."""
    unpredictability: float = 0.5
    """|measured - predicted| over the larger of them, of one step's change of the batch's loss."""
    num_unpredictable: int = 2
    """Checks in a row above that threshold that make an alarm; where training is well, it stays far below."""
    spike_deviations: float = 6.0
    """Robust standard deviations above the running median of the logarithm."""
    spike_factor: float = 2.0
    """And at least so many times the median."""
    num_spikes: int = 3
    """Spikes within `spike_window` logged steps that make an alarm."""
    spike_window: int = 10
