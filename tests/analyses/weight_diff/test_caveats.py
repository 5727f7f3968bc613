"""What a reader of a diff is told beside the numbers."""

import pytest
import torch

from driftline.analyses import DiffRequest, diff
from driftline.analyses.weight_diff import _spectra
from tests import checkpoints

HEAD, NORM = "lm_head.weight", "model.layers.0.input_layernorm.weight"


@pytest.fixture
def caveats(tmp_path):
    def compare(base, tuned, effort="fast", **config) -> str:
        folders = [
            str(checkpoints.save(tmp_path / name, side, **config))
            for name, side in (("base", base), ("tuned", tuned))
        ]
        return " ".join(diff(DiffRequest(*folders, effort)).caveats)

    return compare


def test_weights_alone_are_always_told(caveats):
    weights = checkpoints.weights()
    assert caveats(weights, weights).startswith(
        "Weights alone: a large movement may cost nothing and a small one much. What it did to the "
        "model's capabilities, driftline score says when it is run on both."
    )


def test_tensors_on_one_side_are_told(caveats):
    base, tuned = checkpoints.weights(), checkpoints.weights()
    del tuned[NORM]
    assert "1 tensors are in the base alone and 0 in the tuned" in caveats(base, tuned)


def test_a_head_that_was_untied_is_told(caveats):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    del base[HEAD]
    told = caveats(base, tuned, tie_word_embeddings=True)
    assert f"{HEAD}: tied to the embedding on one side and not on the other" in told


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "made-up"}, "No config names a class of transformers for both, so names"),
        ({"model_type": "llama", "hidden_act": "made-up"}, "base: KeyError: "),
        ({"model_type": "llama", "num_attention_heads": 0}, "base: ZeroDivisionError: "),
        ({"model_type": "llama", "hidden_size": "wide"}, "could not build the model ("),
    ],
)
def test_why_names_alone_were_paired_is_told(caveats, config, told):
    found = caveats(checkpoints.weights(), checkpoints.weights(1), **config)
    assert told in found
    assert "so names alone were paired" in found


@pytest.mark.parametrize("effort", ["none", "fast", "exact"])
def test_estimates_and_intruders_are_told_where_there_are_any(caveats, monkeypatch, effort):
    monkeypatch.setattr(_spectra, "EXACT_SIDE", 8)
    told = caveats(checkpoints.weights(), checkpoints.weights(1), effort)
    assert ("Spectra of large matrices are estimates" in told) == (effort == "fast")
    assert ("Intruder dimensions" in told) == (effort == "exact")


def test_small_changes_in_half_precision_are_told(caveats):
    base = {name: tensor.bfloat16() for name, tensor in checkpoints.weights().items()}
    tuned = {name: tensor.clone() for name, tensor in base.items()}
    tuned[HEAD][::40] *= 1 + 2**-7
    told = caveats(base, tuned)
    assert (
        "1 of 1 changes are at the level of rounding (a relative change of about 1.6e-03)" in told
    )
    assert "different dtypes" not in told
    tuned[HEAD] = (tuned[HEAD].float() * 1.5).to(torch.bfloat16)
    assert "rounding" not in caveats(base, tuned)
