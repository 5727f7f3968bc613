"""What saves work must not change a score: shared beginnings, trunks, and starting at a layer."""

import logging
import random

import pytest
import torch

from driftline.errors import RunError
from driftline.models import (
    BASE,
    NoiseDirection,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    TokenSequence,
    at_point,
    num_tree_tokens,
    open_model,
)
from driftline.models.scoring import _scorer as scoring
from tests.models.scoring.test_scorer import body_passes, interventions

EXACT = ScoringOptions(bfloat16=False)
APART = ScoringOptions(bfloat16=False, prefix_reuse=False)


def questions(num: int = 40, seed: int = 0) -> list[TokenSequence]:
    """A preamble that becomes a trunk, contexts behind it with four endings each, and strays."""
    numbers = random.Random(seed)

    def draw(count):
        return tuple(numbers.randrange(256) for _ in range(count))

    preamble = draw(40)
    made = [TokenSequence(draw(9), 2), TokenSequence((*preamble, 7), 35)]
    for _ in range(num):
        context = (*preamble, *draw(6))
        made += [TokenSequence((*context, *draw(3)), len(context)) for _ in range(4)]
    return made


def values(scores) -> list[float]:
    return [score.log_likelihood for score in scores]


def layer_point(opened, layer: int | None, scale: float = 0.3) -> Point:
    weights = [w for w in opened.weights if w.role not in ("embedding", "position")]
    names = [weight.name for weight in weights if weight.layer == layer]
    return Point(f"layer {layer}", (Term(NoiseDirection(1), dict.fromkeys(names, scale)),))


def test_a_shared_beginning_does_not_change_a_score(family_model):
    sequences, went_in = questions(), []
    shared = Scorer(family_model, EXACT).score(sequences, on_tokens=went_in.append)
    apart = Scorer(family_model, APART).score(sequences)

    assert values(shared) == pytest.approx(values(apart), abs=1e-3)
    inputs = [sequence.tokens[:-1] for sequence in sequences]
    assert num_tree_tokens(inputs) <= sum(went_in) < 1.1 * num_tree_tokens(inputs)


def test_half_precision_weights_share_too(model_folder):
    opened = open_model(str(model_folder), dtype=torch.bfloat16)
    scorer = Scorer(opened, EXACT)
    with body_passes(opened) as passes:
        scorer.score(questions())
    assert any({"cache", "past_key_values"} & set(kwargs) for kwargs in passes)


@pytest.mark.parametrize("layer", [0, 1, None])
@pytest.mark.parametrize("options", [EXACT, ScoringOptions()])
def test_a_pass_that_starts_at_a_layer_gives_the_same_bits(family_model, layer, options):
    point, sequences = layer_point(family_model, layer), questions(8)
    scorer = Scorer(family_model, options)
    entry = scorer.entry_states(point, sequences)
    with at_point(family_model, point):
        begun = scorer.score(sequences, entry=entry)
        whole = scorer.score(sequences)
    assert values(begun) == values(whole)
    # Without a head of its own nothing but a norm stands behind the layers, and noise leaves it.
    assert layer is None or values(whole) != values(scorer.score(sequences))
    assert (entry is None) == (layer == 0)


def test_states_below_the_layer_are_not_computed_again(open_family):
    opened = open_family("llama")
    sequences, calls = questions(2), []
    scorer = Scorer(opened, EXACT)
    attention = scoring.layers_of(opened)[0].self_attn
    handle = attention.register_forward_hook(lambda *_args: calls.append(0))
    try:
        first = scorer.entry_states(layer_point(opened, 1), sequences)
        once = len(calls)
        again = scorer.entry_states(layer_point(opened, 1), sequences)
        with at_point(opened, layer_point(opened, 1)):
            scorer.score(sequences, entry=again)
        scorer.entry_states(layer_point(opened, None), sequences)
    finally:
        handle.remove()
    assert again is first
    assert once > 0
    assert len(calls) == once


def test_the_first_layer_that_moves(open_family):
    opened = open_family("llama")
    scorer = Scorer(opened, EXACT)
    every = Point("all", (Term(NoiseDirection(1), 0.1),))
    norm = Point("norm", (Term(NoiseDirection(1), {"model.norm.weight": 1.0}),))
    embedding = Point("emb", (Term(NoiseDirection(1), {"model.embed_tokens.weight": 1.0}),))
    found = [scorer.first_layer(p) for p in (every, embedding, layer_point(opened, 1), norm, BASE)]
    assert found == [0, 0, 1, 2, 0]


def test_states_of_other_sequences_do_not_count(base):
    point, scorer = layer_point(base, 1), Scorer(base, EXACT)
    stale = scorer.entry_states(point, questions(3, seed=1))
    with at_point(base, point):
        assert values(scorer.score(questions(3), entry=stale)) == values(scorer.score(questions(3)))


def test_an_architecture_that_cannot_be_cut_is_scored_sequence_by_sequence(base, monkeypatch):
    wanted = values(Scorer(base, APART).score(questions(3)))

    def wrong(*args, **kwargs):
        mask = scoring_mask(*args, **kwargs)
        return torch.ones_like(mask)

    from driftline.models.scoring import _forward

    scoring_mask = _forward._mask
    monkeypatch.setattr(_forward, "_mask", wrong)
    scorer = Scorer(base, EXACT)
    with body_passes(base) as passes:
        assert values(scorer.score(questions(3))) == pytest.approx(wanted, abs=1e-4)
    assert not any("attention_mask" in kwargs for kwargs in passes)
    assert scorer.first_layer(layer_point(base, 1)) == 0


def test_out_of_memory_halves_the_batches_and_says_so(base, monkeypatch, caplog):
    scorer, sequences = Scorer(base, EXACT), questions(40)
    wanted = values(scorer.score(sequences))
    run_body = scoring.run_body

    def small_memory(opened, rows, before, *, keep):
        if sum(len(row.tokens) for row in rows) > 200:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_body(opened, rows, before, keep=keep)

    monkeypatch.setattr(scoring, "run_body", small_memory)
    with caplog.at_level(logging.WARNING):
        assert values(scorer.score(sequences)) == pytest.approx(wanted, abs=1e-4)
        said = len(caplog.records)
        scorer.score(sequences)
    assert said >= 1
    assert len(caplog.records) == said


def test_memory_that_does_not_hold_one_row_is_an_error(base, monkeypatch):
    scorer = Scorer(base, EXACT)

    def no_memory(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(scoring, "run_body", no_memory)
    with pytest.raises(RunError, match="shorten the longest item"):
        scorer.score(questions(3))


def test_another_runtime_error_is_not_taken_for_memory(base, monkeypatch):
    scorer = Scorer(base, EXACT)

    def broken(*_args, **_kwargs):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(scoring, "run_body", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        scorer.score(questions(3))


def test_the_model_is_as_before_when_a_pass_raises(base, monkeypatch):
    before = interventions(base.model)
    scorer, point = Scorer(base, EXACT), layer_point(base, 1)
    entry = scorer.entry_states(point, questions(3))

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(base.model.base_model.norm), "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scorer.score(questions(3), entry=entry)
    with pytest.raises(KeyboardInterrupt):
        scorer.entry_states(layer_point(base, None), questions(3))
    assert interventions(base.model) == before


def test_out_of_memory_on_the_way_to_a_layer_lets_the_pass_run_whole(base, monkeypatch):
    scorer, point, sequences = Scorer(base, EXACT), layer_point(base, 1), questions(3)

    def no_memory(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "run_body", no_memory)
        assert scorer.entry_states(point, sequences) is None
    with at_point(base, point):
        assert values(scorer.score(sequences, entry=None)) == values(scorer.score(sequences))
