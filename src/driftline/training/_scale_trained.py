"""A protocol's scale of the update, applied to a model that another trainer has trained by it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from ..errors import ConfigError, ModelError, OutputError
from ..models import (
    LanguageModel,
    ScaledKind,
    TunedModel,
    change_norms,
    open_tuned_model,
    write_scaled,
)
from ..parsing import parse_json, read_bytes
from ..provenance import digest_value
from ._protocol import Protocol

MARKER = "driftline-scaled.json"
"""In the new folder: the scales that made it."""
_SCHEMA = "driftline/scaled-model/1"
_RUN_SCHEMA = "driftline/train/"
_ADAPTER = "adapter_config.json"


class Scaled(NamedTuple):
    """The written model."""

    kind: ScaledKind
    folder: Path


def check_scales(protocol: Protocol, name: str) -> None:
    """Refuse a protocol that scales nothing.

    Args:
        protocol: As it was read.
        name: For the message.

    Raises:
        ConfigError: Its levers have no scale of the update.
    """
    if not protocol.levers.is_interpolated:
        raise ConfigError(
            f"{name}: levers: has neither interpolation nor interpolated_modules, so there is nothing to scale; "
            "use the model as it was trained"
        )


def check_folder(folder: Path, tuned: str, *, force: bool) -> None:
    """Refuse a new folder that would overwrite something.

    Args:
        folder: For the new model.
        tuned: The trained one.
        force: Replace an earlier result of the same command.

    Raises:
        OutputError: The folder is there, and either `force` is not given or it was not written by `scale`.
    """
    if folder.resolve() == Path(tuned).resolve():
        raise OutputError(f"{folder}: is the trained model itself; give another --out")
    if not folder.exists():
        return
    if not (folder / MARKER).is_file():
        raise OutputError(f"{folder}: is there and was not written by scale; give another --out")
    if not force:
        raise OutputError(f"{folder}: is there already; add --force to replace it")


def scale_trained(protocol: Protocol, tuned: str, opened: LanguageModel, folder: Path) -> Scaled:
    """Write base + scale * (tuned - base) with the scales of a protocol.

    Args:
        protocol: With a scale of the update.
        tuned: Folder or hub id of what was trained by it, without its scale.
        opened: The protocol's base; it is read, not changed.
        folder: Output folder; an earlier result in it is replaced.

    Returns:
        Kind and folder of the written model.

    Raises:
        ModelError: The trained model is not the protocol's, or was scaled before.
    """
    _check_unscaled(tuned)
    _check_adapter(protocol, tuned)
    result = open_tuned_model(tuned, opened)
    _check_frozen(protocol, result, tuned)
    names = [weight.name for weight in result.base.weights]
    scales = {name: protocol.levers.scale_of(name) for name in names}
    listed: dict[str, JsonValue] = {**scales}
    partial = folder.with_name(f"{folder.name}.partial")
    for path in (partial, folder):
        if path.exists():
            shutil.rmtree(path)
    partial.parent.mkdir(parents=True, exist_ok=True)
    kind = write_scaled(result, result.base, scales, folder=partial)
    said = {
        "schema": _SCHEMA,
        "base": opened.source,
        "tuned": tuned,
        "levers": protocol.levers.to_values(),
        "scales": digest_value(listed),
    }
    (partial / MARKER).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder)
    return Scaled(kind, folder)


def _check_unscaled(tuned: str) -> None:
    """Refuse a model that has its scale: another time it would be scaled twice."""
    folder = Path(tuned)
    if (folder / MARKER).exists():
        raise ModelError(f"{tuned}: was scaled before ({MARKER} is in it); give the trained one")
    report = folder.parent / "report.json"
    if report.is_file():
        said = parse_json(read_bytes(report, ModelError), report, ModelError)
        if isinstance(said, dict) and str(said.get("schema", "")).startswith(_RUN_SCHEMA):
            raise ModelError(
                f"{tuned}: was trained by driftline train, which scales the update itself; use it as it is"
            )


def _check_adapter(protocol: Protocol, tuned: str) -> None:
    """Refuse an adapter of another kind than the protocol trains."""
    file, config = Path(tuned) / _ADAPTER, protocol.config
    if not file.is_file():
        # A hub id, or a whole model: an adapter may have been merged.
        return
    requested = config.adapter_config()
    if requested is None:
        raise ModelError(f"{tuned}: is an adapter, and the protocol trains all weights")
    said = parse_json(read_bytes(file, ModelError), file, ModelError)
    held: Mapping[str, object] = said if isinstance(said, dict) else {}
    for key, value in (("r", requested.r), ("lora_alpha", requested.lora_alpha)):
        if held.get(key) != value:
            raise ModelError(
                f"{file}: {key}: {held.get(key)!r} is not the protocol's {value!r}; give the adapter that was "
                "trained by it"
            )
    targets, own = requested.target_modules, held.get("target_modules")
    if isinstance(targets, set | list) and isinstance(own, list) and set(own) != set(targets):
        raise ModelError(
            f"{file}: target_modules: {sorted(map(str, own))} are not the protocol's "
            f"{sorted(map(str, targets))}; give the adapter that was trained by it"
        )


def _check_frozen(protocol: Protocol, result: TunedModel, tuned: str) -> None:
    """Refuse a model in which something moved that the protocol freezes."""
    frozen = protocol.levers.frozen_modules
    if not frozen:
        return
    (term,) = result.point.terms
    for name, norm in change_norms(result.base, term.direction).items():
        if norm.change > 0 and any(name.startswith(f"{module}.") for module in frozen):
            raise ModelError(
                f"{tuned}: {name} differs from the base's, and the protocol freezes it; give the model that was "
                "trained by it"
            )
