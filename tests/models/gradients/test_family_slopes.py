"""Slopes on families that use their weights in ways of their own: against autograd, weight by weight."""

import numpy
import pytest
import torch

from driftline.errors import RunError
from driftline.models import (
    LanguageModel,
    ScoringOptions,
    SlopeMeter,
    fisher_traces,
    module_names,
    parameters_inside,
    weights_digest,
)
from evidence.families import models as families
from tests.models.gradients.test_fisher import ROWS
from tests.models.gradients.test_slopes import EXACT, ITEMS, Given, log_likelihood, state_of

FAMILIES = (
    # Biases of output projections, positions that all rows share, linear layers on flattened rows.
    "gpt2", "gpt_neox", "opt", "bloom", "phi", "gptj",
    # One norm a layer; norms that are stored as what they differ from 1 by; norms that see other axes.
    "cohere", "cohere2", "gemma3", "exaone4",
    # Fused experts with and without biases, routers, sinks, latent attention.
    "qwen2_moe", "qwen3_moe", "granitemoe", "gpt_oss", "deepseek_v3",
    # Convolutions, decays and steps that no module applies.
    "mamba", "mamba2", "qwen3_next", "recurrent_gemma",
    "gemma3, with vision",
)  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES)
def opened(request):
    return open_family(request.param)


def open_family(name):
    model = families.model(name)
    return LanguageModel(model, families.tokenizer(), "made", None, weights_digest(model))


def autograd_slopes(opened, direction, modules):
    """<gradient of the loss, change>, item by item, module by module."""
    weights, names = dict(opened.model.named_parameters()), module_names(opened.model)
    found = numpy.zeros((len(ITEMS), len(modules)))
    for row, item in enumerate(ITEMS):
        values = [log_likelihood(opened.model, sequence) for sequence in item.sequences]
        by = item.weigh([float(value.detach()) for value in values])
        loss = sum(w * v for w, v in zip(by, values, strict=True))
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                change = direction.deltas[name]
                found[row, modules.index(names[name])] += float((gradient * change).sum())
    return found


def test_every_weight_that_counts_has_the_slope_that_autograd_gives(opened):
    before = state_of(opened.model)
    direction = Given(opened.model)
    # The whole update, and not sharing beginnings: not every family attends by our masks.
    meter = SlopeMeter(opened, direction, EXACT, share=False)
    modules = [module.name for module in meter.modules]
    expected = autograd_slopes(opened, direction, modules)
    found = meter.measure(ITEMS)
    scale = numpy.abs(expected).max()
    numpy.testing.assert_allclose(found.slopes, expected, atol=2e-5 * scale)
    # A vision tower sees no text.
    assert all("vision" in name or "projector" in name for name in meter.unread)
    assert state_of(opened.model) == before
    opened.check_unchanged()
    rough = SlopeMeter(opened, direction, ScoringOptions(bfloat16=True), share=False)
    close = rough.measure(ITEMS).slopes
    assert numpy.corrcoef(close.ravel(), expected.ravel())[0, 1] > 0.99


def test_noise_has_the_names_of_the_map(opened):
    meter = SlopeMeter(opened, Given(opened.model), EXACT, share=False)
    meter.measure(ITEMS[:1])
    traces = fisher_traces(opened, ROWS, EXACT, num_draws=2)
    assert {m.name for m in meter.modules} - set(meter.unread) <= traces.keys()


def test_every_parameter_inside_layers_is_counted_once(opened):
    inside = parameters_inside(opened)
    text = (
        opened.model.get_decoder() if "vision" in str(type(opened.model.config)) else opened.model
    )
    blocks = (".layers.", ".h.", ".blocks.")
    wanted = sum(
        weight.numel()
        for name, weight in text.named_parameters()
        if any(block in f".{name}" for block in blocks) and "vision" not in name
    )
    assert sum(inside.values()) == wanted > 0


@pytest.mark.parametrize(
    ("family", "expected"),
    [("llama", 0.0), ("gemma", 1.0), ("gemma3", 1.0), ("qwen3_next", 1.0), ("cohere", 0.0)],
)
def test_a_norm_is_as_large_as_what_it_multiplies_with(family, expected):
    opened = open_family(family)
    direction = Given(opened.model)
    meter = SlopeMeter(opened, direction, EXACT, share=False)
    name = "model.layers.1.input_layernorm"
    (module,) = (m for m in meter.modules if m.name == name)
    stored = opened.model.get_submodule(name).weight.detach()
    change = direction.deltas[f"{name}.weight"]
    assert module.relative_norm == pytest.approx(
        float(change.norm() / (stored + expected).norm()), rel=1e-5
    )


def test_a_module_that_fails_is_named(opened, monkeypatch):
    name, module = next(
        (n, m) for n, m in opened.model.named_modules() if n.endswith(("layers.1", "h.1"))
    )

    def fail(*_args, **_more):
        raise TypeError("on purpose")

    meter = SlopeMeter(opened, Given(opened.model), EXACT, share=False)
    monkeypatch.setattr(type(module), "forward", fail)
    with pytest.raises(RunError, match=r"TypeError: on purpose$") as caught:
        meter.measure(ITEMS)
    assert str(caught.value).startswith(name.replace(".1", ".0")) or name in str(caught.value)


@pytest.mark.parametrize("family", ["qwen3_moe", "gpt_oss", "mamba"])
def test_a_parameter_that_is_no_module_stands_for_itself(family):
    model = families.model(family)
    names = module_names(model)
    assert set(names) == {name for name, _ in model.named_parameters()}
    own = {module for name, module in names.items() if not name.endswith((".weight", ".bias"))}
    assert own
    assert own <= set(names)
    biases = {name for name in names if name.endswith("_bias") and "experts" in name}
    assert {names[name] for name in biases} <= own - biases
