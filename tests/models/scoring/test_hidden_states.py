"""Hidden states and outputs against transformers' own, and the model as it was afterwards."""

from types import SimpleNamespace

import numpy
import pytest
import torch

from driftline.errors import ModelError
from driftline.models import (
    NoiseDirection,
    PackedRows,
    Point,
    ScoringOptions,
    Term,
    at_point,
    encode_packed,
    num_layers,
    observe,
)
from driftline.models.scoring import _hidden_states as module

EXACT = ScoringOptions(bfloat16=False)
PACKED = PackedRows(tuple(tuple(range(at, at + 9)) for at in (0, 40, 80)), 1)


def observed(opened, packed=PACKED, *, layers=(None, 0, 1), options=EXACT):
    states = []
    log_probs = observe(opened, packed, options, layers=layers, on_states=states.append)
    return states, log_probs


@torch.no_grad()
def directly(opened, packed=PACKED):
    """What transformers gives for all rows; its last hidden state is already normed."""
    out = opened.model(torch.tensor(packed.rows), output_hidden_states=True)
    cut = [h[:, packed.num_leading :].flatten(0, 1).numpy() for h in out.hidden_states]
    logits = out.logits[:, packed.num_leading :].flatten(0, 1).double()
    return cut, logits.log_softmax(-1).numpy()


def hooks(model):
    return [
        (name, *module._forward_hooks, *module._forward_pre_hooks, vars(module).get("forward"))
        for name, module in model.named_modules()
    ]


def test_states_and_outputs_are_transformers_own(family_model):
    states, log_probs = observed(family_model)
    wanted, wanted_log_probs = directly(family_model)
    # Transformers norms the last one, which a layer's own output is not.
    for found, reference in zip(states[:-1], wanted, strict=False):
        assert found == pytest.approx(reference, abs=1e-4)
    assert states[-1].shape == wanted[-1].shape == (24, 32)
    assert log_probs == pytest.approx(wanted_log_probs, abs=1e-4)
    assert numpy.exp(log_probs).sum(axis=1) == pytest.approx(numpy.ones(24), abs=1e-5)


@torch.no_grad()
def test_the_last_layers_state_is_what_the_final_norm_gets(base):
    states, _ = observed(base)
    out = base.model(torch.tensor(PACKED.rows), output_hidden_states=True)
    normed = base.model.model.norm(torch.from_numpy(states[-1]))
    assert normed.numpy() == pytest.approx(
        out.hidden_states[-1][:, 1:].flatten(0, 1).numpy(), abs=1e-5
    )


def test_only_what_is_asked_for_is_handed_out_in_the_models_order(base):
    every, _ = observed(base)
    some, _ = observed(base, layers=(1, None))
    assert len(some) == 2
    assert (some[0] == every[0]).all()
    assert (some[1] == every[2]).all()
    assert observed(base, layers=())[0] == []


def test_leading_tokens_are_left_out(base):
    whole, log_probs = observed(base, PACKED._replace(num_leading=0))
    cut, cut_log_probs = observed(base, PACKED._replace(num_leading=4))
    assert whole[1].shape == (27, 32)
    assert (whole[1].reshape(3, 9, 32)[:, 4:].reshape(15, 32) == cut[1]).all()
    assert log_probs.reshape(3, 9, -1)[:, 4:].reshape(15, -1) == pytest.approx(
        cut_log_probs, abs=1e-5
    )


def test_a_large_vocabulary_gives_evenly_spaced_positions(base, monkeypatch):
    _, every = observed(base)
    monkeypatch.setattr(module, "_LOG_PROBS_AT_MOST", 320 * 5)
    _, some = observed(base)
    places = numpy.linspace(0, 23, 5).round().astype(int)
    assert some == pytest.approx(every[places], abs=1e-5)
    monkeypatch.setattr(module, "_LOG_PROBS_AT_MOST", 1)
    assert observed(base)[1].shape == (1, 320)


def test_they_follow_the_point_and_come_back(base):
    before, log_probs = observed(base)
    with at_point(base, Point("p", (Term(NoiseDirection(4), 0.5),))):
        moved, moved_log_probs = observed(base)
        wanted, _ = directly(base)
    assert moved[1] == pytest.approx(wanted[1], abs=1e-4)
    assert moved[1] != pytest.approx(before[1], abs=0.01)
    assert moved_log_probs != pytest.approx(log_probs, abs=0.01)
    again, log_probs_again = observed(base)
    assert all((a == b).all() for a, b in zip(before, again, strict=True))
    assert (log_probs == log_probs_again).all()


def test_bfloat16_is_close(base):
    exact, log_probs = observed(base)
    rounded, rounded_log_probs = observed(base, options=ScoringOptions())
    assert rounded[2].dtype == numpy.float32
    assert rounded[2] == pytest.approx(exact[2], rel=0.1, abs=0.3)
    assert numpy.abs(rounded_log_probs - log_probs).mean() < 0.1
    assert (rounded_log_probs != log_probs).any()


@pytest.mark.parametrize("is_training", [True, False])
def test_hooks_and_modes_are_as_before_also_when_it_raises(base, is_training):
    before = hooks(base.model)
    base.model.train(is_training)
    try:
        observed(base)
        assert hooks(base.model) == before

        def refuse(_states):
            raise ValueError("no more")

        with pytest.raises(ValueError, match="no more"):
            observe(base, PACKED, EXACT, layers=(0,), on_states=refuse)
        assert hooks(base.model) == before
        assert base.model.training == is_training
        assert torch.is_grad_enabled()
    finally:
        base.model.eval()


def test_layers_are_counted_where_there_are_any(family_model, monkeypatch):
    assert num_layers(family_model) == 2
    # Another number in the config, and no list is as long.
    config = type(family_model.model.config)
    monkeypatch.setattr(config, "get_text_config", lambda *_: SimpleNamespace(num_hidden_layers=77))
    assert num_layers(family_model) is None


def test_packed_rows_are_the_texts_in_rows_of_one_length(base):
    texts = ["It rained.", "It snowed all day long.", "Sun."]
    tokens = base.tokenizer("\n".join(texts), add_special_tokens=False)["input_ids"]
    packed = encode_packed(base, texts, row_tokens=8, num_rows=3)
    assert [list(row) for row in packed.rows] == [tokens[0:8], tokens[8:16], tokens[16:24]]
    assert packed.num_leading == 1
    # What does not fill a row is dropped, and a text shorter than a row is a row.
    assert len(encode_packed(base, texts, row_tokens=8, num_rows=99).rows) == len(tokens) // 8
    assert encode_packed(base, ["Sun."], row_tokens=8, num_rows=3).rows == (
        tuple(base.tokenizer("Sun.")["input_ids"]),
    )


def test_what_the_tokenizer_puts_first_leads_every_row(base, monkeypatch):
    plain = type(base.tokenizer).__call__

    def led(tokenizer, text, *, add_special_tokens=True):
        ids = plain(tokenizer, text, add_special_tokens=False)["input_ids"]
        return {"input_ids": [256, 257, *ids] if add_special_tokens else ids}

    monkeypatch.setattr(type(base.tokenizer), "__call__", led)
    packed = encode_packed(base, ["abcdefghij"], row_tokens=6, num_rows=9)
    assert packed.num_leading == 2
    assert [row[:2] for row in packed.rows] == [(256, 257)] * 2
    assert [len(row) for row in packed.rows] == [6, 6]


@pytest.mark.parametrize(("texts", "row_tokens"), [([], 8), ([""], 8), (["It rained."], 0)])
def test_nothing_to_pack_is_an_error(base, texts, row_tokens):
    with pytest.raises(ModelError, match="cannot be laid out"):
        encode_packed(base, texts, row_tokens=row_tokens, num_rows=3)


def test_rows_must_fit_the_context(base):
    with pytest.raises(ModelError, match="context is 256"):
        encode_packed(base, ["a" * 999], row_tokens=300, num_rows=2)
