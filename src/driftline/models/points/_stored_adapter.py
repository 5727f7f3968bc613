"""The factors of a LoRA adapter as they lie on disk, without a model to put them on."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from peft import LoraConfig
from peft.utils.other import get_pattern_key

from ...errors import ModelError
from ..checkpoints import Checkpoint, StoredTensor
from ._adapter_config import ADAPTER_PREFIX, MERGE_ADVICE, mergeable_config
from ._directions import LowRank
from ._low_rank import unreadable_field

_PARTS = {
    ".lora_A.weight": (1, False),
    ".lora_B.weight": (0, False),
    ".lora_embedding_A": (1, True),
    ".lora_embedding_B": (0, True),
}
"""End of a factor's name: its place in (B, A), and whether an embedding's weight lies transposed."""
_TRANSPOSED = {"gpt2": ("c_attn", "c_proj", "c_fc", "q_attn"), "openai-gpt": ("c_attn", "c_proj")}
"""Families whose layers keep their weight transposed, and the names of those layers."""


@dataclass(frozen=True)
class StoredFactors:
    """scaling * B @ A, or its transpose, as the base's weight lies."""

    down: StoredTensor
    """A, rank x inputs."""
    up: StoredTensor
    """B, outputs x rank."""
    scaling: float
    is_transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the change."""
        plain = (self.up.shape[0], self.down.shape[1])
        return plain[::-1] if self.is_transposed else plain

    def low_rank(self) -> LowRank:
        """Return the change as two thin float32 matrices."""
        left, right = self.up.value() * self.scaling, self.down.value()
        if self.is_transposed:
            left, right = right.T, left.T
        return LowRank(left.contiguous(), right.contiguous())


@dataclass(frozen=True)
class StoredAdapter:
    """Change by an adapter, by the name of the module or of the weight in the base."""

    factors: Mapping[str, StoredFactors]
    """Name of a weight to the low-rank change of it."""
    saved: Mapping[str, StoredTensor]
    """Name of a weight to what stands in for it (`modules_to_save`)."""


def read_adapter(checkpoint: Checkpoint) -> StoredAdapter:
    """Read where the factors of a LoRA adapter lie.

    Args:
        checkpoint: An adapter's folder.

    Returns:
        Every change, with the scaling alpha / r (or alpha / sqrt(r), rsLoRA) of its own module.

    Raises:
        ModelError: The adapter is more than its factors and saved modules (DoRA, PiSSA, another
            kind), a factor lacks its partner, or a tensor cannot be placed.
    """
    config = plain_config(checkpoint)
    parts: dict[str, list[StoredTensor | None]] = {}
    embeddings, saved = set(), {}
    for full, tensor in checkpoint.tensors.items():
        name = full.removeprefix(ADAPTER_PREFIX)
        end = next((end for end in _PARTS if name.endswith(end)), None)
        if end is not None and len(tensor.shape) == 2:
            module = name.removesuffix(end)
            place, is_embedding = _PARTS[end]
            parts.setdefault(module, [None, None])[place] = tensor
            if is_embedding:
                embeddings.add(module)
        elif ".lora_" in name:
            raise ModelError(
                f"{tensor.path}: {full} is no factor of plain LoRA; merge the adapter into its "
                "base with merge_and_unload(), save it and give that folder"
            )
        else:
            saved[name] = tensor
    factors = {}
    for module, (up, down) in parts.items():
        if up is None or down is None or up.shape[1] != down.shape[0]:
            raise ModelError(
                f"{checkpoint.source}: the two factors of {module} are not a pair; save the "
                "adapter again"
            )
        scaling = _scaling(config, module, rank=down.shape[0])
        factors[f"{module}.weight"] = StoredFactors(down, up, scaling, module in embeddings)
    return StoredAdapter(factors, saved)


def as_the_base_lies(
    factors: StoredFactors, name: str, shape: tuple[int, ...], *, model_type: object
) -> StoredFactors:
    """Transpose the factors if the base stores its weight transposed.

    Args:
        factors: As they were read.
        name: The weight's name.
        shape: The shape of the base's weight.
        model_type: Family of the base by its config; decides where the shape is square.

    Returns:
        The factors, perhaps transposed; of another shape where they do not fit at all.
    """
    turned = dataclasses.replace(factors, is_transposed=True)
    if turned.shape == factors.shape:
        module = name.removesuffix(".weight").rpartition(".")[2]
        return turned if module in _TRANSPOSED.get(str(model_type), ()) else factors
    return turned if turned.shape == shape else factors


def plain_config(checkpoint: Checkpoint, *, allows_parameters: bool = False) -> LoraConfig:
    """Read the config of an adapter that is its factors and saved modules, and nothing more.

    Args:
        checkpoint: An adapter's folder.
        allows_parameters: Take factors on single parameters (fused experts) too.

    Returns:
        PEFT's config.

    Raises:
        ModelError: The adapter is of another kind, or more than plain LoRA; the field is named.
    """
    config = mergeable_config(checkpoint)
    # Not of a class below it, such as AdaLoRA's.
    if type(config) is not LoraConfig:
        kind = checkpoint.config.get("peft_type")
        raise ModelError(
            f"{checkpoint.source}: a {kind} adapter has no low-rank factors; {MERGE_ADVICE}"
        )
    plain = dataclasses.replace(config, target_parameters=None) if allows_parameters else config
    field = unreadable_field(plain)
    if field is not None:
        raise ModelError(
            f"{checkpoint.source}: {field} makes the adapter more than plain LoRA; {MERGE_ADVICE}"
        )
    return config


def _scaling(config: LoraConfig, module: str, *, rank: int) -> float:
    key = get_pattern_key(config.alpha_pattern.keys(), module)
    alpha = config.alpha_pattern.get(key, config.lora_alpha)
    return float(alpha / (math.sqrt(rank) if config.use_rslora else rank))
