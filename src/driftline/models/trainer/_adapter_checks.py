"""Refusals of an adapter by PEFT, told by the config's keys; and a bias that no change of weights has."""

import contextlib
import traceback
import typing
from collections.abc import Iterator

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer

from ...errors import ConfigError
from ..language_model import LanguageModel
from .config import TrainingConfig, one_line

_INITIALISATIONS = tuple(
    str(each).lower() if isinstance(each, bool) else each
    for hint in typing.get_args(typing.get_type_hints(LoraConfig)["init_lora_weights"])
    for each in (typing.get_args(hint) or (True, False))
)


@contextlib.contextmanager
def adapter_named(config: TrainingConfig, opened: LanguageModel) -> Iterator[None]:
    """Name the key of the config where PEFT refuses to build the adapter on this base.

    Args:
        config: The run's.
        opened: The base.

    Yields:
        Nothing.

    Raises:
        ConfigError: PEFT refuses; the message has the key and the mend.
        Exception: As it was raised, where it is not PEFT's.
    """
    try:
        yield
    except Exception as error:  # PEFT has several kinds
        if not _is_pefts(error):
            raise
        raise ConfigError(f"{config.name}: {_told(error, config, opened)}") from error


def _told(error: Exception, config: TrainingConfig, opened: LanguageModel) -> str:
    text = one_line(error)
    if "Unknown initialization" in text:
        value = config.values.get("init_lora_weights")
        return f"init_lora_weights: {value!r} is not one of {', '.join(_INITIALISATIONS)}"
    key = "target_modules" if "target_modules" in config.values else "lora_target_modules"
    if text.startswith("Please specify"):
        return (
            f"{key}: PEFT knows no layers to adapt for {opened.source}; write `{key}: all-linear`"
        )
    if not text.startswith(("Target modules", "No modules were targeted")):
        return f"the adapter cannot be made on {opened.source}: {text}"
    layers = config.values.get("layers_to_transform")
    num = getattr(opened.model.config.get_text_config(), "num_hidden_layers", None)
    if layers is not None and num is not None:
        numbers = layers if isinstance(layers, list) else [layers]
        if not any(isinstance(each, int) and 0 <= each < num for each in numbers):
            return f"layers_to_transform: {layers}: {opened.source} has the layers 0 to {num - 1}"
    return _told_of_targets(key, config, opened)


def _told_of_targets(key: str, config: TrainingConfig, opened: LanguageModel) -> str:
    """Tell a single name, which TRL takes for a regular expression, from one that the base lacks."""
    value = config.values.get(key)
    single = value[0] if isinstance(value, list) and len(value) == 1 else value
    names = [
        name
        for name, module in opened.model.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding)
    ]
    if isinstance(single, str) and any(name.endswith(f".{single}") for name in names):
        return (
            f"{key}: {single} alone is taken for a regular expression of the whole name, by TRL too; write "
            f"`{key}: '.*\\.{single}'`"
        )
    ends = sorted({name.rpartition(".")[2] for name in names})
    return f"{key}: {value}: no layer of {opened.source} is named so; it has {', '.join(ends)}"


def _is_pefts(error: BaseException) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] == "peft"


def check_bias(model: torch.nn.Module, config: TrainingConfig) -> None:
    """Refuse a trained bias on a layer that has none: no change of the base's weights holds it.

    Args:
        model: With the adapter.
        config: The run's.

    Raises:
        ConfigError: There is such a layer.
    """
    if not isinstance(model, PeftModel) or not config.values.get("lora_bias"):
        return
    for name, module in model.base_model.model.named_modules():
        if isinstance(module, LoraLayer) and getattr(module.get_base_layer(), "bias", None) is None:
            raise ConfigError(
                f"{config.name}: lora_bias: {name} has no bias that the trained one could be added to, so a "
                "probe cannot say where the run takes it; remove the key (train takes it)"
            )
