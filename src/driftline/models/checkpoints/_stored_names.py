"""Refuses stored tensors that training left in a form no loader can place, and says how to mend them."""

import re
from collections.abc import Iterable, Mapping

import transformers

from ...errors import ModelError
from ._stored import StoredTensor

_WRAPPERS = {
    "_orig_mod.": "torch.compile",
    "_fsdp_wrapped_module.": "FSDP",
    "_checkpoint_wrapped_module.": "activation checkpointing",
    "module.": "DistributedDataParallel",
}
"""Parts of names that wrappers leave, and the wrapper; the last one only at the start of a name."""
_ADAPTER_PREFIX = "base_model.model."
_OF_EMBEDDINGS = r"(\.base_layer|\.original_module|\.modules_to_save(\.\w+)?)?\.weight"


def check_gathered(tensors: Mapping[str, StoredTensor]) -> None:
    """Refuse tensors without elements, which DeepSpeed's ZeRO-3 leaves where it did not gather them.

    Args:
        tensors: The tensors of a model or an adapter.

    Raises:
        ModelError: A tensor is empty.
    """
    empty = [tensor for tensor in tensors.values() if not tensor.num_elements]
    if empty:
        raise ModelError(
            f"{empty[0].path}: tensor {empty[0].name} is empty (shape {list(empty[0].shape)}; "
            f"{len(empty)} such tensors in all): DeepSpeed ZeRO-3 sharded the weights and they were "
            "not gathered; run zero_to_fp32.py in the checkpoint folder, or save again with "
            "stage3_gather_16bit_weights_on_model_save: true"
        )


def check_wrappers(names: Iterable[str], source: object, *, is_adapter: bool = False) -> None:
    """Refuse names that carry the prefix of a training wrapper, which transformers does not strip.

    Args:
        names: Stored names that have no place in the model.
        source: Name of the model in the message.
        is_adapter: They are an adapter's, which all begin with PEFT's prefix.

    Raises:
        ModelError: A name has such a prefix.
    """
    for name in names:
        if name.startswith(_ADAPTER_PREFIX) and not is_adapter:
            raise ModelError(
                f"{source}: tensor {name} has {_ADAPTER_PREFIX} in its name, which PEFT puts there and "
                "transformers does not strip, so its place is not filled; save the plain model "
                "(model.merge_and_unload().save_pretrained(...)), or, if the adapter is merged, "
                f"{_rename(_ADAPTER_PREFIX)}"
            )
        for prefix, wrapper in _WRAPPERS.items():
            bare = name.removeprefix(_ADAPTER_PREFIX)
            if bare.startswith(prefix) or (prefix[0] == "_" and f".{prefix}" in name):
                raise ModelError(
                    f"{source}: tensor {name} has {prefix} in its name, which {wrapper} leaves and "
                    "transformers does not strip, so its place is not filled; save the unwrapped "
                    "model (accelerator.unwrap_model(model, keep_torch_compile=False)"
                    f".save_pretrained(...)), or {_rename(prefix)}"
                )


def _rename(prefix: str) -> str:
    return (
        f"rename the tensors: save_file({{name.replace('{prefix}', ''): tensor for name, tensor in "
        "load_file(FILE).items()}, FILE, metadata={'format': 'pt'})"
    )


def check_vocabulary(
    tensors: Mapping[str, StoredTensor], model: transformers.PreTrainedModel
) -> None:
    """Refuse an embedding or a head with another number of rows than the base's."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    shapes = {
        name: tuple(module.weight.shape)
        for name, module in model.named_modules()
        if any(module is end for end in ends) and hasattr(module, "weight")
    }
    for stored in tensors.values():
        bare = stored.name.removeprefix(_ADAPTER_PREFIX)
        for name, shape in shapes.items():
            if not re.fullmatch(re.escape(name) + _OF_EMBEDDINGS, bare):
                continue
            if len(stored.shape) == 2 and stored.shape[1:] == shape[1:] and stored.shape != shape:
                raise ModelError(
                    f"{stored.path}: {stored.name} has shape {stored.shape} and the base {shape}: "
                    "the vocabulary was resized, so resize the base too: "
                    f"base.resize_token_embeddings({stored.shape[0]}), save it, and give that as "
                    "the base"
                )
