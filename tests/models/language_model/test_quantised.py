"""Quantised bases stay as they are, and a point beside one is the point on its dequantised copy."""

import copy
import importlib.util
import json
import logging
import shutil
from functools import cache

import pytest
import torch

from driftline.errors import ConfigError, ModelError
from driftline.models import (
    BASE,
    LanguageModel,
    NoiseDirection,
    Placement,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    TokenSequence,
    at_point,
    change_norms,
    list_weights,
    open_model,
    weights_digest,
)
from driftline.models.language_model._places import list_places
from driftline.models.language_model._quantised import is_packed
from tests import tiny
from tests.directions import open_tuned
from tests.models.runs import FULL, LORA

needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)

IDS = torch.tensor([[256, 1, 2, 3, 200, 100]])
NOISE = Point("noise", (Term(NoiseDirection(1), 0.1),))
KINDS = {
    "4bit in float32": {"load_in": "4bit", "dtype": torch.float32},
    "4bit": {"load_in": "4bit"},
    "8bit": {"load_in": "8bit"},
}
# Of the logits: float32 is the same sum; bfloat16 and the 8-bit layers' inputs are rounded.
TOLERANCE = {"4bit in float32": 1e-5, "4bit": 0.03, "8bit": 0.04}


def logits(opened: LanguageModel) -> torch.Tensor:
    with torch.no_grad():
        return opened.model(IDS).logits.float()


def distance(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left - right).norm() / right.norm())


def kept(opened: LanguageModel) -> dict[str, torch.Tensor]:
    """All that a state dict holds: packed bytes, their quantisation state, everything else."""
    return {name: tensor.clone() for name, tensor in opened.model.state_dict().items()}


@pytest.fixture(scope="module")
def open_wide(tmp_path_factory):
    """Opens a family's model, wide enough for 4-bit blocks, unquantised, once."""

    @cache
    def opener(family: str = "llama") -> LanguageModel:
        folder = tmp_path_factory.mktemp("wide") / family
        return open_model(str(tiny.save(folder, family, **tiny.WIDE)))

    return opener


@pytest.fixture(scope="module")
def open_kind(open_wide):
    """Opens a family's model quantised, once."""

    @cache
    def opener(kind: str, family: str = "llama") -> LanguageModel:
        return open_model(open_wide(family).source, **KINDS[kind])

    return opener


@pytest.fixture(params=KINDS)
def quantised(request, open_kind):
    """Every kind in turn; after each test its bytes and hooks must be as before."""
    opened = open_kind(request.param)
    before, hooks = kept(opened), [len(m._forward_hooks) for m in opened.model.modules()]
    yield opened
    after = kept(opened)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [len(m._forward_hooks) for m in opened.model.modules()] == hooks
    opened.check_unchanged()


def dequantised(opened: LanguageModel, family: str = "llama") -> LanguageModel:
    """A float32 copy that holds what the quantised one computes with."""
    model = tiny.model(family, **tiny.WIDE)
    values = {name: place.value() for name, place in list_places(opened.model).items()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(values[name])
    return LanguageModel(model, opened.tokenizer, "copy", None, weights_digest(model))


@needs_bitsandbytes
def test_names_roles_and_shapes_are_those_of_the_unquantised(quantised, open_wide):
    plain = open_wide()

    assert list_weights(quantised.model) == plain.weights
    facts = quantised.provenance()
    assert facts.num_parameters == plain.provenance().num_parameters
    assert facts.digest != plain.digest
    assert quantised.packing in facts.dtype
    assert quantised.packing in ("4-bit nf4", "8-bit")
    packed = [name for name, p in quantised.model.named_parameters() if is_packed(p)]
    assert len(packed) == 14
    assert plain.packing is None


@needs_bitsandbytes
def test_a_weight_is_read_as_what_the_layer_computes_with(quantised, open_wide):
    plain = dict(open_wide().model.named_parameters())
    for name, place in list_places(quantised.model).items():
        assert place.value().shape == plain[name].shape
        most = 0.1 if "4-bit" in quantised.packing else 0.01
        assert distance(place.value().float(), plain[name].detach()) < most


@needs_bitsandbytes
@pytest.mark.parametrize("family", ["llama", "llama-tied", "qwen2", "gemma2"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_point_beside_is_the_point_on_the_dequantised_copy(open_kind, kind, family):
    quantised = open_kind(kind, family)
    copied, base = dequantised(quantised, family), logits(quantised)
    wanted_base = logits(copied)
    with at_point(quantised, NOISE), at_point(copied, NOISE):
        moved, wanted = logits(quantised), logits(copied)

    assert distance(base, wanted_base) < TOLERANCE[kind]
    assert distance(moved, wanted) < TOLERANCE[kind]
    assert distance(wanted, wanted_base) > 5 * TOLERANCE[kind]
    assert torch.equal(logits(quantised), base)
    quantised.check_unchanged()


@needs_bitsandbytes
def test_a_point_at_scale_0_is_the_base_bit_for_bit(quantised):
    base = logits(quantised)
    for point in (BASE, Point("zero", (Term(NoiseDirection(1), 0.0),))):
        with at_point(quantised, point):
            assert torch.equal(logits(quantised), base)


@needs_bitsandbytes
def test_a_small_step_is_not_lost(quantised):
    """Packed weights could not take it; beside them it has its own scale."""
    base = logits(quantised)
    layer = "model.layers.1.mlp.down_proj.weight"
    with at_point(quantised, Point("small", (Term(NoiseDirection(1), {layer: 1e-4}),))):
        assert 1e-6 < distance(logits(quantised), base) < 1e-3


@needs_bitsandbytes
@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_everything_is_taken_off_when_the_block_raises(quantised, error):
    base = logits(quantised)

    def block():
        assert not torch.equal(logits(quantised), base)
        raise error

    with pytest.raises(type(error)), at_point(quantised, NOISE):
        block()
    assert torch.equal(logits(quantised), base)


@needs_bitsandbytes
def test_everything_is_taken_off_when_a_direction_breaks_halfway(quantised):
    class Breaking(NoiseDirection):
        def delta(self, name, base):
            if "layers.1" in name:
                raise ValueError("halfway")
            return super().delta(name, base)

    base = logits(quantised)
    point = Point("p", (Term(Breaking(1), 0.1),))
    with pytest.raises(ValueError, match="halfway"), at_point(quantised, point):
        pass
    assert torch.equal(logits(quantised), base)


@needs_bitsandbytes
def test_norms_are_of_the_dequantised_weight(quantised):
    norms = change_norms(quantised, NoiseDirection(1))
    for name, place in list_places(quantised.model).items():
        if len(place.shape) >= 2:
            wanted = float(place.value().double().norm())
            assert norms[name].base == pytest.approx(wanted, rel=1e-5)
            assert norms[name].change == pytest.approx(wanted, rel=1e-5)


@needs_bitsandbytes
@pytest.mark.parametrize("bfloat16", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_scoring_leaves_biases_and_bytes_as_they_were(open_kind, kind, bfloat16):
    quantised = open_kind(kind, "qwen2")
    with torch.no_grad():
        for parameter in quantised.model.parameters():
            if parameter.ndim == 1:
                parameter.copy_(torch.full_like(parameter, 0.1234567))
    digest = weights_digest(quantised.model)
    sequences = [TokenSequence((1, 2, 3, 4, 5), 2), TokenSequence((9, 8, 7), 1)]
    scorer = Scorer(quantised, ScoringOptions(bfloat16=bfloat16))
    base = scorer.score(sequences)
    with at_point(quantised, NOISE):
        assert scorer.score(sequences) != base

    assert weights_digest(quantised.model) == digest
    assert scorer.score(sequences) == base


@needs_bitsandbytes
def test_a_bias_that_an_interrupt_left_rounded_comes_back(open_kind):
    quantised = open_kind("8bit", "qwen2")
    layer = quantised.model.model.layers[0].self_attn.q_proj
    digest = weights_digest(quantised.model)

    def interrupt(*_args):
        raise KeyboardInterrupt

    handle = layer.register_forward_hook(interrupt, prepend=True)
    with pytest.raises(KeyboardInterrupt), torch.no_grad():
        layer(torch.ones(1, 64, dtype=torch.bfloat16))
    handle.remove()
    logits(quantised)
    assert weights_digest(quantised.model) == digest


@needs_bitsandbytes
def test_the_digest_sees_bytes_state_and_computation(quantised):
    name = "model.layers.1.mlp.up_proj.weight"
    module = quantised.model.get_submodule(name.removesuffix(".weight"))
    logits(quantised)  # 8-bit layers sort out their state in the first pass
    before = weights_digest(quantised.model)
    scales = module.state.SCB if "8-bit" in quantised.packing else module.weight.quant_state.absmax
    for tensor in (module.weight.data.view(torch.uint8).view(-1), scales.view(-1)):
        first = tensor[0].clone()
        tensor[0] += 1
        assert weights_digest(quantised.model) != before
        tensor[0] = first
    assert weights_digest(quantised.model) == before


@needs_bitsandbytes
def test_the_digest_hangs_on_the_compute_dtype(open_kind):
    assert open_kind("4bit").digest != open_kind("4bit in float32").digest


@needs_bitsandbytes
def test_a_quantised_checkpoint_opens_as_it_was_saved(quantised, tmp_path):
    quantised.model.save_pretrained(tmp_path)
    quantised.tokenizer.save_pretrained(tmp_path)
    opened = open_model(str(tmp_path))

    assert opened.digest == quantised.digest
    assert opened.packing == quantised.packing
    assert torch.equal(logits(opened), logits(quantised))
    with pytest.raises(ModelError, match="is quantised already; leave out load_in"):
        open_model(str(tmp_path), load_in="4bit")


@needs_bitsandbytes
def test_a_tuned_model_is_reached_from_the_dequantised_base(quantised, tmp_path):
    tuned = tiny.model(**tiny.WIDE)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(
                torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)), alpha=0.02
            )
    tuned.save_pretrained(tmp_path)
    point = Point("tuned", (Term(open_tuned(tmp_path, quantised), 1.0),))
    with at_point(quantised, point), torch.no_grad():
        assert distance(logits(quantised), tuned(IDS).logits) < 0.04


@needs_bitsandbytes
def test_a_quantised_tuned_model_is_refused(quantised, open_family, tmp_path):
    quantised.model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="its weights are quantised, so rounded anew"):
        open_tuned(tmp_path, open_family("llama"))


@needs_bitsandbytes
def test_gpt2s_layers_are_refused(open_family):
    with pytest.raises(ModelError, match=r"h.0.attn.c_attn is no plain linear layer"):
        open_model(open_family("gpt2").source, load_in="8bit")


@needs_bitsandbytes
def test_a_quantised_head_is_refused(open_family, tmp_path):
    quantised = open_model(open_family("llama").source, load_in="8bit")
    layer = quantised.model.model.layers[0].mlp.up_proj
    from driftline.models.language_model._quantised import make_read_only

    quantised.model.set_output_embeddings(layer)
    with pytest.raises(ModelError, match=r"is quantised, an output head or an embedding"):
        make_read_only(quantised.model, "it")


@needs_bitsandbytes
def test_4_bit_rows_that_a_cpu_would_misread_are_refused(model_folder):
    with pytest.raises(ModelError, match=r"q_proj hold 32 numbers, no multiple of .* blocks of 64"):
        open_model(str(model_folder), load_in="4bit")


@needs_bitsandbytes
def test_nothing_is_said_at_each_pass(open_kind, capfd, caplog):
    quantised = open_kind("8bit")
    caplog.set_level(logging.WARNING)
    logits(quantised)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if "will be cast" in record.getMessage()]


@needs_bitsandbytes
def test_a_full_run_on_a_quantised_base_is_refused(quantised, trajectory):
    with pytest.raises(
        ConfigError, match=r"packed weights cannot be trained; add `use_peft: true`"
    ):
        trajectory(FULL, opened=quantised)
    with pytest.raises(ConfigError, match=r"use_dora: on a quantised base only plain LoRA"):
        trajectory({**LORA, "use_dora": True}, opened=quantised)


@needs_bitsandbytes
def test_the_config_and_the_base_must_be_quantised_alike(quantised, base, trajectory):
    fields = {"4-bit nf4": "load_in_4bit", "8-bit": "load_in_8bit"}
    own = fields.pop(quantised.packing)
    other = next(iter(fields.values()))
    trajectory({**LORA, own: True}, opened=quantised)
    for opened, field in ((quantised, other), (base, own)):
        with pytest.raises(ConfigError, match=rf"{field}: the base was not opened so"):
            trajectory({**LORA, field: True}, opened=opened)


@needs_bitsandbytes
def test_lora_trains_on_a_quantised_base_and_leaves_it(quantised, trajectory, tmp_path):
    quantised.check_unchanged()
    made = trajectory(LORA, kept=(2, 3), opened=quantised, folder=tmp_path / "first")
    direction = made.direction(3)
    direction.prepare()
    quantised.check_unchanged()
    base = logits(quantised)
    with at_point(quantised, Point("trained", (Term(direction, 1.0),))):
        assert not torch.equal(logits(quantised), base)
    norms = change_norms(quantised, direction)
    assert {name.rsplit(".", 2)[1] for name in norms} == {"q_proj", "v_proj"}
    again = trajectory(LORA, kept=(2, 3), opened=quantised, folder=tmp_path / "again").direction(3)
    again.prepare()
    for name, place in list_places(quantised.model).items():
        first, second = (d.delta(name, place.value()) for d in (direction, again))
        assert first is second is None or torch.equal(first, second)


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy of the tiny Llama's folder, to be changed."""
    return shutil.copytree(model_folder, tmp_path / "copy")


def change_config(folder, **values) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("method", ["gptq", "awq", "fp8", "mxfp4", "torchao"])
def test_another_scheme_is_refused_by_name_before_it_is_loaded(folder, method):
    change_config(folder, quantization_config={"quant_method": method, "bits": 4})
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match=rf"is quantised with {method}; .*--load-in 4bit"):
        open_model(str(folder))


def test_weights_that_are_quantised_anew_at_each_pass_are_refused(folder):
    config = {
        "quant_method": "bitsandbytes",
        "load_in_8bit": True,
        "llm_int8_has_fp16_weight": True,
    }
    change_config(folder, quantization_config=config)
    with pytest.raises(ModelError, match="llm_int8_has_fp16_weight"):
        open_model(str(folder))


@pytest.mark.parametrize("own", [True, False], ids=["checkpoint", "option"])
def test_without_bitsandbytes_the_mend_is_named(folder, monkeypatch, own):
    if own:
        change_config(folder, quantization_config={"load_in_4bit": True})
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "bitsandbytes" else find(name, *a),
    )
    with pytest.raises(ModelError, match=r"pip install 'driftline\[quantized\]'"):
        open_model(str(folder), load_in=None if own else "8bit")


@needs_bitsandbytes
def test_quantised_layers_that_do_not_fit_say_so(model_folder):
    with pytest.raises(ModelError, match=r"quantised layers compute where they lie"):
        open_model(
            str(model_folder),
            load_in="8bit",
            placement=Placement("auto", max_memory={"cpu": "60KB"}),
        )


def test_a_copy_of_a_plain_model_is_not_quantised(base):
    assert base.packing is None
    assert copy.deepcopy(base).can_be_merged_into


def test_a_kernel_that_nobody_asked_for_is_not_missed_aloud(caplog):
    log = logging.getLogger("bitsandbytes.backends.cpu.ops")
    log.warning("Failed to load CPU gemm_4bit_forward from kernels-community: no module")
    assert not caplog.records
    log.warning("another thing")
    assert [record.getMessage() for record in caplog.records] == ["another thing"]
