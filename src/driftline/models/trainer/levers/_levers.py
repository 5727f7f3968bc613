"""The levers that keep a fine-tuned model from forgetting, in addition to TRL's and PEFT's fields."""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import JsonValue

from ....errors import ConfigError
from ....parsing import read_bytes
from ....provenance import digest_bytes
from ...points import unreadable_field
from ..config import TrainingConfig

SELF = "self"
"""Replay that the base writes itself."""
_FACTORS = {"slowed_modules": "factor", "interpolated_modules": "scale"}
"""Levers that map a module to a number, and what that is called."""
_LOSSES = ("entropy_gate", "loss_adaptive_rate", "kl_to_base")


@dataclass(frozen=True)
class Levers:
    """Mitigations against forgetting. All are off by default, and then training is TRL's own.

    LoRA's rank, target modules, `weight_decay` and `init_lora_weights` are fields of the config.
    """

    frozen_modules: tuple[str, ...] = ()
    """Modules whose weights stay where they are (Zheng et al. 2025); full fine-tuning only."""
    slowed_modules: tuple[tuple[str, float], ...] = ()
    """Modules with the factor of the learning rate at which they train; of nested ones the innermost
    counts. Full fine-tuning only."""
    kl_to_base: float = 0.0
    """Weight of KL(base || trained), added to the loss: nats per token, at the positions of the batch
    that are trained on (Li and Hoiem 2018). One more forward pass of the base, which is in memory anyway."""
    l2_to_base: float = 0.0
    """L2-SP (Li et al. 2018), decoupled: each step takes back the fraction learning rate * l2_to_base
    of the distance to the base. A term of the loss would be divided by Adam's second moments, so its
    strength would depend on the gradients' size; see Loshchilov and Hutter 2019. Full fine-tuning
    only: an adapter's own is `weight_decay`."""
    replay_share: float = 0.0
    """Share of the examples that are replaced by replay; steps and batch sizes stay what they were."""
    replay_source: str = SELF
    """`self`: text that the base writes at temperature 1 before training starts; else a JSON Lines
    file in the layout of the training data."""
    loss_adaptive_rate: bool = False
    """Scale the learning rate of each step by min(2, 1 / sqrt(L)), L being the step's training loss in
    nats per token, penalties left out. After FINCH (Prashant et al. 2026), whose bound on what a step
    forgets, learning rate * sqrt(L), this holds constant; they published no code, and the cap of 2,
    without which a loss near 0 would blow up the rate, is ours."""
    entropy_gate: bool = False
    """Multiply each token's loss by the entropy of the model's prediction there, detached: of its 20
    likeliest tokens, renormalised, over log 20 (EAFT, Diao et al. 2026)."""
    osf_rank: float | None = None
    """Train in the space orthogonal to each matrix's leading singular directions (PEFT's OSF, Nayak et
    al. 2026): how many are preserved, or below 1 which share of them. Instead of `use_peft`."""
    interpolation: float = 1.0
    """After training: base + interpolation * (tuned - base) is what comes out (WiSE-FT, Wortsman et
    al. 2022)."""
    interpolated_modules: tuple[tuple[str, float], ...] = ()
    """Modules with a scale of their own in place of `interpolation`, which then counts for all other
    weights; of nested ones the innermost counts, and 0 takes a module back to the base (WiSE-FT by
    parts; by depth it is LiNeS, Wang et al. 2024)."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ConfigError: A value is out of its range; the message names it.
        """
        for name, is_right, requested in (
            ("kl_to_base", _is_at_least_zero(self.kl_to_base), "a finite number, at least 0"),
            ("l2_to_base", _is_at_least_zero(self.l2_to_base), "a finite number, at least 0"),
            ("replay_share", 0 <= self.replay_share < 1, "at least 0 and below 1"),
            ("replay_source", bool(self.replay_source), f"{SELF}, or the path of a file"),
            ("interpolation", 0 < self.interpolation <= 1, "above 0 and at most 1"),
            ("osf_rank", _is_rank(self.osf_rank), "a whole number above 0, or a share below 1"),
            ("frozen_modules", all(self.frozen_modules), "a list of names"),
        ):
            if not is_right:
                raise ConfigError(f"levers: {name}: {getattr(self, name)!r} is not {requested}")
        for module, factor in self.slowed_modules:
            if not 0 < factor < 1:
                raise ConfigError(
                    f"levers: slowed_modules: {module}: {factor} is not between 0 and 1; put it into "
                    "frozen_modules, or leave it out"
                )
        for module, scale in self.interpolated_modules:
            if not module or not 0 <= scale <= 1:
                raise ConfigError(
                    f"levers: interpolated_modules: {module!r}: {scale} is not a module's name with a "
                    "scale of at least 0 and at most 1"
                )
        both = set(self.frozen_modules) & {module for module, _ in self.slowed_modules}
        if both:
            raise ConfigError(
                f"levers: slowed_modules: {min(both)}: is in frozen_modules too; take it from one"
            )
        if self.replay_source != SELF and not self.replay_share:
            raise ConfigError("levers: replay_source: nothing is replayed; set replay_share")

    @property
    def is_interpolated(self) -> bool:
        """True if the resulting weights are not the tuned weights themselves."""
        return self.interpolation != 1.0 or bool(self.interpolated_modules)

    def scale_of(self, weight: str) -> float:
        """Return the scale of one weight's update after training.

        Args:
            weight: The weight's name in the base.

        Returns:
            The scale of the innermost module around it that has one; else `interpolation`.
        """
        scales, module = dict(self.interpolated_modules), weight
        while module:
            module = module.rpartition(".")[0]
            if module in scales:
                return scales[module]
        return self.interpolation

    @classmethod
    def from_values(
        cls, values: Mapping[str, JsonValue], *, origin: str, folder: Path | None = None
    ) -> Self:
        """Read levers from the values of a file.

        Args:
            values: Lever to value; `slowed_modules` and `interpolated_modules` map names to numbers.
            origin: Name of the file in messages.
            folder: Folder of a relative `replay_source`.

        Returns:
            The levers.

        Raises:
            ConfigError: An unknown lever, or a value that makes no sense.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        chosen: dict[str, object] = {}
        for key, value in values.items():
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}"
                raise ConfigError(f"{origin}: levers: unknown key {key}; {hint}")
            chosen[key] = _read(key, value, origin)
        source = chosen.get("replay_source", SELF)
        if folder is not None and isinstance(source, str) and source != SELF:
            chosen["replay_source"] = str(folder / source)
        try:
            return cls(**chosen)  # type: ignore[arg-type]  # just read, one by one
        except ConfigError as error:
            raise ConfigError(f"{origin}: {error}") from None

    def to_values(self) -> dict[str, JsonValue]:
        """Return the levers that are set, as plain values for YAML; `from_values` takes them."""
        values: dict[str, JsonValue] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if field.name == "frozen_modules":
                value = sorted(value)
            elif field.name in _FACTORS:
                value = dict(sorted(value))
            values[field.name] = value
        return values

    def recipe(self) -> dict[str, JsonValue]:
        """Return the values that determine a change, config and frozen modules apart.

        Returns:
            The levers that are set; a file of replay by its digest.

        Raises:
            ConfigError: The file of replay cannot be read.
        """
        values = self.to_values()
        values.pop("frozen_modules", None)
        if "replay_source" in values:
            values["replay_source"] = digest_bytes(_content(Path(self.replay_source)))
        return values

    def check(self, config: TrainingConfig) -> None:
        """Refuse levers that this config cannot be trained with.

        Args:
            config: The config.

        Raises:
            ConfigError: A lever is for full fine-tuning or asks for another loss, or would overshoot.
        """
        rate = float(str(config.value("learning_rate")))
        has_adapter = config.uses_peft or self.osf_rank is not None
        for name, mend in (
            ("frozen_modules", "leave them out of lora_target_modules instead"),
            ("slowed_modules", "leave them out of lora_target_modules instead"),
            ("l2_to_base", "an adapter starts at 0, so take weight_decay instead"),
        ):
            if getattr(self, name) and has_adapter:
                raise ConfigError(f"{config.name}: {name}: is for full fine-tuning only; {mend}")
        if self.osf_rank is not None and config.uses_peft:
            raise ConfigError(f"{config.name}: osf_rank: replaces LoRA; remove use_peft")
        pull = rate * self.l2_to_base
        if pull >= 1:
            raise ConfigError(
                f"{config.name}: l2_to_base: a step would take back {pull:.3g} times the distance; "
                f"stay below {1 / rate:.3g}, 1 / learning_rate"
            )
        if self.entropy_gate and config.value("loss_type") == "dft":
            raise ConfigError(
                f"{config.name}: entropy_gate: weighs the plain loss; remove loss_type"
            )
        smoothed = [name for name in _LOSSES if getattr(self, name)]
        if config.value("label_smoothing_factor") and smoothed:
            raise ConfigError(
                f"{config.name}: {smoothed[0]}: does not go with label_smoothing_factor; remove one"
            )
        if self.is_interpolated:
            self._check_interpolation(config)

    def _check_interpolation(self, config: TrainingConfig) -> None:
        adapter = config.adapter_config()
        more = None if adapter is None else unreadable_field(adapter)
        more = "osf_rank" if self.osf_rank is not None else more
        if more is not None:
            lever = "interpolation" if self.interpolation != 1.0 else "interpolated_modules"
            raise ConfigError(
                f"{config.name}: {lever}: with {more} the change is more than B times A, which "
                "cannot be scaled in place; remove it and run `driftline repair` on the tuned model"
            )


def _is_at_least_zero(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _is_rank(value: float | None) -> bool:
    return value is None or 0 < value < 1 or (value >= 1 and float(value).is_integer())


def _read(key: str, value: JsonValue, origin: str) -> object:
    """Convert a value from a file to the type of its field."""
    if key == "frozen_modules":
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return tuple(value)
        raise ConfigError(f"{origin}: levers: {key}: {value!r} is not a list of module names")
    if key in _FACTORS:
        if isinstance(value, dict):
            return tuple(
                (str(name), _number(factor, f"{key}: {name}", origin))
                for name, factor in value.items()
            )
        raise ConfigError(f"{origin}: levers: {key}: give one `module: {_FACTORS[key]}` a line")
    requested = type(getattr(Levers, key))
    if requested is bool or requested is str:
        if type(value) is requested:
            return value
        kind = "true or false" if requested is bool else "a text"
        raise ConfigError(f"{origin}: levers: {key}: {value!r} is not {kind}")
    return None if key == "osf_rank" and value is None else _number(value, key, origin)


def _number(value: JsonValue, key: str, origin: str) -> float:
    """Convert a number; YAML reads 1e-3 as a text."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise ConfigError(f"{origin}: levers: {key}: {value!r} is not a number")


def _content(path: Path) -> bytes:
    return read_bytes(path, ConfigError, mend="check replay_source of the levers")
