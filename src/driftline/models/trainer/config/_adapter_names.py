"""Fields of an adapter under PEFT's names beside TRL's, and those that PEFT fills in itself."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError

PEFT_NAMES = {
    "lora_r": "r",
    "lora_target_modules": "target_modules",
    "lora_target_parameters": "target_parameters",
    "lora_modules_to_save": "modules_to_save",
    "lora_task_type": "task_type",
}
"""TRL's name of a field -> PEFT's."""
_FILLED_IN = ("base_model_name_or_path", "revision", "peft_version", "auto_mapping")
"""Fields that PEFT writes beside an adapter about where it came from."""


def take_adapter_names(
    values: Mapping[str, JsonValue], path: Path
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """Refuse another adapter than LoRA and a field with two values; set aside what PEFT fills in.

    Args:
        values: The fields of the file.
        path: The file, for messages.

    Returns:
        The fields that make the adapter, and a sentence about those that do not.

    Raises:
        ConfigError: `peft_type` is not LORA, `inference_mode` is on, or a field stands under the names
            of TRL and PEFT, with two values.
    """
    result = dict(values)
    kind = result.pop("peft_type", None)
    if kind is not None and str(kind).upper() != "LORA":
        raise ConfigError(
            f"{path}: peft_type: {kind} is not supported, LoRA is; remove the key to train LoRA"
        )
    if result.get("inference_mode"):
        raise ConfigError(
            f"{path}: inference_mode: true leaves nothing of the adapter to train; remove the key"
        )
    for trl, peft in PEFT_NAMES.items():
        ours, theirs = result.get(trl), result.get(peft)
        if ours is None or theirs is None:
            continue
        if _plain(ours) != _plain(theirs):
            raise ConfigError(
                f"{path}: {trl}: {ours} and {peft}: {theirs} are one field; keep {trl}"
            )
        del result[trl]
    aside = [key for key in result if key in _FILLED_IN]
    for key in aside:
        del result[key]
    if not aside:
        return result, ()
    note = f"{', '.join(aside)}: set aside, PEFT fills them in from the base that is opened"
    return result, (note,)


def _plain(value: JsonValue) -> JsonValue:
    """Take one name out of its list, as TRL does."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
