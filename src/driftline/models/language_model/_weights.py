"""Stable names, layer numbers and roles for every weight of a causal language model.

A weight's name is the one that `named_parameters()` gives, so it is the name in the checkpoint and
in everybody's tools. Tied weights appear once, under the embedding's name. Names and shapes are the
same wherever a weight lies, and whether or not it is quantised.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import transformers
from torch import Tensor

from ...errors import ModelError
from ...provenance import digest_bytes
from ._places import Place, list_places, tied_names

Role = Literal[
    "embedding", "position", "q", "k", "v", "qkv", "o", "gate", "up", "gate_up", "down", "norm",
    "experts", "router", "head", "other",
]  # fmt: skip

_LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")

# First match wins. Left: the last names of modules in the Llama, Qwen, Gemma, Phi, GPT-2, GPT-J,
# BLOOM and GPT-NeoX families, and of mixtures of experts; the attention's own `c_proj` and `dense`
# must be told from the MLP's.
_ROLE_PATTERNS: tuple[tuple[str, Role], ...] = (
    (r"norm|\bln_\w+", "norm"),
    (r"\.(embed_tokens|wte|embed_in|word_embeddings)\.", "embedding"),
    (r"\.(wpe|embed_positions)\.", "position"),
    (r"(^|\.)(lm_head|embed_out)\.", "head"),
    (r"\.experts\.[a-z]\w*$|block_sparse_moe\.(in|out)put_linear\.", "experts"),
    (r"\.(router|gate|shared_expert_gate)\.", "router"),
    (r"\.(c_attn|query_key_value|qkv_proj)\.", "qkv"),
    (r"\.q_proj\.", "q"),
    (r"\.k_proj\.", "k"),
    (r"\.v_proj\.", "v"),
    (r"\.(o_proj|attn\.c_proj|(self_)?attention\.dense|self_attn\.dense|out_proj)\.", "o"),
    (r"\.gate_up_proj\.", "gate_up"),
    (r"\.gate_proj\.", "gate"),
    (r"\.(up_proj|c_fc|dense_h_to_4h|fc1|fc_in)\.", "up"),
    (r"\.(down_proj|mlp\.c_proj|dense_4h_to_h|fc2|fc_out)\.", "down"),
)


@dataclass(frozen=True)
class Weight:
    """Name and shape of one weight tensor, and its place in the model."""

    name: str
    layer: int | None
    """0 is the layer next to the embedding; None outside the layers."""
    role: Role
    num_elements: int
    is_matrix: bool
    """Two or more dimensions, so that a relative norm per matrix means something."""


def weight_role(name: str) -> Role:
    """Return the role of a weight, by its name.

    >>> weight_role("model.layers.3.self_attn.o_proj.weight")
    'o'
    >>> weight_role("transformer.h.0.mlp.c_proj.bias")
    'down'
    >>> weight_role("model.layers.0.mlp.experts.gate_up_proj")
    'experts'

    Args:
        name: A name as `named_parameters()` gives it.

    Returns:
        The role; `other` where no family that we know uses such a name.
    """
    for pattern, role in _ROLE_PATTERNS:
        if re.search(pattern, name):
            return role
    return "other"


def weight_layer(name: str) -> int | None:
    """Return the number of the layer that holds a weight, by its name.

    >>> weight_layer("model.layers.3.self_attn.o_proj.weight")
    3

    Args:
        name: A name as `named_parameters()` gives it.

    Returns:
        0 is the layer next to the embedding; None outside the layers.
    """
    result = _LAYER.search(name)
    return int(result.group(1)) if result else None


def list_weights(model: torch.nn.Module) -> tuple[Weight, ...]:
    """List every weight of a model in the model's own order, tied weights once.

    Args:
        model: A causal language model.

    Returns:
        One entry a weight.
    """
    weights = []
    for name, place in list_places(model).items():
        weights.append(
            Weight(
                name=name,
                layer=weight_layer(name),
                role=weight_role(name),
                num_elements=math.prod(place.shape),
                is_matrix=len(place.shape) >= 2,
            )
        )
    return tuple(weights)


class TiedWeightsError(ModelError):
    """Tuning moved two weights apart that the base ties."""

    def __init__(
        self,
        reason: str,
        mend: str = "set ensure_weight_tying, or leave embedding and head out of the adapter",
    ) -> None:
        """Join the reason and the mend.

        Args:
            reason: The weights that are tied.
            mend: The way out; by default the one while an adapter is yet to be trained.
        """
        super().__init__(f"{reason}; {mend}")
        self.reason = reason


def module_names(model: torch.nn.Module) -> dict[str, str]:
    """Return the module of each weight, as the fragility map and the levers name modules.

    A `weight` and its `bias` belong to the module that holds them. Any other parameter stands for
    itself under its own full name, because the module that holds it may hold other modules too (the
    sinks of an attention) or several large parameters (fused experts). A parameter `x_bias` goes with
    its `x`.

    Args:
        model: A causal language model.

    Returns:
        Weight name to module name, in the model's own order.
    """
    names = list_places(model)
    result = {}
    for name in names:
        module, _, own = name.rpartition(".")
        stem = name.removesuffix("_bias")
        if own in ("weight", "bias"):
            result[name] = module
        else:
            result[name] = stem if stem in names else name
    return result


def weights_change(base: torch.nn.Module, tuned: torch.nn.Module) -> dict[str, Tensor]:
    """Compute the change (tuned - base) of every weight that differs, as float32 on the CPU.

    A head that only the tuned model ties changes to the tuned embedding.

    Args:
        tuned: A model of the same architecture.

    Raises:
        TiedWeightsError: The base ties two weights that differ after tuning.
        ModelError: One has a weight that the other has not, or one of another shape.
    """
    places, tuned_places = list_places(base), list_places(tuned)
    _check_names(base, tuned, places, tuned_places)
    tuned_ties = tied_names(tuned)
    change = {}
    for name, place in places.items():
        before = place.value().float().cpu()
        after = tuned_places[tuned_ties.get(name, name)].value().float().cpu()
        if after.shape != before.shape:
            raise ModelError(
                f"{name}: has shape {tuple(after.shape)} after tuning and {tuple(before.shape)} "
                f"before{resizing_advice(base, name, tuple(after.shape))}"
            )
        difference = after - before
        if difference.any():
            change[name] = difference
    return change


def _check_names(
    base: torch.nn.Module,
    tuned: torch.nn.Module,
    places: Mapping[str, Place],
    tuned_places: Mapping[str, Place],
) -> None:
    """Check that each weight of one model is a weight of the other, under its own name or tied."""
    tuned_ties, base_ties = tied_names(tuned), tied_names(base)
    for name in places:
        if tuned_ties.get(name, name) not in tuned_places:
            raise ModelError(f"{name}: is missing after tuning")
    for name, place in tuned_places.items():
        if name in places:
            continue
        if name not in base_ties:
            # A weight that the tuned model ties may have its name from the other end.
            if any(alias in places for alias, held in tuned_ties.items() if held == name):
                continue
            raise ModelError(
                f"{name}: the base has no such weight, so no change of the base's weights can stand "
                "for it"
            )
        other = tuned_places[tuned_ties.get(base_ties[name], base_ties[name])].value()
        if not torch.equal(place.value(), other):
            raise TiedWeightsError(
                f"{name} and {base_ties[name]} differ after tuning, and the base ties them"
            )


def resizing_advice(model: torch.nn.Module, name: str, shape: tuple[int, ...]) -> str:
    """Suggest a fix for a tuned weight of another shape, if the vocabulary was resized.

    Args:
        model: The base.
        name: The weight's name.

    Returns:
        The end of a message, from the semicolon; empty where another vocabulary is not the reason.
    """
    if not isinstance(model, transformers.PreTrainedModel) or not shape:
        return ""
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    held = [w for w in (getattr(end, "weight", None) for end in ends) if w is not None]
    own = next((p for n, p in model.named_parameters() if n == name), None)
    if own is None or not any(own is weight for weight in held) or own.shape[1:] != shape[1:]:
        return ""
    return (
        f"; the vocabulary was resized, so resize the base too: "
        f"base.resize_token_embeddings({shape[0]}), save it, and give that as the base"
    )


def weights_digest(model: torch.nn.Module) -> str:
    """Compute the digest of all weights: name, dtype, shape and bytes of each, sorted by name.

    Of a quantised weight, the packed bytes and what is needed to read them count. Where a weight
    lies does not.

    Args:
        model: Any module; its parameters are read, not changed.

    Returns:
        `sha256:<hex>`. Cost: one pass over the weights at the speed of SHA-256.
    """
    hasher = hashlib.sha256()
    for name, place in sorted(list_places(model).items()):
        for part, stored in place.stored():
            tensor = stored.to("cpu").contiguous()
            hasher.update(f"{name}{part}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
            hasher.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return f"sha256:{hasher.hexdigest()}"


def config_digest(model: transformers.PreTrainedModel) -> str:
    """Compute the digest of a model's computation without weights: rotary angles, windows, ends.

    Args:
        model: A model; its config is read as it stands in memory.

    Returns:
        `sha256:<hex>` over all that the config says but names, dtype and the version that wrote
        it, the kind of attention, and the tokens that end an answer.
    """
    said = json.loads(model.config.to_json_string(use_diff=False))
    for key in ("_name_or_path", "transformers_version", "dtype", "architectures"):
        said.pop(key, None)
    ends = model.generation_config.eos_token_id if model.generation_config else None
    text = json.dumps([said, model.config._attn_implementation, ends], sort_keys=True)
    return digest_bytes(text.encode())
