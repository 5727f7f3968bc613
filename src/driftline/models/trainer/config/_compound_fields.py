"""Fields that take a list or a mapping: a value of another shape is refused before a library sees it."""

import dataclasses
import enum
import types
import typing
from pathlib import Path

from peft import LoraConfig
from pydantic import JsonValue
from trl import ModelConfig, SFTConfig

from ....errors import ConfigError
from ._config_fields import REFUSED, SCALARS, is_of

_TEXTS_TOO = ("lora_target_modules", "label_names", "include_for_metrics")
"""Lists of texts that TRL takes as one text as well, though its hints do not say so. Of
`modules_to_save` PEFT would take the letters of a text as names of modules."""
_ITEMS = {str: "texts", int: "whole numbers"}
_EXAMPLES = {"a mapping": "{name: value}", "a list of texts": "[name, other]"}


def _options(name: str, hint: type) -> tuple[type, ...]:
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    return (str, *options) if name in _TEXTS_TOO else options


def _holds_many(option: type) -> bool:
    return (typing.get_origin(option) or option) in (list, dict) or dataclasses.is_dataclass(option)


_COMPOUND = {
    name: options
    for config in (LoraConfig, ModelConfig, SFTConfig)
    for name, hint in typing.get_type_hints(config).items()
    if name not in REFUSED and any(map(_holds_many, options := _options(name, hint)))
}
"""Field -> the types that it takes, one of which is a list or a mapping."""


def check_compound(key: str, value: JsonValue, path: Path) -> None:
    """Refuse a value of another shape than its field takes, such as a mapping for a list of names.

    Args:
        key: The field.
        value: Its value; null is taken everywhere.
        path: The file, for messages.

    Raises:
        ConfigError: Such a value, with the shape to write.
    """
    options = _COMPOUND.get(key)
    if options is None or value is None or any(_fits(value, option) for option in options):
        return
    shapes = dict.fromkeys(_shape(option) for option in options if option is not types.NoneType)
    example = next((_EXAMPLES[shape] for shape in shapes if shape in _EXAMPLES), "[1, 2]")
    raise ConfigError(
        f"{path}: {key}: {value!r} is not {' or '.join(shapes)}; write `{key}: {example}`"
    )


def _fits(value: JsonValue, option: type) -> bool:
    kind: type = typing.get_origin(option) or option
    if kind in (list, tuple):
        item = typing.get_args(option)[0]
        return isinstance(value, list | tuple) and all(_fits(each, item) for each in value)
    if _holds_many(option):
        return isinstance(value, dict)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return isinstance(value, str)
    return is_of(value, (kind,))


def _shape(option: type) -> str:
    kind: type = typing.get_origin(option) or option
    if kind is list:
        return f"a list of {_ITEMS.get(typing.get_args(option)[0], 'lists')}"
    return SCALARS.get(kind, "a mapping")
