"""Change of the base by an adapter, as PEFT applies it: names, scalings, experts, ties."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import transformers
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.layer import Embedding, Linear, ParamWrapper
from peft.utils import ModulesToSaveWrapper
from torch import Tensor

from ...errors import ModelError
from ..checkpoints import HUB_ID, Checkpoint, check_wrappers
from ..language_model import quiet_loading
from ..points import ADAPTER_PREFIX, LowRank, misfit_mend, misfit_reason, plain_config
from ._assembled import HeldTensor
from ._parameters import ModelParameters
from ._sliced_factors import SlicedFactors
from ._weight_pairs import equal_values

_NAME = "default"


@dataclass(frozen=True)
class PlacedAdapter:
    """The changes of an adapter, by the name of the base's weight."""

    checkpoint: Checkpoint
    factors: Mapping[str, SlicedFactors]
    saved: Mapping[str, HeldTensor]
    """Weights that the adapter replaces (`modules_to_save`)."""


def place_adapter(
    checkpoint: Checkpoint, shape: transformers.PreTrainedModel, base: ModelParameters, source: str
) -> PlacedAdapter:
    """Load an adapter by PEFT on the shapes of its base, and read the change.

    So whatever PEFT converts on loading (experts that were trained one by one, names of an older
    version) is right, and what it would leave out or make up is refused.

    Cost: memory for the adapter alone.

    Args:
        checkpoint: The adapter's folder.
        shape: The base's model, without weights; it is left as it is.
        base: The base's weights.
        source: The base's name, for messages.

    Returns:
        The changes; factors that change nothing are left out.

    Raises:
        ModelError: The adapter is more than plain LoRA, lacks layers that its own config targets,
            does not fit the base, or changes one of two tied weights.
    """
    config = plain_config(checkpoint, allows_parameters=True)
    _refuse_tied(checkpoint, base, is_tied_adapter=bool(config.ensure_weight_tying), source=source)
    _check_copies(checkpoint, base)
    adapted = _open(checkpoint, shape, source)
    dtype = next(iter(checkpoint.tensors.values())).dtype
    factors: dict[str, SlicedFactors] = {}
    saved: dict[str, HeldTensor] = {}
    for full, module in adapted.base_model.model.named_modules():
        name = full.replace(".base_layer", "")
        if isinstance(module, LoraLayer):
            weight, change = _change(checkpoint, name, module, dtype)
            if weight not in base.ties and not change.is_zero():
                factors[weight] = change
        elif isinstance(module, ModulesToSaveWrapper) and f"{name}.weight" not in base.ties:
            for key, value in module.modules_to_save[_NAME].named_parameters():
                saved[f"{name}.{key}"] = HeldTensor(f"{name}.{key}", value.detach())
    changes: list[tuple[str, SlicedFactors | HeldTensor]] = [*factors.items(), *saved.items()]
    for weight, changed in changes:
        if weight not in base.present:
            raise ModelError(
                f"{checkpoint.source}: changes {weight}, and {source} has no such weight; it was "
                "made for another model"
            )
        if weight in factors and weight in saved:
            raise ModelError(f"{checkpoint.source}: {weight} is both saved whole and low-rank")
        if changed.shape != base.present[weight].value.shape:
            raise ModelError(
                f"{checkpoint.source}: {weight} has shape {changed.shape} and the base "
                f"{base.present[weight].value.shape}; it was tuned from another model, or its "
                "vocabulary was resized: resize the base's in the same way and save it first"
            )
    return PlacedAdapter(checkpoint, factors, saved)


def _open(checkpoint: Checkpoint, shape: transformers.PreTrainedModel, source: str) -> PeftModel:
    """Load an adapter on a model whose every weight is one number, seen as a whole matrix."""
    hollow = copy.deepcopy(shape)
    for module in list(hollow.modules()):
        for key, parameter in list(module.named_parameters(recurse=False)):
            number = torch.zeros(1).expand(parameter.shape)
            module.register_parameter(key, torch.nn.Parameter(number, requires_grad=False))
    try:
        with quiet_loading(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = plain_config(checkpoint, allows_parameters=True)
            config.inference_mode = True
            adapted = PeftModel(hollow, config, _NAME, low_cpu_mem_usage=True)
            key_mapping = getattr(hollow, "_checkpoint_conversion_mapping", None) or None
            result = adapted.load_adapter(
                str(checkpoint.folder),
                _NAME,
                low_cpu_mem_usage=True,
                torch_device="cpu",
                key_mapping=key_mapping,
            )
    except Exception as error:
        check_wrappers(checkpoint.tensors, checkpoint.source, is_adapter=True)
        raise ModelError(
            f"{checkpoint.source}: PEFT cannot put the adapter on {source} ({misfit_reason(error)}); "
            f"{misfit_mend(error)}"
        ) from error
    _refuse_misfits(checkpoint, result.missing_keys, result.unexpected_keys, source)
    return adapted


def _refuse_misfits(
    checkpoint: Checkpoint, missing: list[str], unexpected: list[str], source: str
) -> None:
    unexpected = [name for name in unexpected if ".base_layer." not in name]
    if unexpected:
        check_wrappers(checkpoint.tensors, checkpoint.source, is_adapter=True)
        name = unexpected[0].removeprefix(ADAPTER_PREFIX).replace(f".{_NAME}", "")
        raise ModelError(
            f"{checkpoint.source}: holds {name}, and {source} has no place for it; it was made for "
            "another model"
        )
    if missing:
        names = [name.removeprefix(ADAPTER_PREFIX).replace(f".{_NAME}", "") for name in missing]
        told = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise ModelError(
            f"{checkpoint.source}: missing adapter keys: its config targets layers whose factors its "
            f"file lacks ({told}; {len(names)} in all); save the adapter again, or correct "
            "target_modules and layers_to_transform in adapter_config.json"
        )


def _change(
    checkpoint: Checkpoint, name: str, module: LoraLayer, dtype: torch.dtype
) -> tuple[str, SlicedFactors]:
    """Return the weight that one PEFT layer changes, and its change."""
    scaling = module.scaling[_NAME]
    if isinstance(module, Embedding):
        up, down = module.lora_embedding_A[_NAME].T, module.lora_embedding_B[_NAME].T
        return f"{name}.weight", _sliced([(up, down)], scaling, dtype)
    if isinstance(module, ParamWrapper):
        weight = f"{name}.{module.parameter_name}"
        return weight, _sliced(list(_experts(module)), scaling, dtype, module.get_param().shape)
    if not isinstance(module, Linear):
        kind = type(module).__name__
        raise ModelError(
            f"{checkpoint.source}: {name} is a {kind} layer, whose change is no product of two "
            "matrices; merge the adapter with merge_and_unload(), save it and give that folder"
        )
    up, down = module.lora_B[_NAME].weight, module.lora_A[_NAME].weight
    # Layers such as GPT-2's keep their weight transposed.
    if module.fan_in_fan_out:
        up, down = down.T, up.T
    return f"{name}.weight", _sliced([(up, down)], scaling, dtype)


def _experts(module: ParamWrapper) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the factors of every expert, in PEFT's order: by expert in A, by rank in B."""
    down, up = module.lora_A[_NAME].weight, module.lora_B[_NAME].weight
    num, is_swapped = module.num_experts, module._did_swap_in_out_features
    down = down.reshape(num, -1, down.shape[-1])
    up = up.reshape(up.shape[0], -1, num)
    for expert in range(num):
        left, right = up[:, :, expert], down[expert]
        is_matrix = len(module.get_param().shape) == 2
        yield (left, right) if is_swapped or is_matrix else (right.T, left.T)


def _sliced(
    pairs: list[tuple[Tensor, Tensor]],
    scaling: float,
    dtype: torch.dtype,
    shape: tuple[int, ...] | None = None,
) -> SlicedFactors:
    parts = tuple(
        LowRank(left.detach().float().contiguous() * scaling, right.detach().float().contiguous())
        for left, right in pairs
    )
    own = (parts[0].left.shape[0], parts[0].right.shape[1])
    return SlicedFactors(parts, own if shape is None else tuple(shape), dtype)


def _check_copies(checkpoint: Checkpoint, base: ModelParameters) -> None:
    """Check an embedding that PEFT saved beside factors on it; it must be the base's."""
    for full, tensor in checkpoint.tensors.items():
        name = full.removeprefix(ADAPTER_PREFIX).replace(".base_layer.", ".")
        is_copy = ".base_layer." in full and ".lora_" not in full and name in base.present
        if is_copy and not equal_values(base.present[name].value, tensor):
            raise ModelError(
                f"{tensor.path}: {name} moved beneath its own factors; merge the adapter with "
                "merge_and_unload(), save it and give that folder"
            )


def _refuse_tied(
    checkpoint: Checkpoint, base: ModelParameters, *, is_tied_adapter: bool, source: str
) -> None:
    """Refuse a change of one of two tied weights, unless the adapter was trained to keep the tie."""
    if is_tied_adapter:
        return
    tied = {*base.ties, *base.ties.values()}
    modules = {name.removesuffix(".weight") for name in tied}
    for full in checkpoint.tensors:
        name = full.removeprefix(ADAPTER_PREFIX)
        hit = next((m for m in sorted(modules) if name.startswith(f"{m}.")), None)
        if hit is not None:
            raise ModelError(
                f"{checkpoint.source}: the adapter changes {hit}.weight, which {source} ties to "
                f"another weight, and with the adapter the two differ; {untied_base(source)}"
            )


def untied_base(source: str) -> str:
    """Explain how to save a base with its head untied, in lines of working Python."""
    given = _given(source)
    return (
        "save the base with its head untied, and give that folder as the base:\n"
        "    import torch\n"
        "    from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"    base = AutoModelForCausalLM.from_pretrained({given}, dtype='auto')\n"
        "    head = base.get_input_embeddings().weight.detach().clone()\n"
        "    base.get_output_embeddings().weight = torch.nn.Parameter(head)\n"
        "    base.config.tie_word_embeddings = False\n"
        "    base.config.get_text_config().tie_word_embeddings = False\n"
        "    base.save_pretrained('base-untied')\n"
        f"    AutoTokenizer.from_pretrained({given}).save_pretrained('base-untied')"
    )


def text_base(source: str) -> str:
    """Explain how to save the text model of a multimodal base, in lines of working Python."""
    given = _given(source)
    return (
        "save the base's text model, and give that folder as the base:\n"
        "    from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"    whole = AutoModelForCausalLM.from_pretrained({given}, dtype='auto')\n"
        "    config = whole.config.get_text_config()\n"
        "    text = AutoModelForCausalLM.from_config(config, dtype=whole.dtype)\n"
        "    text.base_model.load_state_dict(whole.get_decoder().state_dict())\n"
        "    head = whole.get_output_embeddings().state_dict()\n"
        "    text.get_output_embeddings().load_state_dict(head)\n"
        "    text.save_pretrained('base-text')\n"
        f"    AutoTokenizer.from_pretrained({given}).save_pretrained('base-text')"
    )


def _given(source: str) -> str:
    """Write a source as the arguments of `from_pretrained`."""
    name, _, revision = source.partition("@") if HUB_ID.fullmatch(source) else (source, "", "")
    return f"{name!r}, revision={revision!r}" if revision else repr(source)
