"""The change that an adapter makes, as PEFT opens and merges it."""

import copy
import warnings

import torch
from peft import PeftModel

from ...errors import ModelError
from ..checkpoints import Checkpoint, check_wrappers
from ..language_model import LanguageModel, TiedWeightsError, tied_names, weights_change
from ..points import (
    ADAPTER_PREFIX,
    Change,
    as_tensors,
    lora_change,
    mergeable_config,
    misfit_mend,
    misfit_reason,
    open_lora,
)

_NAME = "default"
"""The name that PEFT gives an adapter unless told otherwise."""


def adapter_change(
    checkpoint: Checkpoint, opened: LanguageModel, target: LanguageModel | None = None
) -> Change:
    """Compute the change that an adapter makes of its base.

    PEFT converts and places the tensors: experts that were trained one by one, names of earlier
    versions, saved modules. A tensor that PEFT passes over, or a layer without one, is an error.

    Args:
        opened: Its base, as PEFT is to see it; it is not touched.
        target: The base whose weights are to change, where it is the same with its head on its own.

    Returns:
        Weight name to change, float32 on the CPU.

    Raises:
        TiedWeightsError: The adapter lies on one of two weights that the base ties.
        ModelError: It was made for another model, cannot be merged, or changes nothing.
    """
    folder, kind = checkpoint.folder, checkpoint.config.get("peft_type")
    mergeable_config(checkpoint)
    change: Change
    try:
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            # PEFT only warns when keys are missing; for us a misfit is an error.
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            if opened.can_be_merged_into:
                change = _merged_change(checkpoint, opened, target or opened)
            else:
                adapted = open_lora(folder, opened.model)
                _check_all_placed(adapted, checkpoint, is_shape=True)
                change = lora_change(adapted, opened.model)
    except TiedWeightsError:
        raise
    except Exception as error:
        check_wrappers(checkpoint.tensors, checkpoint.source, is_adapter=True)
        raise ModelError(
            f"{folder}: the {kind} adapter does not fit {opened.source} ({misfit_reason(error)}); "
            f"{misfit_mend(error)}"
        ) from error
    for name, tensor in as_tensors(change).items():
        if not torch.isfinite(tensor).all():
            weight = name.partition("|")[0]
            raise ModelError(f"{folder}: the adapter makes {weight} infinite or NaN; it is broken")
    if not change:
        raise ModelError(f"{folder}: the adapter changes no weight; it is untrained or not applied")
    return change


def merge_adapter(adapted: PeftModel) -> torch.nn.Module:
    """Merge an adapter into its base, in place.

    Returns:
        The plain model.

    Raises:
        TiedWeightsError: The adapter lies on one of two tied weights, so merging would move both.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*tied_target_modules.*")
        try:
            merged: torch.nn.Module = adapted.merge_and_unload()
        except UserWarning:
            raise TiedWeightsError(
                "the adapter lies on one of two tied weights, and merging would move both"
            ) from None
    return merged


def _merged_change(checkpoint: Checkpoint, opened: LanguageModel, target: LanguageModel) -> Change:
    """Merge the adapter into a copy of its base, where each of two tied weights is merged by itself."""
    adapted = PeftModel.from_pretrained(copy.deepcopy(opened.model), str(checkpoint.folder))
    _check_all_placed(adapted, checkpoint)
    ties = tied_names(opened.model)
    for name in tied_names(adapted):
        bare = name.removeprefix(ADAPTER_PREFIX)
        for wrapper in ("base_layer.", "original_module."):
            bare = bare.replace(wrapper, "")
        if bare in ties:
            module, _, key = name.rpartition(".")
            own = torch.nn.Parameter(adapted.get_parameter(name).detach().clone(), False)
            setattr(adapted.get_submodule(module), key, own)
    return weights_change(target.model, adapted.merge_and_unload())


def _check_all_placed(
    adapted: PeftModel, checkpoint: Checkpoint, *, is_shape: bool = False
) -> None:
    """Refuse tensors that PEFT passes over; it says so only when asked to load them again."""
    options = {"low_cpu_mem_usage": True, "torch_device": "cpu"} if is_shape else {}
    report = adapted.load_adapter(str(checkpoint.folder), _NAME, **options)
    unknown = sorted(name.replace(f".{_NAME}.", ".") for name in report.unexpected_keys)
    if checkpoint.config.get("ensure_weight_tying"):
        # PEFT saves such an adapter under each of the tied names, and loads it under one.
        ties = getattr(adapted.get_base_model(), "all_tied_weights_keys", {})
        tied = tuple(f"{ADAPTER_PREFIX}{name.removesuffix('weight')}" for name in ties)
        unknown = [name for name in unknown if not name.startswith(tied or ("\0",))]
    if unknown:
        first = next((name for name in unknown if name in checkpoint.tensors), unknown[0])
        raise ModelError(f"the base has no place for {first}")
