"""Opens a tuned model, a whole one or an adapter, as the direction that leads to it."""

import copy
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from pydantic import JsonValue
from safetensors import safe_open
from torch import Tensor

from ..errors import ModelError
from ..provenance import digest_file
from ._checkpoint import (
    check_adapter_folder,
    check_model_folder,
    is_adapter_folder,
    read_json,
)
from ._directions import Direction
from ._opening import LanguageModel


class DeltaDirection:
    """tuned - base, read from the tuned checkpoint one tensor at a time."""

    def __init__(self, folder: Path, opened: LanguageModel) -> None:
        """Look up where each weight lies, and that it fits the base.

        Args:
            folder: A checked model folder.
            opened: The base model.

        Raises:
            ModelError: A weight is missing, or has another shape.
        """
        self._folder = folder
        self._files = _locate_tensors(folder)
        base = dict(opened.model.named_parameters())
        for name, parameter in base.items():
            if name not in self._files:
                raise ModelError(f"{folder}: has no tensor {name}; it was tuned from another model")
            with safe_open(self._files[name], framework="pt") as file:
                shape = tuple(file.get_slice(name).get_shape())
            if shape != tuple(parameter.shape):
                raise ModelError(
                    f"{folder}: {name} has shape {shape} and the base {tuple(parameter.shape)}; "
                    "it was tuned from another model"
                )
        self._digests = {p.name: digest_file(p) for p in sorted(set(self._files.values()))}

    def identity(self) -> JsonValue:
        """The digests of the tuned files."""
        return {"kind": "delta", "files": dict(self._digests)}

    def prepare(self) -> None:
        """Nothing to make: the files are there."""

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """The change (tuned - base) of one weight.

        Args:
            name: The weight's name.
            base: The weight's value in the base model.

        Returns:
            The change as float32, on the CPU.

        Raises:
            ModelError: The tuned weight holds NaN or infinity.
        """
        with safe_open(self._files[name], framework="pt") as file:
            tuned: Tensor = file.get_tensor(name).float()
        if not torch.isfinite(tuned).all():
            raise ModelError(f"{self._files[name]}: tensor {name} holds NaN or infinity")
        return tuned - base.detach().float().cpu()


def open_tuned(folder: Path, opened: LanguageModel) -> Direction:
    """Open a tuned model as a direction: base + 1 * direction = tuned.

    Args:
        folder: A model folder with safetensors, or a PEFT adapter folder.
        opened: The base that it was tuned from.

    Returns:
        The direction. A whole model is read as it is needed; an adapter is merged once, into a
        copy of the base, by PEFT itself, so that every kind that PEFT can merge is right.

    Raises:
        ModelError: No such folder, unreadable files, or a model or adapter of another base.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; give a tuned model's or an adapter's folder")
    if not is_adapter_folder(folder):
        check_model_folder(folder)
        return DeltaDirection(folder, opened)
    check_adapter_folder(folder)
    return _merged_adapter(folder, opened)


class _AdapterDirection:
    """The change that a merged adapter makes, held in memory."""

    def __init__(self, change: dict[str, Tensor], digests: JsonValue) -> None:
        self._change = change
        self._digests = digests

    def identity(self) -> JsonValue:
        return {"kind": "adapter", "files": self._digests}

    def prepare(self) -> None:
        pass

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        return self._change.get(name)


def _merged_adapter(folder: Path, opened: LanguageModel) -> Direction:
    kind = read_json(folder / "adapter_config.json").get("peft_type")
    try:
        with warnings.catch_warnings():
            # PEFT only warns when keys do not fit; for us a misfit is an error.
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            warnings.filterwarnings("error", message=".*unexpected.*keys.*")
            merged = PeftModel.from_pretrained(
                copy.deepcopy(opened.model), str(folder)
            ).merge_and_unload(safe_merge=True)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{folder}: the {kind} adapter does not fit {opened.source} ({reason}); it was made "
            "for another model"
        ) from error
    base = dict(opened.model.named_parameters())
    change = {}
    for name, parameter in merged.named_parameters():
        difference = parameter.detach().float().cpu() - base[name].detach().float().cpu()
        if difference.any():
            change[name] = difference
    if not change:
        raise ModelError(f"{folder}: the adapter changes no weight; it is untrained or not applied")
    digests = {file.name: digest_file(file) for file in sorted(folder.glob("adapter_*"))}
    return _AdapterDirection(change, dict(digests))


def _locate_tensors(folder: Path) -> dict[str, Path]:
    files = {}
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, framework="pt") as opened:
            files.update(dict.fromkeys(opened.keys(), path))
    return files
