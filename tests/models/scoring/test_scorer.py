"""Scores against a dense float32 reference that computes every logit of every sequence alone."""

import contextlib
import math
import random

import pytest
import torch

from driftline.errors import ModelError, RunError
from driftline.models import (
    NoiseDirection,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    TokenSequence,
    at_point,
    generate_greedily,
    num_tree_tokens,
    numerics,
    open_model,
    rounded_products,
)
from driftline.models.language_model import _rounded_products

EXACT = ScoringOptions(bfloat16=False)


def some_sequences(num: int = 24, seed: int = 0) -> list[TokenSequence]:
    """Sequences of many lengths and starts, among them one that starts at 1 and a short one."""
    numbers = random.Random(seed)
    made = [TokenSequence((256, 5), 1), TokenSequence(tuple(range(30)), 1)]
    while len(made) < num:
        tokens = tuple(numbers.randrange(256) for _ in range(numbers.randint(3, 40)))
        made.append(TokenSequence(tokens, numbers.randint(1, len(tokens) - 1)))
    return made


@torch.no_grad()
def dense_log_likelihood(model, sequence: TokenSequence) -> float:
    logits = model(torch.tensor([sequence.tokens])).logits[0].double()
    rows = logits.log_softmax(dim=-1)
    positions = range(sequence.start, len(sequence.tokens))
    return sum(float(rows[p - 1, sequence.tokens[p]]) for p in positions)


def likelihoods(opened, sequences, options=EXACT) -> list[float]:
    return [score.log_likelihood for score in Scorer(opened, options).score(sequences)]


def interventions(model) -> list[object]:
    """Hooks, and methods that were put over the class's own on a single module."""
    return [
        (name, *module._forward_hooks, *module._forward_pre_hooks, vars(module).get("forward"))
        for name, module in model.named_modules()
    ]


@contextlib.contextmanager
def body_passes(opened):
    """What goes into each pass through the body while the block runs."""
    passes = []

    def note(_module, _args, kwargs):
        # Where the head runs, the whole model's own code asks for the body that it is given.
        if "inputs_embeds" not in kwargs:
            passes.append(kwargs)

    handle = opened.model.base_model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield passes
    finally:
        handle.remove()


def test_scores_match_the_dense_reference(family_model):
    sequences = some_sequences()
    scores = Scorer(family_model, EXACT).score(sequences)

    for sequence, score in zip(sequences, scores, strict=True):
        wanted = dense_log_likelihood(family_model.model, sequence)
        assert score.log_likelihood == pytest.approx(wanted, abs=1e-4, rel=1e-5)
        assert score.num_tokens == len(sequence.tokens) - sequence.start
    assert len({round(score.log_likelihood, 3) for score in scores}) == len(scores)


def test_batches_order_and_duplicates_do_not_change_a_score(family_model):
    sequences = some_sequences()
    wanted = likelihoods(family_model, sequences)

    for batch_tokens in (1, 37, 100_000):
        options = ScoringOptions(bfloat16=False, batch_tokens=batch_tokens)
        assert likelihoods(family_model, sequences, options) == pytest.approx(wanted, abs=1e-4)
    backwards = likelihoods(family_model, sequences[::-1])
    assert backwards[::-1] == pytest.approx(wanted, abs=1e-4)
    twice = likelihoods(family_model, [s for s in sequences for _ in range(2)])
    assert twice[::2] == twice[1::2]
    assert twice[::2] == pytest.approx(wanted, abs=1e-4)


def test_bfloat16_is_close_to_float32(family_model):
    sequences = some_sequences()
    exact = likelihoods(family_model, sequences)
    rounded = likelihoods(family_model, sequences, ScoringOptions())

    per_token = [
        abs(a - b) / (len(s.tokens) - s.start)
        for a, b, s in zip(exact, rounded, sequences, strict=True)
    ]
    assert max(per_token) < 0.3
    assert sum(per_token) / len(per_token) < 0.05
    assert rounded != exact


def test_a_model_held_in_bfloat16_still_gives_float32_log_probabilities(model_folder):
    opened = open_model(str(model_folder), dtype=torch.bfloat16)
    for sequence in some_sequences(6):
        (score,) = Scorer(opened, EXACT).score([sequence])
        with rounded_products(opened.model, bfloat16=False):
            wanted = dense_log_likelihood(opened.model, sequence)
        assert score.log_likelihood == pytest.approx(wanted, rel=1e-4)


@torch.no_grad()
def test_the_head_runs_in_float32_under_bfloat16(base):
    for sequence in some_sequences(6):
        (score,) = Scorer(base).score([sequence])
        autocast = torch.autocast(base.device.type, dtype=torch.bfloat16)
        with autocast, rounded_products(base.model, bfloat16=True):
            hidden = base.model.model(torch.tensor([sequence.tokens[:-1]])).last_hidden_state
        rows = base.model.lm_head(hidden[0].float()).double().log_softmax(dim=-1)
        positions = range(sequence.start, len(sequence.tokens))
        wanted = sum(float(rows[p - 1, sequence.tokens[p]]) for p in positions)
        assert score.log_likelihood == pytest.approx(wanted, rel=1e-5)


def test_one_context_with_other_last_tokens_goes_in_once(base):
    context = tuple(range(20))
    sequences = [TokenSequence((*context, last), 20) for last in (1, 2, 3, 4)]
    sequences += [TokenSequence((*context, 9), 5), sequences[0]]
    went_in = []
    scores = Scorer(base, EXACT).score(sequences, on_tokens=went_in.append)

    assert went_in == [20]
    for sequence, score in zip(sequences, scores, strict=True):
        wanted = dense_log_likelihood(base.model, sequence)
        assert score.log_likelihood == pytest.approx(wanted, abs=1e-4, rel=1e-5)
    assert sum(math.exp(s) for s in likelihoods(base, [
        TokenSequence((*context, last), 20) for last in range(320)
    ])) == pytest.approx(1.0, abs=1e-4)  # fmt: skip


def test_no_batch_is_larger_than_asked_and_every_token_counts(base):
    sequences = some_sequences()
    scorer, went_in = Scorer(base, ScoringOptions(bfloat16=False, batch_tokens=100)), []
    with body_passes(base) as passes:
        scorer.score(sequences, on_tokens=went_in.append)

    sizes = [tuple(kwargs["input_ids"].shape) for kwargs in passes]
    assert all(rows * width <= 100 for rows, width in sizes)
    assert len(went_in) == len(sizes) < len(sequences)
    assert sum(went_in) == num_tree_tokens([s.tokens[:-1] for s in sequences])


def test_the_head_sees_the_scored_positions_only(base):
    widths = []
    head, scorer = base.model.get_output_embeddings(), Scorer(base, EXACT)
    handle = head.register_forward_hook(lambda _m, _a, out: widths.append(out.shape[1]))
    try:
        scorer.score([TokenSequence(tuple(range(50)), 48)])
    finally:
        handle.remove()
    assert widths == [2]


def test_nothing_to_score_is_nothing(base):
    assert Scorer(base, EXACT).score([]) == []


@pytest.mark.parametrize("is_training", [True, False])
def test_hooks_and_mode_are_as_before(base, monkeypatch, is_training):
    before, gradients = interventions(base.model), torch.is_grad_enabled()
    base.model.train(is_training)
    try:
        Scorer(base, EXACT).score(some_sequences(3))
        assert interventions(base.model) == before
        assert base.model.training == is_training

        def fail(*_args, **_kwargs):
            raise ValueError("the model breaks")

        monkeypatch.setattr(base.model.model.layers[1], "forward", fail)
        with pytest.raises(ValueError, match="breaks"):
            Scorer(base, EXACT).score(some_sequences(3))
        with pytest.raises(ValueError, match="breaks"):
            generate_greedily(base, [(1, 2)], EXACT, max_new_tokens=2)
        monkeypatch.undo()
        assert interventions(base.model) == before
        assert base.model.training == is_training
        assert torch.is_grad_enabled() == gradients
        assert not torch.is_autocast_enabled("cpu")
    finally:
        base.model.eval()


def test_a_head_with_a_forward_of_its_own_keeps_it(base, monkeypatch):
    head = base.model.get_output_embeddings()
    wanted = likelihoods(base, some_sequences(3))
    plain, seen = head.forward, []

    def dispatched(hidden):
        seen.append(hidden.shape)
        return plain(hidden)

    monkeypatch.setattr(head, "forward", dispatched)
    assert likelihoods(base, some_sequences(3)) == wanted
    assert seen
    assert head.forward is dispatched


def test_modules_in_two_modes_stay_in_them(base):
    base.model.model.layers[1].train()
    before = [module.training for module in base.model.modules()]
    assert len(set(before)) == 2
    try:
        Scorer(base, EXACT).score(some_sequences(3))
        assert [module.training for module in base.model.modules()] == before
    finally:
        base.model.eval()


def test_dropout_is_off_while_scoring(open_family):
    opened = open_family("gpt2")
    wanted = likelihoods(opened, some_sequences(5))
    opened.model.train()
    try:
        assert likelihoods(opened, some_sequences(5)) == wanted
    finally:
        opened.model.eval()


def test_scores_follow_the_point(base):
    sequences = some_sequences(4)
    at_base = likelihoods(base, sequences)
    point = Point("p", (Term(NoiseDirection(4), 0.5),))
    for options in (EXACT, ScoringOptions()):
        with at_point(base, point):
            moved = likelihoods(base, sequences, options)
            wanted = [dense_log_likelihood(base.model, s) for s in sequences]
        assert moved == pytest.approx(wanted, rel=0.02 if options.bfloat16 else 1e-5)
        assert moved != pytest.approx(at_base, rel=0.02)
    assert likelihoods(base, sequences) == at_base


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_an_error(base, value):
    weight = base.model.model.norm.weight
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight[0] = value
        with pytest.raises(RunError, match="not finite"):
            Scorer(base, EXACT).score(some_sequences(3))
    finally:
        with torch.no_grad():
            weight.copy_(kept)


@pytest.mark.parametrize("is_native", [True, False])
def test_numerics_say_how(base, monkeypatch, is_native):
    monkeypatch.setattr(_rounded_products, "is_bfloat16_native", lambda: is_native)
    how = "bfloat16" if is_native else "bfloat16 through float32"
    assert numerics(base, ScoringOptions()).compute_dtype == f"{how} with float32 head"
    exact = numerics(base, EXACT)
    assert exact.compute_dtype == "float32"
    assert exact.device == base.device.type
    assert exact.torch_version == torch.__version__


def test_numerics_of_half_precision_weights_do_not_claim_float32(model_folder, monkeypatch):
    monkeypatch.setattr(_rounded_products, "is_bfloat16_native", lambda: True)
    half = open_model(str(model_folder), dtype=torch.bfloat16)
    for options in (EXACT, ScoringOptions()):
        assert numerics(half, options).compute_dtype == "bfloat16"


@torch.no_grad()
def step_by_step(opened, prompt: tuple[int, ...], num: int) -> str:
    tokens = list(prompt)
    for _ in range(num):
        chosen = int(opened.model(torch.tensor([tokens])).logits[0, -1].argmax())
        tokens.append(chosen)
        if chosen == opened.tokenizer.eos_token_id:
            break
    return opened.tokenizer.decode(tokens[len(prompt) :], skip_special_tokens=True)


PROMPTS = [(256, 1, 2, 3), (7,), tuple(range(60)), (99, 98)]


def test_greedy_answers_are_the_argmax_step_by_step(family_model):
    answers = generate_greedily(family_model, PROMPTS, EXACT, max_new_tokens=12)

    assert answers == [step_by_step(family_model, prompt, 12) for prompt in PROMPTS]
    assert len(set(answers)) > 1


def test_a_checkpoints_own_generation_settings_do_not_count(base, monkeypatch):
    wanted = generate_greedily(base, PROMPTS, EXACT, max_new_tokens=12)
    own = base.model.generation_config
    settings = {
        "do_sample": True, "temperature": 2.0, "top_k": 50, "top_p": 0.9, "num_beams": 4,
        "repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "suppress_tokens": list(range(128)),
        "max_length": 5, "max_time": 1e-9, "return_dict_in_generate": True,
        "stop_strings": ["a"], "forced_eos_token_id": 257,
    }  # fmt: skip
    for key, value in settings.items():
        monkeypatch.setattr(own, key, value)

    assert generate_greedily(base, PROMPTS, EXACT, max_new_tokens=12) == wanted
    assert base.model.generation_config is own


def test_an_answer_ends_at_the_end_token(base):
    prompt = (1, 2, 3)
    with torch.no_grad():
        first = int(base.model(torch.tensor([prompt])).logits[0, -1].argmax())
    own = base.model.generation_config.eos_token_id
    base.model.generation_config.eos_token_id = first
    try:
        answer = generate_greedily(base, [prompt], EXACT, max_new_tokens=9)
    finally:
        base.model.generation_config.eos_token_id = own
    assert answer == [base.tokenizer.decode([first])]


def test_an_answer_that_may_pass_the_context_is_refused(open_family):
    gpt2 = open_family("gpt2")
    generate_greedily(gpt2, [(1,) * 250], EXACT, max_new_tokens=6)

    with pytest.raises(ModelError, match="takes 257 tokens and the model's context is 256"):
        generate_greedily(gpt2, [(1,) * 250], EXACT, max_new_tokens=7)
