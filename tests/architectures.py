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


def text_of_wrapper(kind: str) -> tuple[transformers.PreTrainedModel, str]:
    """A wrapper that AutoModelForCausalLM opens as its text model, and a part of its tower's names."""
    if kind == "llama4":
        vision = {
            "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "vision_output_dim": 32,
            "projector_input_dim": 32, "projector_output_dim": 32,
        }  # fmt: skip
        text = {**_SMALL, "head_dim": 8, "num_local_experts": 2, "intermediate_size_mlp": 48}
        whole = transformers.Llama4ForConditionalGeneration(
            transformers.Llama4Config(text_config=text, vision_config=vision)
        )
        return drawn(whole, 0), "vision_model"
    text = {
        **_SMALL, "head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
        "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"],
        "rope_parameters": {
            "rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0,
        },
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 32, "out_hidden_size": 32, "num_heads": 2,
        "intermediate_size": 32, "patch_size": 14, "num_position_embeddings": 16,
    }  # fmt: skip
    config = transformers.Qwen3_5Config(text_config=text, vision_config=vision)
    return drawn(transformers.Qwen3_5ForConditionalGeneration(config), 0), "visual"


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
