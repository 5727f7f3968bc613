"""Confident conflicts, counted against a plain pass over each token."""

import pytest
import torch

from driftline.models import ScoringOptions, TokenSequence, count_conflicts

OPTIONS = ScoringOptions(bfloat16=False)


@pytest.fixture
def sure(opened):
    """The tiny model, made sure of itself: a hundredfold head gives one token nearly all."""
    head = opened.model.get_output_embeddings().weight
    kept = head.detach().clone()
    with torch.no_grad():
        head.mul_(100.0)
    yield opened
    with torch.no_grad():
        head.copy_(kept)


def by_hand(opened, sequence):
    found = 0
    for place in range(sequence.start, len(sequence.tokens)):
        context = torch.tensor([sequence.tokens[:place]])
        with torch.no_grad():
            p = opened.model(context).logits[0, -1].float().softmax(-1)
        found += int(p[sequence.tokens[place]] <= 0.05 and p.max() >= 0.5)
    return found


def test_counts_are_those_of_a_plain_pass(sure):
    size = sure.model.config.vocab_size
    generator = torch.Generator().manual_seed(0)
    sequences = [
        TokenSequence(tuple(torch.randint(size, (n,), generator=generator).tolist()), start)
        for n, start in ((9, 1), (12, 5), (4, 3))
    ]
    found = count_conflicts(sure, sequences, OPTIONS)
    assert found == tuple(by_hand(sure, s) for s in sequences)
    assert sum(found) > 0


def test_what_the_model_would_say_itself_is_no_conflict(sure):
    tokens = [1, 2]
    for _ in range(6):
        with torch.no_grad():
            tokens.append(int(sure.model(torch.tensor([tokens])).logits[0, -1].argmax()))
    assert count_conflicts(sure, [TokenSequence(tuple(tokens), 2)], OPTIONS) == (0,)


def test_a_model_that_is_unsure_has_none(opened):
    sequence = TokenSequence((1, 5, 9, 3, 7), 1)
    assert count_conflicts(opened, [sequence], OPTIONS) == (0,)
