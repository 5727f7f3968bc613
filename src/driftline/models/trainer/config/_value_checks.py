"""Checks of single fields of a training config: known, of the right kind, and in their range."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

from pydantic import JsonValue

from ....errors import ConfigError
from ._compound_fields import check_compound
from ._config_fields import (
    CHOICES,
    DATA_FIELDS,
    LAUNCH_FIELDS,
    MODEL_FIELDS,
    PEFT_FIELDS,
    POSITIVE,
    RANGES,
    REFUSED,
    SCALARS,
    SFT_FIELDS,
    TRL_FIELDS,
    is_of,
    kinds_of,
)
from ._hints import hint


def check_keys(values: dict[str, JsonValue], path: Path) -> None:
    """Refuse keys that nobody knows, or that ask for what is not supported.

    Args:
        values: The fields of the file.
        path: The file, for messages.

    Raises:
        ConfigError: Such a key, with the mend.
    """
    known = TRL_FIELDS | PEFT_FIELDS | LAUNCH_FIELDS
    for key in values:
        if key in REFUSED and values[key]:
            raise ConfigError(f"{path}: {key}: {REFUSED[key]} is not supported; remove the key")
        own = PEFT_FIELDS - SFT_FIELDS - MODEL_FIELDS - DATA_FIELDS
        if key in own and not values.get("use_peft"):
            raise ConfigError(f"{path}: {key}: belongs to LoRA; add `use_peft: true`")
    if unknown := [f"unknown key {key}; {hint(key)}" for key in values if key not in known]:
        raise ConfigError(f"{path}: {'. Also '.join(unknown)}".replace("?. Also", "? Also"))


def check_values(values: dict[str, JsonValue], path: Path) -> None:
    """Refuse values of the wrong kind or out of range.

    Args:
        values: The fields of the file.
        path: The file, for messages.

    Raises:
        ConfigError: The first such value, with its key.
    """
    for key, value in values.items():
        kinds = kinds_of(key)
        if kinds and not is_of(value, kinds):
            requested = " or ".join(SCALARS[kind] for kind in kinds)
            raise ConfigError(f"{path}: {key}: {value!r} is not {requested}")
        if key in POSITIVE and isinstance(value, (int, float)) and not value > 0:
            raise ConfigError(f"{path}: {key}: {value} is not above 0")
        _check_range(key, value, path)
        check_compound(key, value, path)
        if key in CHOICES and value is not None and value not in CHOICES[key]:
            raise ConfigError(f"{path}: {key}: {value!r} is not one of {', '.join(CHOICES[key])}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ConfigError(
                f"{path}: {key}: {value!r} is not a finite number or a text; put a text into "
                "quotation marks"
            ) from None
    _check_num_steps(values, path)


def with_key(error: Exception, values: Mapping[str, object]) -> str:
    """Put the key before a library's words on its value, where they do not name it.

    Args:
        error: The refusal, such as `foo is not a valid HubStrategy`.
        values: The fields that the library was given.

    Returns:
        The words in one line.
    """
    text = " ".join(str(error).split())
    keys = [key for key, value in values.items() if text.startswith(f"{value} is not a valid ")]
    return f"{keys[0]}: {text}" if len(keys) == 1 else text


def _check_range(key: str, value: JsonValue, path: Path) -> None:
    if key not in RANGES:
        return
    if isinstance(value, str) and value.lstrip("+-").isdigit():
        value = int(value)
    lowest, highest = RANGES[key]
    if is_number(value) and not lowest <= value <= highest:
        most = "" if highest == math.inf else f" and at most {highest}"
        raise ConfigError(f"{path}: {key}: {value} is not at least {lowest}{most}")


def _check_num_steps(values: dict[str, JsonValue], path: Path) -> None:
    """Refuse a run without a step."""
    steps, passes = values.get("max_steps", -1), values.get("num_train_epochs", 1)
    if steps == 0:
        raise ConfigError(
            f"{path}: max_steps: 0: the run would have no step; write -1 or leave it out to go by "
            "num_train_epochs, or give the number of steps"
        )
    if is_number(steps) and steps < 0 and is_number(passes) and passes <= 0:
        raise ConfigError(
            f"{path}: num_train_epochs: {passes}: the run would have no step; give the number of passes "
            "over the data, such as 1, or max_steps"
        )


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
