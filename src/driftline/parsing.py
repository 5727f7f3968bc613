"""YAML files as people write them: a key that stands there twice is refused, not overwritten."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from .errors import DriftlineError


class _RepeatedKeyError(Exception):
    """A mapping has a key twice."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, without the silent last word of a repeated key."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 (a name; the stubs say otherwise)
        """Look at the keys as they were written, before `<<` brings in those of another mapping."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise _RepeatedKeyError(
                    f"line {line}: {key.value} stands there twice, first in line {lines[name]}; "
                    "keep one"
                )
            lines[name] = line
        return node


def parse_yaml(content: bytes, where: str | Path, error: type[DriftlineError]) -> JsonValue:
    r"""Read a YAML document of plain values.

    >>> parse_yaml(b"alpha: 0.05", "policy.yaml", DriftlineError)
    {'alpha': 0.05}
    >>> parse_yaml(b"alpha: 0.05\nalpha: 0.5", "policy.yaml", DriftlineError)
    Traceback (most recent call last):
    driftline.errors.DriftlineError: policy.yaml: line 2: alpha stands there twice, first in line 1; keep one

    Args:
        content: As it stands in the file.
        where: What a message names first.
        error: What is raised.

    Returns:
        The values.

    Raises:
        error: It is not YAML, or a mapping in it has a key twice.
    """
    loader = None
    try:
        loader = _UniqueKeyLoader(content.decode("utf-8"))
        value: JsonValue = loader.get_single_data()
    except _RepeatedKeyError as fault:
        raise error(f"{where}: {fault}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        # The last two: bytes that are no text, a date that is none, brackets without an end.
        raise error(f"{where}: not YAML ({' '.join(str(fault).split())})") from None
    finally:
        if loader is not None:
            loader.dispose()
    return value
