"""Levers are checked when they are made, read and met with a config."""

import pytest
import yaml

from driftline.errors import ConfigError
from driftline.models import Levers
from tests.models.runs import FULL, LORA

ALL = {
    "frozen_modules": ["model.embed_tokens"],
    "slowed_modules": {"model.layers.0": 0.1, "model.layers.1": 0.5},
    "kl_to_base": 0.5,
    "l2_to_base": 10.0,
    "replay_share": 0.05,
    "replay_source": "replay.jsonl",
    "loss_adaptive_rate": True,
    "entropy_gate": True,
    "osf_rank": 0.5,
    "interpolation": 0.7,
    "interpolated_modules": {"lm_head": 0.0, "model.layers.0": 1.0},
}

PART = (("model.layers.0", 0.5),)


def test_plain_values_make_the_round_trip():
    levers = Levers.from_values(yaml.safe_load(yaml.safe_dump(ALL)), origin="p.yaml")
    assert levers.to_values() == ALL
    assert Levers.from_values(levers.to_values(), origin="p.yaml") == levers
    assert levers.slowed_modules == (("model.layers.0", 0.1), ("model.layers.1", 0.5))
    assert levers.interpolated_modules == (("lm_head", 0.0), ("model.layers.0", 1.0))


def test_nothing_is_on_by_default():
    assert Levers().to_values() == {} == Levers().recipe()
    assert Levers.from_values({}, origin="p.yaml") == Levers()


def test_a_text_that_yaml_leaves_of_a_number_is_a_number():
    assert Levers.from_values(yaml.safe_load("kl_to_base: 1e-3"), origin="x").kl_to_base == 1e-3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kl_base": 1}, r"p.yaml: levers: unknown key kl_base; did you mean kl_to_base\?"),
        ({"xyz": 1}, r"p.yaml: levers: unknown key xyz; it takes frozen_modules, "),
        ({"kl_to_base": -1}, "p.yaml: levers: kl_to_base: -1.0 is not a finite number, at least 0"),
        ({"kl_to_base": float("nan")}, "kl_to_base: nan is not a finite number"),
        ({"kl_to_base": True}, "kl_to_base: True is not a number"),
        ({"l2_to_base": "much"}, "l2_to_base: 'much' is not a number"),
        ({"replay_share": 1}, "replay_share: 1.0 is not at least 0 and below 1"),
        ({"replay_source": 3, "replay_share": 0.1}, "replay_source: 3 is not a text"),
        ({"replay_source": "a.jsonl"}, "replay_source: nothing is replayed; set replay_share"),
        ({"interpolation": 0}, "interpolation: 0.0 is not above 0 and at most 1"),
        ({"interpolation": 1.5}, "interpolation: 1.5 is not above 0 and at most 1"),
        ({"osf_rank": 2.5}, "osf_rank: 2.5 is not a whole number above 0, or a share below 1"),
        ({"interpolated_modules": ["a"]}, "interpolated_modules: give one `module: scale` a line"),
        (
            {"interpolated_modules": {1: 2.0}},
            "interpolated_modules: '1': 2.0 is not a module's name",
        ),
        ({"interpolated_modules": {"a": "b"}}, "interpolated_modules: a: 'b' is not a number"),
        (
            {"interpolated_modules": {"a": 1.5}},
            "'a': 1.5 is not a module's name with a scale of at",
        ),
        (
            {"interpolated_modules": {"a": -0.5}},
            "interpolated_modules: 'a': -0.5 is not a module's",
        ),
        ({"interpolated_modules": {"a": float("nan")}}, "'a': nan is not a module's name with"),
        (
            {"interpolated_modules": {"": 0.5}},
            "interpolated_modules: '': 0.5 is not a module's name",
        ),
        ({"entropy_gate": 1}, "entropy_gate: 1 is not true or false"),
        ({"frozen_modules": "a"}, "frozen_modules: 'a' is not a list of module names"),
        ({"slowed_modules": ["a"]}, "slowed_modules: give one `module: factor` a line"),
        ({"slowed_modules": {"a": "b"}}, "slowed_modules: a: 'b' is not a number"),
        ({"slowed_modules": {"a": 0}}, "a: 0.0 is not between 0 and 1; put it into frozen_modules"),
        (
            {"slowed_modules": {"a": 0.5}, "frozen_modules": ["a"]},
            "slowed_modules: a: is in frozen_modules too",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Levers.from_values(values, origin="p.yaml")


@pytest.mark.parametrize(
    ("levers", "fields", "message"),
    [
        (Levers(frozen_modules=("a",)), LORA, "frozen_modules: is for full fine-tuning only"),
        (Levers(slowed_modules=(("a", 0.5),)), LORA, "slowed_modules: is for full fine-tuning"),
        (Levers(l2_to_base=1.0), LORA, "l2_to_base: is for full .* take weight_decay instead"),
        (Levers(l2_to_base=2000.0), FULL, "would take back 2 times the distance; stay below 1e"),
        (Levers(osf_rank=4), LORA, "osf_rank: replaces LoRA; remove use_peft"),
        (Levers(osf_rank=4, l2_to_base=1.0), FULL, "l2_to_base: is for full fine-tuning only"),
        (Levers(osf_rank=4, interpolation=0.5), FULL, "interpolation: with osf_rank"),
        (Levers(interpolation=0.5), {**LORA, "use_dora": True}, "interpolation: with use_dora"),
        (Levers(osf_rank=4, interpolated_modules=PART), FULL, "_modules: with osf_rank the change"),
        (Levers(interpolated_modules=PART), {**LORA, "use_dora": True}, "_modules: with use_dora"),
        (Levers(entropy_gate=True), {**FULL, "loss_type": "dft"}, "remove loss_type"),
        (
            Levers(kl_to_base=0.1),
            {**FULL, "label_smoothing_factor": 0.1},
            "kl_to_base: does not go with label_smoothing_factor",
        ),
    ],
)
def test_levers_that_the_config_cannot_be_trained_with_are_refused(
    write_config, levers, fields, message
):
    with pytest.raises(ConfigError, match=message):
        levers.check(write_config(**fields))
    Levers().check(write_config(**fields))


def test_the_innermost_module_that_is_named_gives_a_weight_its_scale():
    named = (("model.layers.1", 0.5), ("model.layers.1.mlp.up_proj", 0.0), ("model.norm", 1.0))
    levers = Levers(interpolation=0.75, interpolated_modules=named)
    assert levers.is_interpolated
    for weight, scale in {
        "model.layers.1.mlp.up_proj.weight": 0.0,
        "model.layers.1.mlp.up_proj_2.weight": 0.5,
        "model.layers.1.input_layernorm.weight": 0.5,
        "model.layers.10.input_layernorm.weight": 0.75,
        "model.norm.weight": 1.0,
        "lm_head.weight": 0.75,
    }.items():
        assert levers.scale_of(weight) == scale, weight
    assert Levers(interpolated_modules=named).scale_of("lm_head.weight") == 1.0
    assert not Levers().is_interpolated


def test_a_file_of_replay_is_named_from_where_the_protocol_lies_and_known_by_its_content(tmp_path):
    values = {"replay_share": 0.1, "replay_source": "r.jsonl"}
    levers = Levers.from_values(values, origin="p.yaml", folder=tmp_path)
    assert levers.replay_source == str(tmp_path / "r.jsonl")
    with pytest.raises(ConfigError, match=r"r.jsonl: cannot be read .*; check replay_source"):
        levers.recipe()
    found = []
    for content in ("a", "b"):
        (tmp_path / "r.jsonl").write_text(content)
        found.append(levers.recipe()["replay_source"])
    assert found[0] != found[1]
    assert Levers(replay_share=0.1).recipe() == {"replay_share": 0.1}


def test_pefts_own_levers_reach_peft(write_config):
    mlp = ["gate_proj", "up_proj", "down_proj"]
    config = write_config(
        **{**LORA, "weight_decay": 0.3}, lora_target_modules=mlp, init_lora_weights="pissa"
    )
    adapter = config.adapter_config()
    assert set(adapter.target_modules) == set(mlp)
    assert adapter.init_lora_weights == "pissa"
    assert config.trainer_arguments("unused", use_cpu=True).weight_decay == 0.3
