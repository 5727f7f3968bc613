"""Is an adapter in a merged model, at which strength, or can it not be told?"""

import peft
import pytest
import torch
import transformers

from driftline.analyses import DiffRequest, diff
from driftline.errors import ModelError
from tests import adapters, architectures, tiny

pytestmark = pytest.mark.filterwarnings("ignore")
AUTO = transformers.AutoModelForCausalLM
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Case:
    """A base in some dtype, an adapter on it, and models that are made of both."""

    def __init__(self, folder, family="llama", dtype=torch.float32, size=1.0, **fields):
        self.folder, self.dtype = folder, dtype
        model = tiny.model(family).to(dtype)
        model.save_pretrained(folder / "base")
        adapted = adapters.adapt(model, **fields)
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.mul_(size)
        adapted.save_pretrained(folder / "a")

    def load(self, name="base", dtype=None):
        return AUTO.from_pretrained(self.folder / name, dtype=dtype or self.dtype)

    def merged(self, dtype=None):
        model = peft.PeftModel.from_pretrained(self.load(dtype=dtype), str(self.folder / "a"))
        return model.merge_and_unload()

    def at_strength(self, strength: float):
        base, whole = self.load(dtype=torch.float32), self.merged(torch.float32)
        with torch.no_grad():
            for own, other in zip(base.parameters(), whole.parameters(), strict=True):
                own.add_(other - own, alpha=strength)
        return base.to(self.dtype)

    def asked(self, model):
        model.save_pretrained(self.folder / "m")
        sides = (str(self.folder / side) for side in ("base", "m"))
        return diff(DiffRequest(*sides, "none", adapter=str(self.folder / "a")))


FINE, HALF, BRAIN = torch.float32, torch.float16, torch.bfloat16
SUMS = [(FINE, FINE), (HALF, HALF), (HALF, FINE), (BRAIN, BRAIN), (BRAIN, FINE)]
"""The dtype of the base, and one in which it is merged that holds it whole."""


@pytest.mark.parametrize("kept", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("held", "summed"), SUMS, ids=str)
def test_merges_in_every_dtype_are_known(held, summed, kept, tmp_path):
    case = Case(tmp_path, dtype=held)
    found = case.asked(case.merged(summed).to(kept))
    assert found.verdict == "pass", found.headline
    assert found.headline.startswith("HOLDS THE ADAPTER")
    assert {w.state for w in found.merge.weights} == {"present"}
    assert all(abs(w.strength - 1) < 0.02 for w in found.merge.weights)


@pytest.mark.parametrize("family", ["gpt2", "gpt-neox", "qwen2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_families(family, dtype, tmp_path):
    targets = {"gpt2": ["c_attn", "c_fc"], "gpt-neox": ["query_key_value"]}.get(family)
    case = Case(tmp_path, family, dtype, target_modules=targets)
    assert case.asked(case.merged()).verdict == "pass"
    assert case.asked(case.load()).verdict == "fail"


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("strength", [0.5, 0.9, 2.0, -1.0])
def test_another_strength_is_measured_and_fails(strength, dtype, tmp_path):
    case = Case(tmp_path, dtype=dtype)
    found = case.asked(case.at_strength(strength))
    assert found.verdict == "fail"
    assert {w.state for w in found.merge.weights} == {"scaled"}
    for weight in found.merge.weights:
        assert weight.strength == pytest.approx(strength, abs=0.02)
    assert f"strength {strength:.2f}" in found.headline


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_the_base_itself_lacks_the_adapter(dtype, tmp_path):
    case = Case(tmp_path, dtype=dtype)
    found = case.asked(case.load())
    assert found.verdict == "fail"
    assert {(w.state, w.strength, w.is_exact) for w in found.merge.weights} == {("absent", 0, True)}
    assert found.headline.startswith("NOT THIS MERGE: 4 of 4 weights absent")


def test_one_layer_that_was_not_merged_is_named(tmp_path):
    case = Case(tmp_path)
    model, base = case.merged(), case.load()
    model.model.layers[1].load_state_dict(base.model.layers[1].state_dict())
    found = case.asked(model)
    states = {w.name: w.state for w in found.merge.weights}
    assert found.verdict == "fail"
    assert {layer for layer in (0, 1) if states[name(layer)] == "absent"} == {1}


def name(layer: int) -> str:
    return f"model.layers.{layer}.self_attn.q_proj.weight"


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_more_than_the_adapter_is_told_apart(dtype, tmp_path):
    case = Case(tmp_path, dtype=dtype)
    model = case.merged()
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.weight.mul_(1.1)
    found = case.asked(model)
    states = {w.name: w.state for w in found.merge.weights}
    assert [n for n, state in states.items() if state != "present"] == [name(0)]
    assert states[name(0)] == "other"
    assert found.verdict == "fail"


def test_weights_that_moved_beside_the_adapter_are_named(tmp_path):
    case = Case(tmp_path)
    model = case.merged()
    with torch.no_grad():
        model.model.norm.weight.add_(0.01)
    found = case.asked(model)
    assert found.merge.moved_elsewhere == ("model.norm.weight",)
    assert found.verdict == "fail"


@pytest.mark.parametrize("is_merged", [True, False])
def test_a_change_that_rounding_hides_cannot_be_told(is_merged, tmp_path):
    case = Case(tmp_path, dtype=torch.bfloat16, size=1e-6)
    found = case.asked(case.merged() if is_merged else case.load())
    assert {w.state for w in found.merge.weights} == {"undecided"}
    assert all(w.strength is None for w in found.merge.weights)
    assert found.verdict == "inconclusive"
    assert found.headline.startswith("CANNOT BE TOLD")


def test_small_changes_in_half_precision_are_told_by_the_replay(tmp_path):
    # Most numbers round back to the base's; those that do not are the replay's.
    case = Case(tmp_path, dtype=torch.bfloat16, size=0.01)
    whole, half = case.asked(case.merged()), case.asked(case.at_strength(0.0))
    assert whole.verdict == "pass"
    assert half.verdict == "fail"


@pytest.mark.parametrize("is_merged", [True, False])
def test_modules_that_were_saved_whole(is_merged, tmp_path):
    case = Case(tmp_path, target_modules=["q_proj"], modules_to_save=["lm_head"])
    found = case.asked(case.merged() if is_merged else case.load())
    states = {w.name: w.state for w in found.merge.weights}
    assert states["lm_head.weight"] == ("present" if is_merged else "absent")
    assert found.verdict == ("pass" if is_merged else "fail")


@pytest.mark.parametrize("is_merged", [True, False])
def test_fused_experts(is_merged, tmp_path):
    base = architectures.experts("qwen3_moe")
    base.save_pretrained(tmp_path / "base", save_original_format=True)
    targets = ["experts.gate_up_proj", "experts.down_proj"]
    adapted = adapters.adapt(base, target_modules=["q_proj"], target_parameters=targets)
    adapted.save_pretrained(tmp_path / "a")
    model = adapted.merge_and_unload() if is_merged else base
    model.save_pretrained(tmp_path / "m", save_original_format=True)
    sides = (str(tmp_path / side) for side in ("base", "m"))
    found = diff(DiffRequest(*sides, "none", adapter=str(tmp_path / "a")))
    assert len(found.merge.weights) == 6
    assert found.verdict == ("pass" if is_merged else "fail"), found.headline


def test_bare_files_are_replayed_by_name(tmp_path):
    case = Case(tmp_path)
    case.merged().save_pretrained(tmp_path / "m")
    sides = (f"{tmp_path / side}/model.safetensors" for side in ("base", "m"))
    found = diff(DiffRequest(*sides, "none", adapter=str(tmp_path / "a")))
    assert found.verdict == "pass"


@pytest.mark.parametrize(
    ("tuned", "adapter", "told"),
    [("a", "a", "is an adapter, not a merged model"), ("base", "base", "is not an adapter")],
)
def test_folders_in_the_wrong_place_are_refused(tuned, adapter, told, tmp_path):
    Case(tmp_path)
    request = DiffRequest(
        str(tmp_path / "base"), str(tmp_path / tuned), adapter=str(tmp_path / adapter)
    )
    with pytest.raises(ModelError, match=told):
        diff(request)
