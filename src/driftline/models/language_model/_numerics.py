"""Settings of scoring, and their form in documents and keys."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import transformers

from ...results import Numerics
from ._bfloat16_support import is_bfloat16_scored
from ._opening import LanguageModel
from ._rounded_products import is_rounded, rounded_products

_BATCH_TOKENS_CPU, _BATCH_TOKENS_GPU = 1024, 16384
"""On two cores 1,024 tokens were fastest; a GPU wants more, and halves them if memory runs out."""


@dataclass(frozen=True)
class ScoringOptions:
    """Settings of scoring. In bfloat16 a score also varies slightly with its batch."""

    bfloat16: bool = field(default_factory=is_bfloat16_scored)
    """Run the body's matrix products in bfloat16 (autocast); the head runs in float32. By default so, but not
    on a processor that emulates it."""
    batch_tokens: int | None = None
    """Upper bound for the tokens of one batch, padding included; None: what suits the device."""
    prefix_reuse: bool = True
    """Run a beginning that sequences share once, where the model's attention allows it."""


def batch_tokens(opened: LanguageModel, options: ScoringOptions) -> int:
    """Return the token limit of one batch: the requested one, or one that suits the device."""
    if options.batch_tokens is not None:
        return options.batch_tokens
    return _BATCH_TOKENS_CPU if opened.device.type == "cpu" else _BATCH_TOKENS_GPU


def numerics(opened: LanguageModel, options: ScoringOptions) -> Numerics:
    """Return the settings other than weights and items on which a score depends."""
    head = str(opened.model.get_output_embeddings().weight.dtype).removeprefix("torch.")
    body = "bfloat16" if options.bfloat16 else str(opened.model.dtype).removeprefix("torch.")
    through = " through float32" if is_rounded(opened.model, bfloat16=options.bfloat16) else ""
    return Numerics(
        compute_dtype=f"{body}{through}" if body == head else f"{body}{through} with {head} head",
        device=opened.device.type,
        num_threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        batch_tokens=batch_tokens(opened, options),
        prefix_reuse=options.prefix_reuse,
        transformers_version=transformers.__version__,
        config_digest=opened.config_digest,
    )


@contextlib.contextmanager
def scoring_mode(opened: LanguageModel, options: ScoringOptions) -> Iterator[None]:
    """Set evaluation mode, no gradients, and autocast; training flags are restored."""
    modes = [(module, module.training) for module in opened.model.modules()]
    opened.model.eval()
    autocast = torch.autocast(opened.device.type, dtype=torch.bfloat16, enabled=options.bfloat16)
    rounded = rounded_products(opened.model, bfloat16=options.bfloat16)
    try:
        # Autocast keeps the cast weights until its end, so each is cast once a call.
        with torch.no_grad(), autocast, rounded:
            yield
    finally:
        for module, was_training in modes:
            module.training = was_training
