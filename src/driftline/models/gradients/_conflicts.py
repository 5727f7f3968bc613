"""Tokens of the data that contradict what the model is sure of."""

from collections.abc import Sequence

import torch

from ..language_model import LanguageModel, ScoringOptions, scoring_mode
from ..scoring import TokenSequence

UNLIKELY, CONFIDENT = 0.05, 0.5


def count_conflicts(
    opened: LanguageModel, sequences: Sequence[TokenSequence], options: ScoringOptions
) -> tuple[int, ...]:
    """Count each sequence's tokens with probability 0.05 or less while another has 0.5 or more.

    Such confident conflicts push a model hardest against what it knows (entropy-adaptive fine-tuning,
    Diao et al. 2026, arXiv 2601.02151, mutes tokens of low probability and low entropy).

    Cost: one forward pass over each sequence, with the head at every token.

    Args:
        opened: The model; it is left as it was.
        sequences: Tokens from `start` on are judged.
        options: Numerics.

    Returns:
        A count a sequence.
    """
    with scoring_mode(opened, options):
        return tuple(_count(opened, sequence) for sequence in sequences)


def _count(opened: LanguageModel, sequence: TokenSequence) -> int:
    tokens = torch.tensor([sequence.tokens], device=opened.device)
    # Not kept: a cache is of no use to a single pass.
    logits = opened.model(input_ids=tokens[:, :-1], use_cache=False).logits
    probabilities = logits[0, sequence.start - 1 :].float().softmax(dim=-1)
    requested = tokens[0, sequence.start :, None]
    own = probabilities.gather(1, requested)[:, 0]
    conflict = (own <= UNLIKELY) & (probabilities.amax(dim=-1) >= CONFIDENT)
    return int(conflict.sum())
