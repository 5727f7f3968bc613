"""Greedy answers, and texts sampled as the model would write them."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from transformers import GenerationConfig

from ..language_model import LanguageModel, ScoringOptions, scoring_mode
from ._tokens import check_length

_SAMPLED_AT_ONCE = 64
"""Texts that are sampled in one batch."""


def generate_greedily(
    opened: LanguageModel,
    prompts: Sequence[tuple[int, ...]],
    options: ScoringOptions,
    *,
    max_new_tokens: int,
) -> list[str]:
    """Generate greedy continuations, decoded without special tokens.

    Args:
        opened: The model, at whatever point it stands.
        prompts: Prompts as tokens; each runs by itself, so padding cannot change an answer.
        options: Numerics.
        max_new_tokens: Largest number of generated tokens.

    Returns:
        One text a prompt.

    Raises:
        ModelError: A prompt and its answer may be longer than the model's context.
    """
    for prompt in prompts:
        check_length(opened, len(prompt) + max_new_tokens)
    tokenizer = opened.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    texts = []
    with scoring_mode(opened, options), _plain_generation(opened):
        for prompt in prompts:
            ids = torch.tensor([prompt], device=opened.device)
            answer = opened.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                pad_token_id=pad,
            )
            texts.append(tokenizer.decode(answer[0, ids.shape[1] :], skip_special_tokens=True))
    return texts


def sample_texts(
    opened: LanguageModel,
    prompts: Sequence[tuple[int, ...]],
    options: ScoringOptions,
    *,
    max_new_tokens: int,
    seed: int,
) -> list[str]:
    """Sample continuations from the model's own distribution: temperature 1, not truncated.

    Args:
        opened: The model, at whatever point it stands.
        prompts: Prompts as tokens; shorter ones of a batch are padded on the left.
        options: Numerics.
        max_new_tokens: Largest number of generated tokens.
        seed: Random seed of the sampling; the caller's random states are kept.

    Returns:
        One text a prompt, decoded without special tokens.

    Raises:
        ModelError: A prompt and its continuation may be longer than the model's context.
    """
    check_length(opened, max(map(len, prompts), default=0) + max_new_tokens)
    tokenizer, texts = opened.tokenizer, list[str]()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    devices = [opened.device] if opened.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        scoring_mode(opened, options),
        _plain_generation(opened),
    ):
        torch.manual_seed(seed)
        for first in range(0, len(prompts), _SAMPLED_AT_ONCE):
            batch = prompts[first : first + _SAMPLED_AT_ONCE]
            width = max(map(len, batch))
            rows = [[pad or 0] * (width - len(prompt)) + list(prompt) for prompt in batch]
            masks = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch]
            written = opened.model.generate(
                input_ids=torch.tensor(rows, device=opened.device),
                attention_mask=torch.tensor(masks, device=opened.device),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=max_new_tokens,
                pad_token_id=pad,
            )
            texts += tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
    return texts


@contextlib.contextmanager
def _plain_generation(opened: LanguageModel) -> Iterator[None]:
    """Ignore the checkpoint's own generation settings: penalties, beams and limits."""
    model, own = opened.model, opened.model.generation_config
    model.generation_config = GenerationConfig(eos_token_id=own.eos_token_id)
    try:
        yield
    finally:
        model.generation_config = own
