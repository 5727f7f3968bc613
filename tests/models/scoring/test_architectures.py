"""Architectures with something of their own, against their own dense logits."""

import random

import pytest
import torch
import transformers

from driftline.errors import ModelError
from driftline.models import (
    LanguageModel,
    NoiseDirection,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    TokenSequence,
    at_point,
)

EXACT = ScoringOptions(bfloat16=False)
SMALL = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
}
BY_TURNS = ["sliding_attention", "full_attention"] * 2
PER_LAYER = {
    "head_dim": 8,
    "vocab_size_per_layer_input": 320,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 2,
    "layer_types": BY_TURNS,
    "sliding_window": 16,
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 32,
    "factor": 16.0,
}
OWN = {
    # Its head is reached past the body that everybody else calls.
    "opt": lambda: transformers.OPTConfig(
        vocab_size=320, hidden_size=32, ffn_dim=64, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=512, word_embed_proj_dim=32,
    ),
    # Its windows are counted by places in a row, whatever mask is given.
    "gpt-neo": lambda: transformers.GPTNeoConfig(
        vocab_size=320, hidden_size=32, num_layers=4, num_heads=4, window_size=24,
        attention_types=[[["global", "local"], 2]], max_position_embeddings=512,
    ),
    # One long row turns the positions of all that share its batch.
    "phi3-longrope": lambda: transformers.Phi3Config(
        **SMALL, original_max_position_embeddings=32, rope_parameters=LONGROPE
    ),
    # Weights that are declared behind the layers and go into every one of them.
    "gemma4": lambda: transformers.Gemma4TextConfig(**SMALL, **PER_LAYER),
    "mixtral": lambda: transformers.MixtralConfig(
        **SMALL, num_local_experts=4, output_router_logits=True
    ),
    # Positions by distance alone.
    "bloom": lambda: transformers.BloomConfig(vocab_size=320, hidden_size=32, n_layer=4, n_head=4),
    "mpt": lambda: transformers.MptConfig(
        vocab_size=320, d_model=32, n_layers=4, n_heads=4, max_seq_len=512
    ),
}  # fmt: skip


def make(config) -> LanguageModel:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.15)
    return LanguageModel(model, None, "made", None, "sha256:made")


@pytest.fixture(params=OWN)
def own_model(request) -> LanguageModel:
    return make(OWN[request.param]())


def texts() -> list[TokenSequence]:
    """A trunk, wide rows whose places lie far from their positions, and lengths around 32."""
    numbers = random.Random(0)

    def draw(count):
        return tuple(numbers.randrange(256) for _ in range(count))

    preamble, context, long = draw(40), draw(30), draw(20)
    made = [TokenSequence((*preamble, *draw(9)), 40) for _ in range(30)]
    made += [TokenSequence((*context, *draw(9)), 30) for _ in range(10)]
    made += [TokenSequence((*long, *draw(30)), 20) for _ in range(3)]
    return made + [TokenSequence(draw(length), 1) for length in (2, 30, 33, 34, 90)]


@torch.no_grad()
def dense_log_likelihood(model, sequence: TokenSequence) -> float:
    """The last token stays out: where positions hang on the length, it would count."""
    rows = model(torch.tensor([sequence.tokens[:-1]])).logits[0].double().log_softmax(dim=-1)
    positions = range(sequence.start, len(sequence.tokens))
    return sum(float(rows[p - 1, sequence.tokens[p]]) for p in positions)


def test_scores_are_those_of_the_models_own_logits(own_model):
    sequences = texts()
    wanted = [dense_log_likelihood(own_model.model, sequence) for sequence in sequences]
    for options in (EXACT, ScoringOptions(bfloat16=False, prefix_reuse=False)):
        found = [score.log_likelihood for score in Scorer(own_model, options).score(sequences)]
        assert found == pytest.approx(wanted, abs=1e-4, rel=1e-5)


def test_a_weight_alone_is_heard_wherever_it_is_declared(own_model):
    scorer, sequences = Scorer(own_model, EXACT), texts()[-6:]
    at_base = scorer.score(sequences)
    names = [w.name for w in own_model.weights if w.layer is None and w.is_matrix]
    for name in names:
        point = Point(name, (Term(NoiseDirection(1), {name: 0.5}),))
        entry = scorer.entry_states(point, sequences)
        with at_point(own_model, point):
            begun, whole = scorer.score(sequences, entry=entry), scorer.score(sequences)
        assert begun == whole, name
        assert whole != at_base, name


def test_one_whose_scores_hang_on_what_follows_is_refused():
    bert = make(
        transformers.BertConfig(
            vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4,
        )
    )  # fmt: skip
    for options in (EXACT, ScoringOptions(prefix_reuse=False)):
        with pytest.raises(ModelError, match="made: the tokens that follow change a token's score"):
            Scorer(bert, options)


def test_a_head_that_is_given_other_states_is_refused(monkeypatch):
    opened = make(transformers.LlamaConfig(**SMALL))
    from driftline.models.scoring import _scorer

    run_head = _scorer.run_head
    monkeypatch.setattr(_scorer, "run_head", lambda o, k, h: run_head(o, k, h.flip(0)))
    with pytest.raises(ModelError, match="LlamaForCausalLM cannot be run as a body and"):
        Scorer(opened, EXACT)


def test_one_without_a_body_of_its_own_is_refused():
    llama4 = make(
        transformers.Llama4TextConfig(
            **SMALL, head_dim=8, intermediate_size_mlp=64, num_local_experts=2
        )
    )
    with pytest.raises(ModelError, match="made: Llama4ForCausalLM cannot be run as a body and"):
        Scorer(llama4, EXACT)


@pytest.mark.parametrize("change", [{"layer_types": ["chunked_attention"] * 4}, {"window_size": 8}])
def test_attention_that_looks_less_far_in_ways_of_its_own_is_not_shared(change):
    opened = make(transformers.LlamaConfig(**SMALL))
    point = Point("last", (Term(NoiseDirection(1), {"model.layers.3.mlp.up_proj.weight": 0.1}),))
    assert Scorer(opened, EXACT).first_layer(point) == 3
    for key, value in change.items():
        setattr(opened.model.config, key, value)
    assert Scorer(opened, EXACT).first_layer(point) == 0
