"""Which levers there are for one model and config."""

from driftline.analyses.planning._choices import mlp_modules, plan_space
from driftline.models import list_weights
from tests import tiny

from ..plans import CONFIG, sums


def test_the_users_own_choice_comes_first(opened, tmp_path):
    data = sums(tmp_path / "sums.jsonl")
    space = plan_space(opened, CONFIG, data)
    assert space.choices["method"] == ("full", "lora", "lora_mlp", "osf")
    assert space.choices["steps"] == (1.0, 0.5)
    assert [space.plans[share].num_steps for share in (1.0, 0.5)] == [5, 2]
    assert space.plans[1.0].examples_per_step == 4
    assert len(space.plans[1.0].example_tokens) == 60
    lora = CONFIG.with_values(use_peft=True, lora_r=32, weight_decay=0.1)
    space = plan_space(opened, lora, data)
    assert space.choices["method"] == ("lora", "full", "lora_mlp", "osf")
    assert space.choices["rank"] == (32, 8, 16, 64)
    assert space.choices["weight_decay"] == (0.1, 0.0, 0.3)


def test_what_the_loss_of_a_config_does_not_take_is_not_offered(opened, tmp_path):
    smoothed = CONFIG.with_values(label_smoothing_factor=0.1)
    space = plan_space(opened, smoothed, sums(tmp_path / "sums.jsonl"))
    assert not {"kl_to_base", "entropy_gate", "loss_adaptive_rate"} & set(space.choices)
    assert "replay_share" in space.choices


def test_the_modules_of_an_mlp_are_told_from_those_of_attention():
    assert mlp_modules(list_weights(tiny.model())) == ("down_proj", "gate_proj", "up_proj")
    # Both of GPT-2's blocks have a c_proj.
    assert mlp_modules(list_weights(tiny.model("gpt2"))) == ("c_fc", "mlp.c_proj")
