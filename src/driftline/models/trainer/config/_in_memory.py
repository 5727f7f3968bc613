"""A training config in memory: a dict of TRL's fields, or TRL's own arguments."""

import dataclasses
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trl import SFTConfig

from ....errors import ConfigError
from ....provenance import digest_bytes
from ._config_fields import SFT_FIELDS
from ._training_config import TrainingConfig, config_from_values

if TYPE_CHECKING:
    from pydantic import JsonValue

_OF_THE_MACHINE = {"output_dir", "logging_dir", "run_name", "use_cpu", "local_rank", "hub_token"}
"""Fields that a probe sets itself, or that say where a script runs."""


def config_in_memory(
    config: Mapping[str, Any] | SFTConfig, name: str = "config in memory"
) -> TrainingConfig:
    """Read a config that is not in a file.

    >>> config_in_memory(SFTConfig(learning_rate=1e-3, output_dir="x", use_cpu=True)).values
    {'learning_rate': 0.001}

    Args:
        config: Fields of TRL's command line, or an `SFTConfig`; of that, what differs from its defaults.
        name: The name of the config, for messages and documents.

    Returns:
        The config, checked as a file is.

    Raises:
        ConfigError: As in `read_training_config`, or it is neither.
    """
    values: JsonValue
    if isinstance(config, Mapping):
        values = {str(key): _plain(value) for key, value in config.items()}
    elif isinstance(config, SFTConfig):
        values = _set_fields(config)
    else:
        raise ConfigError(
            f"the config is a {type(config).__name__}; give a path, a dict, or an SFTConfig"
        )
    digest = digest_bytes(repr(sorted(values.items())).encode())
    return config_from_values(values, Path(name), digest=digest)


def _set_fields(config: SFTConfig) -> dict[str, Any]:
    """List the fields that differ from the defaults of the same machine."""
    usual = SFTConfig(output_dir=config.output_dir, use_cpu=config.use_cpu)
    result = {}
    for each in dataclasses.fields(config):
        name = each.name
        if name in SFT_FIELDS - _OF_THE_MACHINE and each.init:
            value = getattr(config, name)
            if value != getattr(usual, name):
                result[name] = _plain(value)
    return result


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a field
    return value.value if isinstance(value, Enum) else value
