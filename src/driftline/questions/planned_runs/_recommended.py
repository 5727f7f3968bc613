"""The recommended change of a run as a config to copy, in the format of the user's own."""

import json
import re
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError, DriftlineError
from .. import inputs

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.models import TrainingConfig
    from driftline.results import Assessment

_STEM = "recommended"
_NAME = re.compile(rf"{_STEM}(-\d+)?\.(yaml|json)")
_REPORT = "report.json"


@dataclass(frozen=True)
class Recommending:
    """Sources of the recommended config, read before the run folder is cleared."""

    values: "dict[str, JsonValue]"
    """The user's config as it stands."""
    suffix: str
    earlier: Path | None = None
    """The file of the run that this one replaces; None where there is none, or it is not ours alone."""

    def drop_earlier(self) -> None:
        """Remove the file of the earlier run, whose report is gone too."""
        if self.earlier is not None:
            self.earlier.unlink(missing_ok=True)


def read_recommending(
    config: inputs.ConfigInput, parsed: "TrainingConfig", folder: Path | None, *, force: bool
) -> Recommending:
    """Read the config, and find the file of an earlier run, while its report still names it.

    Args:
        config: The user's config.
        parsed: The same as it was read, for one that can be read only once, such as a pipe.
        folder: The run folder; None where none is named.
        force: Whether an earlier run there is replaced.
    """
    values, suffix = _values(config, parsed)
    earlier = _earlier(folder) if force and folder is not None else None
    if earlier is not None and isinstance(config, str | PathLike) and earlier.samefile(config):
        earlier = None
    return Recommending(values, suffix, earlier)


def with_recommended(
    assessment: "Assessment", made_from: Recommending, folder: Path
) -> tuple["Assessment", dict[str, str]]:
    """Write the recommended config, if one value or more should change.

    Args:
        made_from: The user's config.
        folder: The run folder; no file that is there is replaced by another content.

    Returns:
        The assessment, with the name of the file, and the content of the file by its name.
    """
    changes = {} if assessment.advice is None else assessment.advice.changes
    if not changes:
        return assessment, {}
    text = _text({**made_from.values, **changes}, made_from.suffix)
    name = _free_name(folder, made_from.suffix, text)
    assert assessment.advice is not None
    advice = assessment.advice.model_copy(update={"config_file": name})
    return assessment.model_copy(update={"advice": advice}), {name: text}


def _earlier(folder: Path) -> Path | None:
    """Find the file that the report in a run folder says it wrote, where it is as it was written.

    One that was edited is the user's own: it is newer than the report, or not in our form, or no longer
    says what the report recommends.
    """
    from driftline.parsing import parse_yaml, read_bytes
    from driftline.training import read_assessment

    try:
        advice = read_assessment(folder / _REPORT).advice
        if advice is None or _NAME.fullmatch(advice.config_file or "") is None:
            return None
        path = folder / str(advice.config_file)
        if path.is_symlink() or path.stat().st_mtime_ns > (folder / _REPORT).stat().st_mtime_ns:
            return None
        content = read_bytes(path, ConfigError)
        values: Any = parse_yaml(content, path, ConfigError)
    except (OSError, DriftlineError):
        return None
    is_ours = (
        isinstance(values, dict)
        and content == _text(values, path.suffix).encode()
        and all(values.get(key) == value for key, value in advice.changes.items())
    )
    return path if is_ours else None


def _values(
    config: inputs.ConfigInput, parsed: "TrainingConfig"
) -> "tuple[dict[str, JsonValue], str]":
    """Read the user's config as it stands, with other trainers' names, and how it is written."""
    from driftline.models import config_in_memory
    from driftline.parsing import parse_yaml, read_bytes

    if not isinstance(config, str | PathLike):
        return dict(config_in_memory(config).values), ".yaml"
    path = Path(fspath(config))
    if not path.is_file():
        return dict(parsed.values), ".yaml"
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
    number, name = 1, f"{_STEM}{suffix}"
    while (path := folder / name).exists() or path.is_symlink():
        if path.is_file() and path.read_bytes() == text.encode():
            break
        number += 1
        name = f"{_STEM}-{number}{suffix}"
    return name
