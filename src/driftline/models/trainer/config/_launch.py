"""Keys of a launcher in a training config: what they mean for one process."""

import importlib.resources
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError
from ....parsing import parse_yaml
from ._config_fields import LAUNCH_FIELDS, PROCESS_FIELDS, TRL_FIELDS

_TIMES, _PRECISION = "num_processes", "mixed_precision"


def take_launch_keys(
    values: Mapping[str, JsonValue], path: Path
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """Convert the keys of `accelerate launch` to settings of equal training in one process.

    Processes that share a step's rows take together as many as one process with as many times the
    gradient accumulation, and normalise the loss over all of them.

    Args:
        values: The fields of the file.
        path: The file, for messages; a config of accelerate may lie beside it.

    Returns:
        The fields without the launcher's, and a line that says how they were read.

    Raises:
        ConfigError: A config of accelerate that is neither a file nor one that TRL ships, or a number
            of processes that is not a whole number above 0.
    """
    ours = (LAUNCH_FIELDS - TRL_FIELDS) | PROCESS_FIELDS
    launch = {key: value for key, value in values.items() if key in ours}
    launch.pop("env", None)
    if not launch:
        return dict(values), ()
    kept = {key: value for key, value in values.items() if key not in launch}
    num, precision = _processes_and_precision(launch, path)
    if num is not None and (not isinstance(num, int) or isinstance(num, bool) or num < 1):
        raise ConfigError(f"{path}: {_TIMES}: {num!r} is not a whole number above 0")
    names = ", ".join(sorted(launch))
    computed = _precision(kept, precision)
    kept |= computed
    more = f", but for mixed precision in {', '.join(computed)}" if computed else ""
    if num is None or num == 1:
        return kept, (f"{names}: set aside, they say how processes are launched{more}",)
    each = kept.get("gradient_accumulation_steps", 1)
    if isinstance(each, int) and not isinstance(each, bool):
        kept["gradient_accumulation_steps"] = each * num
    return kept, (
        f"{names}: the rows of each step of {num} processes are trained in one, with "
        f"gradient_accumulation_steps {kept['gradient_accumulation_steps']}; sharding is set "
        f"aside{more}",
    )


def _processes_and_precision(
    launch: Mapping[str, JsonValue], path: Path
) -> tuple[JsonValue, JsonValue]:
    """Read the number of processes and the precision from the keys or a config of accelerate."""
    num, precision = launch.get(_TIMES), launch.get(_PRECISION)
    for key in ("accelerate_config", "config_file"):
        if launch.get(key) is None:
            continue
        own = _read_launcher(str(launch[key]), key, path)
        precision = own.get(_PRECISION) if precision is None else precision
        if num is None:
            # Without distribution accelerate starts one process and ignores this number.
            num = 1 if str(own.get("distributed_type")).upper() == "NO" else own.get(_TIMES)
    return num, precision


def _precision(kept: Mapping[str, JsonValue], precision: JsonValue) -> dict[str, JsonValue]:
    """Return the field of the launcher's precision, used where `bf16` and `fp16` are both off."""
    name = str(precision).lower()
    is_off = kept.get("bf16") is False and not kept.get("fp16")
    return {name: True} if is_off and name in ("bf16", "fp16") else {}


def _read_launcher(name: str, key: str, path: Path) -> dict[str, JsonValue]:
    own = next((each for each in (Path(name), path.parent / name) if each.is_file()), None)
    shipped = importlib.resources.files("trl.accelerate_configs").joinpath(f"{name}.yaml")
    if own is None and not (key == "accelerate_config" and shipped.is_file()):
        raise ConfigError(
            f"{path}: {key}: {name} is neither a file nor a config that TRL ships; give the path of "
            "the file"
        )
    content = own.read_bytes() if own is not None else shipped.read_bytes()
    result = parse_yaml(content, own or name, ConfigError)
    if not isinstance(result, dict):
        raise ConfigError(f"{path}: {key}: {name} is not a mapping; give a config of accelerate")
    return result
