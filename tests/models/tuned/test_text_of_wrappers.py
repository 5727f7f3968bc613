"""Multimodal models of which transformers opens the text model alone, as base and as tuned model."""

import json
import re
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file

from driftline.errors import ModelError
from driftline.models import (
    at_point,
    open_checkpoint,
    open_model,
    open_tuned_model,
    write_scaled,
)
from driftline.models.tuned import unloaded_changes
from tests import architectures, tiny
from tests.architectures import nudged

AUTO = transformers.AutoModelForCausalLM
IDS = torch.tensor([[11, 7, 23, 5, 90]])
KINDS = ("qwen3_5", "llama4")


def saved(folder, model) -> str:
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


def logits(folder) -> torch.Tensor:
    with torch.no_grad():
        return AUTO.from_pretrained(folder, dtype=torch.float32).eval()(IDS).logits


def logits_at_tuned(folder, opened) -> torch.Tensor:
    tuned = open_tuned_model(str(folder), opened)
    with at_point(tuned.base, tuned.point), torch.no_grad():
        return tuned.base.model(IDS).logits


def edited(folder, change) -> None:
    said = json.loads((folder / "config.json").read_text())
    change(said)
    (folder / "config.json").write_text(json.dumps(said))


@pytest.mark.parametrize("kind", KINDS)
def test_base_and_tuned_may_be_wrappers_or_their_text_models(kind, tmp_path):
    whole, _tower = architectures.text_of_wrapper(kind)
    saved(tmp_path / "base", whole)
    saved(tmp_path / "base-text", AUTO.from_pretrained(tmp_path / "base"))
    nudged(whole, "language_model", size=0.02)
    saved(tmp_path / "tuned", whole)
    saved(tmp_path / "tuned-text", AUTO.from_pretrained(tmp_path / "tuned"))
    edited(tmp_path / "tuned", lambda said: said.update(image_token_id=299, image_token_index=299))
    wanted = logits(tmp_path / "tuned")
    assert not torch.allclose(wanted, logits(tmp_path / "base"), atol=1e-2)
    for base in ("base", "base-text"):
        opened = open_model(str(tmp_path / base))
        for tuned in ("tuned", "tuned-text"):
            result = logits_at_tuned(tmp_path / tuned, opened)
            torch.testing.assert_close(result, wanted, rtol=0, atol=1e-5)
    edited(tmp_path / "tuned", lambda said: said["text_config"].update(rms_norm_eps=0.1))
    with pytest.raises(ModelError, match=r"says rms_norm_eps 0\.1 and the base's"):
        open_tuned_model(str(tmp_path / "tuned"), opened)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_the_text_model_alone(kind, tmp_path):
    whole, _tower = architectures.text_of_wrapper(kind)
    opened = open_model(saved(tmp_path / "base", whole))
    saved(tmp_path / "tuned", nudged(whole, "language_model", size=0.02))
    tuned = open_tuned_model(str(tmp_path / "tuned"), opened)
    once = {weight.name: 1.0 for weight in opened.weights}
    write_scaled(tuned, opened, once, folder=tmp_path / "out")
    said = json.loads((tmp_path / "out" / "config.json").read_text())
    kept = (type(opened.model).__name__, opened.model.config.model_type)
    assert (*said["architectures"], said["model_type"]) == kept
    torch.testing.assert_close(
        logits(tmp_path / "out"), logits(tmp_path / "tuned"), rtol=0, atol=1e-5
    )
    torch.testing.assert_close(
        logits_at_tuned(tmp_path / "out", opened), logits(tmp_path / "tuned"), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_changes_that_reach_neither_model_in_memory_are_found(kind, tmp_path):
    whole, tower = architectures.text_of_wrapper(kind)
    opened = open_model(saved(tmp_path / "base", whole))
    saved(tmp_path / "tuned", nudged(whole, tower))
    names = [n for n in load_file(tmp_path / "tuned" / "model.safetensors") if tower in n]
    tuned, same = (open_checkpoint(str(tmp_path / name)) for name in ("tuned", "base"))
    assert set(unloaded_changes(tuned, opened)) == set(names)
    assert unloaded_changes(same, opened) == ()


def test_a_text_model_tuned_out_of_a_wrapper_is_refused_with_lines_that_mend_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    opened = open_model(saved(tmp_path / "base", architectures.multimodal("gemma3")))
    text = AUTO.from_config(opened.model.config.get_text_config())
    text.base_model.load_state_dict(opened.model.get_decoder().state_dict())
    tuned = saved(tmp_path / "tuned", nudged(text, size=0.01))
    with pytest.raises(ModelError, match=r"is a text model \(gemma3_text\)") as refused:
        open_tuned_model(tuned, opened)
    lines = str(refused.value).split("as the base:\n")[1]
    exec(re.sub(r"(?m)^    ", "", lines), {})
    mended = open_model(str(tmp_path / "base-text"))
    assert torch.equal(logits("base-text"), logits("base"))
    torch.testing.assert_close(logits_at_tuned(tuned, mended), logits(tuned), rtol=0, atol=1e-5)
    shutil.rmtree("base-text")
