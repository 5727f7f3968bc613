"""Opens a tuned model, a whole one or an adapter, as the direction that leads to it."""

import copy
import warnings
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from pydantic import JsonValue
from safetensors import safe_open
from torch import Tensor

from ..errors import ModelError
from ..provenance import digest_file
from ._checkpoint import check_model_folder, is_adapter_folder, read_folder, read_json
from ._directions import Change, Direction, LowRank, as_tensors
from ._low_rank import lora_change, open_lora
from ._opening import LanguageModel, load_weights, quiet_loading
from ._places import list_places, tied_names
from ._weights import weights_change


class DeltaDirection:
    """tuned - base, read from the tuned checkpoint one tensor at a time."""

    def __init__(self, folder: Path, opened: LanguageModel) -> None:
        """Look up where each weight lies, and that it fits the base.

        Args:
            folder: A checked model folder, with a tensor for every weight of the base.
            opened: The base model.

        Raises:
            ModelError: A weight has another shape.
        """
        self._folder = folder
        self._files = _locate_tensors(folder)
        for name, place in list_places(opened.model).items():
            with safe_open(self._files[name], framework="pt") as file:
                shape = tuple(file.get_slice(name).get_shape())
            if shape != place.shape:
                raise ModelError(
                    f"{folder}: {name} has shape {shape} and the base {place.shape}; "
                    "it was tuned from another model"
                )
        self._check_ties(opened.model)
        self._digests = {p.name: digest_file(p) for p in sorted(set(self._files.values()))}

    def _check_ties(self, base: torch.nn.Module) -> None:
        """A change of one tied weight cannot stand for two weights that tuning moved apart."""
        for alias, name in tied_names(base).items():
            if alias in self._files:
                with (
                    safe_open(self._files[alias], framework="pt") as left,
                    safe_open(self._files[name], framework="pt") as right,
                ):
                    if not torch.equal(left.get_tensor(alias), right.get_tensor(name)):
                        raise ModelError(
                            f"{self._folder}: {alias} and {name} differ, and the base ties them; "
                            "no change of the base's weights leads there"
                        )

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
        The direction. A whole model is read as it is needed, or at once if its files have other
        names for its weights; an adapter is merged once, into a copy of the base, by PEFT itself,
        so that every kind that PEFT can merge is right. Where the base is quantised or offloaded,
        nothing can be merged, and only plain LoRA can be read, from its factors.

    Raises:
        ModelError: No such folder, unreadable files, or a model or adapter of another base.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; give a tuned model's or an adapter's folder")
    if not is_adapter_folder(folder):
        check_model_folder(folder)
        if read_json(folder / "config.json").get("quantization_config"):
            raise ModelError(
                f"{folder}: a quantised tuned model is rounded anew, and that is no change of its "
                "base; give the unquantised one, or the adapter"
            )
        names = _locate_tensors(folder)
        if all(name in names for name in list_places(opened.model)):
            return DeltaDirection(folder, opened)
        return _loaded_model(folder, opened)
    read_folder(folder)
    return _merged_adapter(folder, opened)


def merge_adapter(adapted: PeftModel) -> torch.nn.Module:
    """Merge an adapter into its base, in place.

    Args:
        adapted: The base with its adapter.

    Returns:
        The plain model.

    Raises:
        ModelError: The adapter lies on one of two tied weights, so merging would move both.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*tied_target_modules.*")
        try:
            merged: torch.nn.Module = adapted.merge_and_unload()
        except UserWarning:
            raise ModelError(
                "the adapter lies on one of two tied weights and merging would move both; set "
                "ensure_weight_tying or leave the embedding and the head out of target_modules"
            ) from None
    return merged


class _HeldDirection:
    """A change that is held in memory."""

    def __init__(self, change: Change, identity: JsonValue) -> None:
        self._change = change
        self._identity = identity

    def identity(self) -> JsonValue:
        return self._identity

    def prepare(self) -> None:
        pass

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        change = self._change.get(name)
        return change.dense() if isinstance(change, LowRank) else change


def _loaded_model(folder: Path, opened: LanguageModel) -> Direction:
    """For families whose files have other names than the weights in memory, such as GPT-NeoX."""
    with quiet_loading():
        tuned = load_weights(str(folder), source=str(folder), options={"dtype": torch.float32})
    try:
        change = weights_change(opened.model, tuned)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}; it was tuned from another model") from None
    for name, difference in change.items():
        if not torch.isfinite(difference).all():
            raise ModelError(f"{folder}: tensor {name} holds NaN or infinity")
    digests = {file.name: digest_file(file) for file in read_folder(folder).weights}
    return _HeldDirection(change, {"kind": "delta", "files": dict(digests)})


def _merged_adapter(folder: Path, opened: LanguageModel) -> Direction:
    kind = read_json(folder / "adapter_config.json").get("peft_type")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # PEFT only warns when keys are missing; for us a misfit is an error.
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            if opened.can_be_merged_into:
                adapted = PeftModel.from_pretrained(copy.deepcopy(opened.model), str(folder))
            else:
                adapted = open_lora(folder, opened.model)
        _check_keys_fit(folder, adapted)
        change: Change
        if opened.can_be_merged_into:
            change = weights_change(opened.model, merge_adapter(adapted))
        else:
            change = lora_change(adapted, opened.model)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{folder}: the {kind} adapter does not fit {opened.source} ({reason}); it was made "
            "for another model, or cannot be merged"
        ) from error
    for name, tensor in as_tensors(change).items():
        if not torch.isfinite(tensor).all():
            weight = name.partition("|")[0]
            raise ModelError(f"{folder}: the adapter makes {weight} infinite or NaN; it is broken")
    if not change:
        raise ModelError(f"{folder}: the adapter changes no weight; it is untrained or not applied")
    digests = {file.name: digest_file(file) for file in read_folder(folder).files}
    return _HeldDirection(change, {"kind": "adapter", "files": dict(digests)})


def _check_keys_fit(folder: Path, adapted: PeftModel) -> None:
    """PEFT passes over tensors that it has no place for; for us a misfit is an error."""
    known = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    known.update(adapted.state_dict())
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        unknown = sorted(set(file.keys()) - known)
    if unknown:
        raise ModelError(f"the base has no place for {unknown[0]}")


def _locate_tensors(folder: Path) -> dict[str, Path]:
    return {name: tensor.path for name, tensor in read_folder(folder).tensors.items()}
