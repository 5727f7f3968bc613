"""A protocol: which model is trained on what, how, and under which watch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigError
from ..models import (
    Levers,
    TrainingConfig,
    config_from_values,
    config_in_memory,
    named_model,
    read_training_config,
)
from ..monitor import MonitorSettings
from ..parsing import parse_yaml, read_bytes
from ..provenance import digest_bytes

SCHEMA = "driftline/protocol/1"
_KEYS = ("schema", "model", "data", "config", "levers", "suites", "monitor", "assessment")


@dataclass(frozen=True)
class Protocol:
    """What a run is to be; None where the file leaves it to the command line."""

    config: TrainingConfig
    model: str | None = None
    data: Path | None = None
    suites: tuple[str, ...] = ()
    settings: MonitorSettings = field(default_factory=MonitorSettings)
    assessment: Path | None = None
    levers: Levers = field(default_factory=Levers)


def read_protocol(path: Path) -> Protocol:
    """Read a protocol, or the user's own TRL YAML, which says less.

    A protocol has `schema: driftline/protocol/1`, `config` (fields of TRL and PEFT, or the name of a
    file that holds them), and may have `model`, `data`, `levers` (fields of `Levers`), `suites`,
    `monitor` (fields of `MonitorSettings`) and `assessment` (a `report.json` of `assess`). Files are
    named relative to it.

    Args:
        path: The YAML file.

    Returns:
        The protocol.

    Raises:
        ConfigError: No such file, not YAML, an unknown key, or a value that makes no sense.
    """
    content = read_bytes(path, ConfigError)
    values = parse_yaml(content, path, ConfigError)
    if not isinstance(values, dict) or "schema" not in values:
        config = read_training_config(path)
        return Protocol(config, model=named_model(config))
    return _from_values(values, path)


def protocol_in_memory(protocol: object) -> Protocol:
    """Read a protocol that is not in a file.

    Args:
        protocol: A mapping as the file holds it, with files relative to the working folder; or a
            training config as a dict or an `SFTConfig`.

    Returns:
        The protocol.

    Raises:
        ConfigError: As in `read_protocol`.
    """
    if isinstance(protocol, Mapping) and "schema" in protocol:
        return _from_values(dict(protocol), Path("protocol in memory"))
    config = config_in_memory(protocol)
    return Protocol(config, model=named_model(config))


def _from_values(values: Mapping[str, object], path: Path) -> Protocol:
    """Read the keys of a protocol."""
    if values["schema"] != SCHEMA:
        raise ConfigError(f"{path}: schema: {values['schema']!r} is not {SCHEMA}")
    for key in values:
        if key not in _KEYS:
            raise ConfigError(f"{path}: unknown key {key}; a protocol takes {', '.join(_KEYS)}")
    data, assessment = (_text(values, key, path) for key in ("data", "assessment"))
    return Protocol(
        config=_config(values.get("config"), path),
        model=_place(_text(values, "model", path), path),
        data=None if data is None else path.parent / data,
        suites=_suites(values.get("suites"), path),
        settings=_settings(values.get("monitor"), path),
        assessment=None if assessment is None else path.parent / assessment,
        levers=_levers(values.get("levers"), path),
    )


def _config(value: object, path: Path) -> TrainingConfig:
    if isinstance(value, str):
        return read_training_config(path.parent / value)
    if isinstance(value, dict):
        digest = digest_bytes(repr(sorted(value.items())).encode())
        try:
            return config_from_values(value, path, digest=digest)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(path), f"{path}: config", 1)) from None
    raise ConfigError(f"{path}: config: give TRL's fields, or the name of a file that holds them")


def _suites(value: object, path: Path) -> tuple[str, ...]:
    named = [value] if isinstance(value, str) else value
    if named is None:
        return ()
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(f"{path}: suites: give a list of names or files")
    return tuple(str(_place(name, path)) for name in named)


def _settings(value: object, path: Path) -> MonitorSettings:
    if value is None:
        return MonitorSettings()
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: monitor: give one `field: value` a line")
    return MonitorSettings.from_values(value, origin=str(path))


def _levers(value: object, path: Path) -> Levers:
    if value is None:
        return Levers()
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: levers: give one `lever: value` a line")
    return Levers.from_values(value, origin=str(path), folder=path.parent)


def _text(values: Mapping[str, object], key: str, path: Path) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{path}: {key}: {value!r} is not a text")
    return value


def _place(name: str | None, path: Path) -> str | None:
    """A name that is a file beside the protocol, as its path; any other as it stands."""
    # Unlike Path.exists, this takes any text, such as one that is too long for a name.
    if name is None or not os.path.exists(path.parent / name):
        return name
    return str(path.parent / name)
