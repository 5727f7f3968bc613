"""Checks that a base and a config go together: quantised or not, and where the weights lie."""

from ...errors import ConfigError
from ..language_model import LanguageModel
from ..points import unreadable_field
from .config import TrainingConfig

_SWITCHES = (("load_in_4bit", "4-bit"), ("load_in_8bit", "8-bit"))


def check_base(opened: LanguageModel, config: TrainingConfig) -> None:
    """Refuse a run that this base cannot be the start of.

    Args:
        opened: The base.
        config: The user's config.

    Raises:
        ConfigError: Its weights lie elsewhere than where they compute, or see `check_packing`.
    """
    if opened.is_offloaded:
        raise ConfigError(
            f"{config.name}: some weights of {opened.source} lie in main memory or on disk and not "
            "where they compute, so it cannot be trained here; take more or larger GPUs, or open "
            "it with load_in (--load-in 4bit) and train LoRA"
        )
    check_packing(config, opened.source, opened.packing)


def check_packing(config: TrainingConfig, source: str, packing: str | None) -> None:
    """Refuse a config that wants the base quantised otherwise than it is opened.

    Args:
        config: The user's config.
        source: Name of the base in messages.
        packing: How it is opened, such as `4-bit nf4`; None where it is not quantised.

    Raises:
        ConfigError: The two differ, or what is trained on the quantised base is not plain LoRA.
    """
    for key, bits in _SWITCHES:
        if config.values.get(key) and not (packing or "").startswith(bits):
            raise ConfigError(
                f"{config.name}: {key}: the base was not opened so; add --load-in {bits.replace('-', '')}, or remove "
                "the key (of other trainers: adapter: qlora, quantization_bit)"
            )
    if packing is None:
        return
    adapter = config.adapter_config()
    if adapter is None:
        raise ConfigError(
            f"{config.name}: {source} is quantised ({packing}), and packed weights "
            "cannot be trained; add `use_peft: true` for LoRA, or open the unquantised base"
        )
    more = unreadable_field(adapter)
    if more is not None:
        raise ConfigError(
            f"{config.name}: {more}: on a quantised base only plain LoRA is supported; remove it"
        )


def refuse_packing(config: TrainingConfig) -> None:
    """Refuse a config that quantises the base, for a run whose base is opened unquantised.

    Args:
        config: The user's config.

    Raises:
        ConfigError: It has one of the switches on.
    """
    for key, bits in _SWITCHES:
        if config.values.get(key):
            raise ConfigError(
                f"{config.name}: {key}: asks for a base in {bits.replace('-', ' ')} (adapter: qlora and "
                "quantization_bit of other trainers do so too), which train does not support; remove it, or "
                "train with TRL itself and attach StabilityMonitor to the trainer"
            )
