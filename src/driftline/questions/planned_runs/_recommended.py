"""The recommended change of a run as a config to copy, in the format of the user's own."""

import json
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import inputs

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.results import Assessment

STEM = "recommended"
_SUFFIXES = (".yaml", ".json")


def with_recommended(
    assessment: "Assessment", config: inputs.ConfigInput, folder: Path, *, force: bool
) -> tuple["Assessment", dict[str, str]]:
    """Write the recommended config, if one value or more should change.

    Args:
        config: The user's config.
        folder: The run folder; a file there that is not ours is never replaced without `force`.
        force: Replace it, and drop that of an earlier run.

    Returns:
        The assessment, with the name of the file, and the content of the file by its name.
    """
    changes = {} if assessment.advice is None else assessment.advice.changes
    if force:
        for suffix in _SUFFIXES:
            (folder / f"{STEM}{suffix}").unlink(missing_ok=True)
    if not changes:
        return assessment, {}
    values, suffix = _values(config)
    text = _text({**values, **changes}, suffix)
    name = _free_name(folder, suffix, text)
    assert assessment.advice is not None
    advice = assessment.advice.model_copy(update={"config_file": name})
    return assessment.model_copy(update={"advice": advice}), {name: text}


def _values(config: inputs.ConfigInput) -> "tuple[dict[str, JsonValue], str]":
    """Read the user's config as it stands, with other trainers' names, and how it is written."""
    from driftline.errors import ConfigError
    from driftline.models import config_in_memory
    from driftline.parsing import parse_yaml, read_bytes

    if not isinstance(config, str | PathLike):
        return dict(config_in_memory(config).values), ".yaml"
    path = Path(fspath(config))
    result: Any = parse_yaml(read_bytes(path, ConfigError), path, ConfigError)
    values = {str(key): _from_here(value, path.parent) for key, value in result.items()}
    return values, ".json" if path.suffix == ".json" else ".yaml"


def _from_here(value: "JsonValue", folder: Path) -> "JsonValue":
    """Name a file beside the config by its whole path: the copy lies elsewhere."""
    is_name = isinstance(value, str) and ("." in value or "/" in value) and len(value) < 256
    if not is_name or Path(str(value)).exists():
        return value
    beside = folder / str(value)
    return str(beside.resolve()) if beside.is_file() else value


def _text(values: "dict[str, JsonValue]", suffix: str) -> str:
    import yaml

    if suffix == ".json":
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _free_name(folder: Path, suffix: str, text: str) -> str:
    """Choose a name that no other content has."""
    number, name = 1, f"{STEM}{suffix}"
    while (path := folder / name).exists():
        if path.is_file() and path.read_bytes() == text.encode():
            break
        number += 1
        name = f"{STEM}-{number}{suffix}"
    return name
