"""Scales of weights come back from the modules that say them, and no fewer modules could."""

import itertools
import random

import pytest

from driftline.models import Levers, compress_scales

WEIGHTS = (
    "embed.weight", "layers.0.norm.weight", "layers.0.attn.q.weight", "layers.0.attn.q.bias",
    "layers.0.attn.k.weight", "layers.0.mlp.up.weight", "layers.0.mlp.down.weight", "layers.0.gate",
    "layers.1.norm.weight", "layers.1.mlp.up.weight", "layers.1.mlp.down.weight",
)  # fmt: skip
MODULES = sorted({name[:i] for name in WEIGHTS for i, c in enumerate(name) if c == "."})


def given_back(interpolation, named):
    levers = Levers(interpolation=interpolation, interpolated_modules=named)
    assert Levers.from_values(levers.to_values(), origin="p.yaml") == levers
    return {name: levers.scale_of(name) for name in WEIGHTS}


def some_scales(seed, choices):
    """Each module's own draw, which its weights share."""
    rng = random.Random(seed)
    drawn = {module: rng.choice(choices) for module in MODULES}
    return {name: drawn[name.rpartition(".")[0]] for name in WEIGHTS}


@pytest.mark.parametrize("seed", range(40))
def test_the_levers_give_the_scales_back(seed):
    scales = some_scales(seed, (0.0, 0.25, 0.5, 1.0)[: 2 + seed % 3])
    if any(scales.values()):
        assert given_back(*compress_scales(scales)) == scales


def test_fewer_modules_could_not_say_it():
    weights = ("a.gate", "a.x.w", "a.y.w", "a.z.w", "b.u.x.w", "b.u.y.w")
    modules = ("a", "a.x", "a.y", "a.z", "b", "b.u", "b.u.x", "b.u.y")
    fewest = {}
    for interpolation, *chosen in itertools.product((0.5, 1.0), *[(None, 0.0, 0.5, 1.0)] * 8):
        named = tuple((m, s) for m, s in zip(modules, chosen, strict=True) if s is not None)
        levers = Levers(interpolation=interpolation, interpolated_modules=named)
        key = (interpolation, *(levers.scale_of(name) for name in weights))
        fewest[key] = min(fewest.get(key, 8), len(named))
    for values in itertools.product((0.0, 0.5, 1.0), repeat=len(weights)):
        if any(values):
            interpolation, named = compress_scales(dict(zip(weights, values, strict=True)))
            assert len(named) == fewest[(interpolation, *values)], values


def test_most_weights_need_no_name_and_what_is_of_one_scale_is_named_as_a_whole():
    scales = dict.fromkeys(WEIGHTS, 0.75)
    assert compress_scales(scales) == (0.75, ())
    scales |= {name: 0.0 for name in WEIGHTS if name.startswith("layers.1.")}
    assert compress_scales(scales) == (0.75, (("layers.1", 0.0),))
    scales |= {"layers.0.mlp.up.weight": 0.5, "layers.0.mlp.down.weight": 0.25}
    named = (("layers.0.mlp.down", 0.25), ("layers.0.mlp.up", 0.5), ("layers.1", 0.0))
    assert compress_scales(scales) == (0.75, named)


def test_a_zero_is_never_the_scale_of_the_rest():
    scales = dict.fromkeys(WEIGHTS, 0.0) | {"embed.weight": 0.5}
    assert compress_scales(scales) == (0.5, (("layers", 0.0),))


def test_a_weight_directly_on_a_module_gives_it_its_scale():
    scales = dict.fromkeys(WEIGHTS, 1.0) | {"layers.0.gate": 0.5}
    interpolation, named = compress_scales(scales)
    assert interpolation == 1.0
    assert ("layers.0", 0.5) in named
    assert given_back(interpolation, named) == scales


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({}, "no scale is above 0"),
        ({"a.weight": 0.0}, "no scale is above 0"),
        ({"a.weight": 1.0, "a.bias": 0.5}, r"a.bias: has the scale 0.5 and another .* module 1.0"),
        ({"a.weight": 1.0, "b.weight": 1.0, "gain": 0.5}, "outside all modules has the scale 0.5"),
    ],
)
def test_what_no_modules_can_say_is_refused(scales, message):
    with pytest.raises(ValueError, match=message):
        compress_scales(scales)
