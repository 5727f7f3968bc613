"""Greedy answers, decoded."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from transformers import GenerationConfig

from ._numerics import ScoringOptions, scoring_mode
from ._opening import LanguageModel
from ._tokens import check_length


def generate_greedily(
    opened: LanguageModel,
    prompts: Sequence[tuple[int, ...]],
    options: ScoringOptions,
    *,
    max_new_tokens: int,
) -> list[str]:
    """The model's greedy continuations, decoded without special tokens.

    Args:
        opened: The model, at whatever point it stands.
        prompts: Prompts as tokens; each runs by itself, so padding cannot change an answer.
        options: Numerics.
        max_new_tokens: Where to stop at the latest.

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


@contextlib.contextmanager
def _plain_generation(opened: LanguageModel) -> Iterator[None]:
    """Greedy is greedy: a checkpoint's own penalties, beams and limits do not count here."""
    model, own = opened.model, opened.model.generation_config
    model.generation_config = GenerationConfig(eos_token_id=own.eos_token_id)
    try:
        yield
    finally:
        model.generation_config = own
