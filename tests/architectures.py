"""Tiny models of families whose files and weights have other names: experts, multimodal wrappers."""

import math

import torch
import transformers

from . import tiny

_SMALL = {key: value for key, value in tiny.SMALL.items() if key != "head_dim"}
_VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip

EXPERTS = {
    "qwen3_moe": {
        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8,
        "mlp_only_layers": [], "decoder_sparse_step": 1,
    },
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt_oss": {
        "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8, "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "deepseek_v3": {
        "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_group": 1,
        "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 8, "kv_lora_rank": 8,
        "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "num_key_value_heads": 4,
    },
}  # fmt: skip
"""Mixtures of experts, by model type: what their configs have beside the usual sizes."""


def experts(kind: str, seed: int = 0, **changes) -> transformers.PreTrainedModel:
    """A mixture of experts with random weights."""
    config = transformers.AutoConfig.for_model(kind, **{**_SMALL, **EXPERTS[kind], **changes})
    return drawn(transformers.AutoModelForCausalLM.from_config(config), seed)


def multimodal(kind: str, seed: int = 0) -> transformers.PreTrainedModel:
    """A text model with a vision tower."""
    if kind == "gemma3":
        config = transformers.Gemma3Config(
            text_config={**_SMALL, "head_dim": 8, "sliding_window": 16},
            vision_config=_VISION,
            mm_tokens_per_image=4,
            image_token_index=300,
            boi_token_index=301,
            eoi_token_index=302,
        )
        return drawn(transformers.Gemma3ForConditionalGeneration(config), seed)
    config = transformers.LlavaConfig(
        text_config=transformers.LlamaConfig(**_SMALL),
        vision_config=transformers.CLIPVisionConfig(**_VISION),
        image_token_index=300,
    )
    return drawn(transformers.LlavaForConditionalGeneration(config), seed)


def drawn(model: transformers.PreTrainedModel, seed: int) -> transformers.PreTrainedModel:
    """The model with every weight random, whatever its class starts with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def nudged(model: transformers.PreTrainedModel, only: str = "", size: float = 0.05):
    """The model, in place, with the weights moved whose names hold `only`."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if only in name:
                parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    return model


def loaded(folder, kind=transformers.AutoModelForCausalLM) -> dict[str, torch.Tensor]:
    """The weights that transformers reads from a folder, in float32."""
    model = kind.from_pretrained(folder, dtype=torch.float32)
    return {name: value.detach() for name, value in model.named_parameters()}


def true_change(base: dict[str, torch.Tensor], tuned: dict[str, torch.Tensor]) -> float:
    """The norm of the change over the norm of the weights."""
    assert base.keys() == tuned.keys()
    change = sum(float(((tuned[n] - base[n]).double() ** 2).sum()) for n in base)
    return math.sqrt(change / sum(float((base[n].double() ** 2).sum()) for n in base))
