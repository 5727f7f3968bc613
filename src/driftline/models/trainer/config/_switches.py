"""Switches in configs of other trainers: a text counts by what it says, as in TRL's own fields."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError
from ._config_fields import as_truth

_ANY_TEXT = None
AXOLOTL_SWITCHES: Mapping[str, tuple[str, ...] | None] = {
    **dict.fromkeys((
        "train_on_inputs", "lora_target_linear", "group_by_length", "curriculum_sampling",
        "load_in_4bit", "load_in_8bit", "fp16", "bfloat16", "float16",
        "peft_use_rslora", "peft_use_dora",
    ), ()),
    "bf16": ("auto", "full"),
    "sample_packing": ("auto",),
    "tf32": ("auto",),
    "torch_compile": ("auto",),
    # Words for where activations are kept, and for kinds of training, all of which are refused.
    "gradient_checkpointing": _ANY_TEXT,
    "rl": _ANY_TEXT,
}  # fmt: skip
LLAMA_FACTORY_SWITCHES: Mapping[str, tuple[str, ...] | None] = dict.fromkeys((
    "train_on_prompt", "bf16", "fp16", "pure_bf16", "packing", "neat_packing", "use_dft_loss",
    "disable_shuffling", "use_rslora", "use_dora",
), ())  # fmt: skip
"""Key of another trainer's config -> words that it takes beside true and false."""


def read_switches(
    values: Mapping[str, JsonValue], path: Path, switches: Mapping[str, tuple[str, ...] | None]
) -> dict[str, JsonValue]:
    """Read switches that are written as a text or a number, such as 'no' and 0.

    Args:
        values: The fields of the file.
        path: The file, for messages.
        switches: Keys, each with the words that it takes beside true and false; None for any text.

    Returns:
        The fields, with true or false for such values.

    Raises:
        ConfigError: A switch has a value that says neither.
    """
    result = dict(values)
    for key in (key for key in values if key in switches):
        result[key] = value = as_truth(values[key])
        words = switches[key]
        is_word = isinstance(value, str) and (words is _ANY_TEXT or value in words)
        if not (value is None or isinstance(value, bool) or is_word):
            known = ", ".join(("true", "false", *(words or ())))
            raise ConfigError(f"{path}: {key}: {value!r} is not one of {known}; write one of them")
    return result
