"""A model without its weights: the real tokenizer and sizes, for counting tokens before a run."""

from dataclasses import dataclass

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from ...errors import ModelError, first_reason
from ..checkpoints import locate_base
from ._opening import LanguageModel, load_tokenizer, quiet_loading
from ._weights import weights_digest


@dataclass(frozen=True)
class HollowModel:
    """The tokenizer and the sizes of a model whose weights were not loaded."""

    opened: LanguageModel
    """Counts tokens as the real model does; its weights are those of a tiny stand-in."""
    num_parameters: int
    hidden_size: int
    packing: str | None = None
    """`4-bit` or `8-bit`, where the checkpoint itself is quantised."""


def open_hollow(source: str, *, trust_remote_code: bool = False) -> HollowModel:
    """Read config and tokenizer of a model, and none of its weights.

    Args:
        source: As `open_model` takes it.
        trust_remote_code: Let a checkpoint's own Python code run.

    Returns:
        Facts that need no weights.

    Raises:
        ModelError: There is no such model, or its config or tokenizer cannot be read.
    """
    result = locate_base(source, runs_code=trust_remote_code)
    location = str(result.folder)
    options: dict[str, object] = {"trust_remote_code": trust_remote_code}
    if result.gguf_file is not None:
        options["gguf_file"] = result.gguf_file
    with quiet_loading():
        tokenizer = load_tokenizer(location, source=source, options=options)
        try:
            config = AutoConfig.from_pretrained(location, **options)
            with torch.device("meta"):
                shape = AutoModelForCausalLM.from_config(
                    config, trust_remote_code=trust_remote_code
                )
        except Exception as error:  # each family has exceptions of its own
            raise ModelError(
                f"{source}: its config cannot be read ({first_reason(error)}); check the name and config.json"
            ) from error
        stand_in = _stand_in(config, tokenizer)
    opened = LanguageModel(
        stand_in, tokenizer, source, result.revision, weights_digest(stand_in), trust_remote_code
    )
    hidden = getattr(config.get_text_config(), "hidden_size", 0) or 1
    size = sum(p.numel() for p in shape.parameters())
    return HollowModel(opened, size, int(hidden), _packing(config))


def _packing(config: transformers.PreTrainedConfig) -> str | None:
    quantised = getattr(config, "quantization_config", None)
    if not isinstance(quantised, dict):
        return None
    return "4-bit" if quantised.get("load_in_4bit") else "8-bit"


def _stand_in(
    config: transformers.PreTrainedConfig, tokenizer: transformers.PreTrainedTokenizerBase
) -> LlamaForCausalLM:
    """Make a tiny model with the vocabulary and the context of the real one."""
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None) or 2048
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=max(int(getattr(text, "vocab_size", 0)), len(tokenizer)),
                hidden_size=4,
                intermediate_size=4,
                num_hidden_layers=1,
                num_attention_heads=1,
                num_key_value_heads=1,
                max_position_embeddings=int(positions),
                bos_token_id=text.bos_token_id,
                eos_token_id=text.eos_token_id,
                pad_token_id=text.pad_token_id,
            )
        )
    model.name_or_path = config.name_or_path
    return model.eval()
