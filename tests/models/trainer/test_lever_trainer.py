"""Each lever changes the training the way its definition says; without levers nothing changes."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

from driftline.errors import ConfigError
from driftline.models import Levers
from driftline.models.language_model import _rounded_products
from driftline.models.trainer._lever_trainer import lever_trainer
from tests.models.gradients.test_family_slopes import open_family
from tests.models.runs import FULL, LORA, TEXTS
from tests.models.trainer.test_trajectory import changes

PLAIN = {**FULL, "weight_decay": 0.0, "lr_scheduler_type": "constant"}


@pytest.fixture
def train(base, tmp_path, write_config, write_data):
    """Trains a copy of the base to the end, logging every step."""

    def run(levers, fields=PLAIN, *, records=TEXTS, is_trained=True):
        config, data = write_config(**fields), write_data(records)
        arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
        arguments.logging_strategy, arguments.logging_steps = "steps", 1
        trainer = lever_trainer(base, config, data, arguments=arguments, levers=levers)
        if is_trained:
            trainer.train()
        return trainer

    return run


def norm(found):
    return math.sqrt(sum(float(change.square().sum()) for change in found.values()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [FULL, {**LORA, "lora_dropout": 0.1}], ids=["full", "lora"])
def test_without_levers_it_is_trls_trainer_bit_for_bit(
    train, real_run, write_config, write_data, fields
):
    wanted = real_run(write_config(**fields), write_data(TEXTS)).weights[8]
    found = dict(train(Levers(), fields).model.named_parameters())
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


@pytest.mark.parametrize("is_native", [True, False])
def test_products_in_bfloat16_are_taken_over_in_both_passes_of_a_step(
    train, monkeypatch, is_native
):
    monkeypatch.setattr(_rounded_products, "is_bfloat16_native", lambda: is_native)
    trainer = train(Levers(), {**PLAIN, "bf16": True}, is_trained=False)
    found = set()

    def note(pass_):
        return lambda *_: found.add((pass_, _get_current_dispatch_mode() is not None))

    head = trainer.model.get_output_embeddings()
    trainer.model.register_forward_hook(note("forward"))
    head.weight.register_hook(note("backward"))
    trainer.train()
    assert found == {("forward", not is_native), ("backward", not is_native)}
    assert _get_current_dispatch_mode() is None


def test_a_recipe_without_levers_is_what_it_was(trajectory):
    made = trajectory()
    assert set(made.recipe(3)) == {"kind", "base", "config", "data", "step"}
    frozen = ("model.layers.0",)
    old, new = replace(made, frozen=frozen), replace(made, levers=Levers(frozen_modules=frozen))
    assert old.recipe(3) == new.recipe(3) == {**made.recipe(3), "frozen": list(frozen)}
    held = replace(made, levers=Levers(kl_to_base=0.5))
    assert held.recipe(3) == {**made.recipe(3), "levers": {"kl_to_base": 0.5}}


@pytest.mark.parametrize("lever", ["frozen_modules", "slowed_modules"])
@pytest.mark.parametrize(
    ("family", "name", "num_weights"),
    [
        ("qwen3_moe", "model.layers.0.mlp.experts.gate_up_proj", 1),
        ("gpt_oss", "model.layers.0.mlp.experts.down_proj", 2),
        ("gpt_oss", "model.layers.1.self_attn.sinks", 1),
        ("mamba", "backbone.layers.0.mixer.A_log", 1),
    ],
)
def test_a_parameter_that_the_map_names_is_held_alone(
    tmp_path, write_config, write_data, lever, family, name, num_weights
):
    opened = open_family(family)
    value = (name,) if lever == "frozen_modules" else ((name, 0.1),)
    config = write_config(**PLAIN)
    arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
    trainer = lever_trainer(
        opened, config, write_data(TEXTS), arguments=arguments, levers=Levers(**{lever: value})
    )
    trainer.create_optimizer()
    if lever == "frozen_modules":
        held = [n for n, weight in trainer.model.named_parameters() if not weight.requires_grad]
    else:
        slow = {
            id(w)
            for group in trainer.optimizer.param_groups
            if group["lr"] < 0.5 * arguments.learning_rate
            for w in group["params"]
        }
        held = [n for n, weight in trainer.model.named_parameters() if id(weight) in slow]
    assert len(held) == num_weights
    assert all(each.startswith(name) for each in held)


def test_frozen_weights_stay_bit_for_bit(base, train):
    trainer = train(Levers(frozen_modules=("model.layers.0", "lm_head")))
    start = dict(base.model.named_parameters())
    for name, weight in trainer.model.named_parameters():
        is_frozen = name.startswith(("model.layers.0.", "lm_head"))
        assert torch.equal(weight, start[name]) == is_frozen, name


def test_slowed_modules_take_a_fraction_of_the_step_and_the_innermost_counts(trajectory):
    whole = trajectory(PLAIN, kept=(1,))
    slowed = (("model.layers.0.mlp", 0.5), ("model.layers.0", 0.25))
    held = changes(replace(whole, levers=Levers(slowed_modules=slowed)), 1)
    for name, change in changes(whole, 1).items():
        factor = 1.0
        if name.startswith("model.layers.0."):
            factor = 0.5 if ".mlp." in name else 0.25
        assert torch.allclose(held[name], factor * change, rtol=1e-3, atol=1e-7), name


def test_slowed_modules_follow_the_schedule(train):
    trainer = train(Levers(slowed_modules=(("model.layers.0", 0.25),)), FULL, is_trained=False)
    trainer.create_optimizer_and_scheduler(8)
    trainer.create_optimizer()  # once more changes nothing
    groups = trainer.optimizer.param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(trainer.model.parameters()))
    for _ in range(3):
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    rates = {round(group["lr"] / groups[0]["lr"], 6) for group in groups if group["params"]}
    assert rates == {1.0, 0.25}
    assert {group["weight_decay"] for group in groups} == {0.0, 0.01}


def test_l2_takes_back_a_fraction_of_the_distance_after_each_step(trajectory):
    whole = trajectory({**PLAIN, "lr_scheduler_type": "linear"}, kept=(1, 8))
    held = replace(whole, levers=Levers(l2_to_base=100.0))
    pulled = changes(held, 1)
    for name, change in changes(whole, 1).items():
        assert torch.allclose(pulled[name], change * (1 - 1e-3 * 100), rtol=1e-3, atol=1e-7), name
    assert norm(changes(held, 8)) < 0.9 * norm(changes(whole, 8))


@pytest.mark.parametrize("optim", ["adamw_torch", "sgd"])
def test_the_adaptive_rate_is_the_planned_one_over_the_root_of_the_loss(train, trajectory, optim):
    fields = {**PLAIN, "optim": optim}
    whole = trajectory(fields, kept=(1,))
    held = changes(replace(whole, levers=Levers(loss_adaptive_rate=True)), 1)
    loss = train(Levers(), fields).state.log_history[0]["loss"]
    assert loss > 4
    for name, change in changes(whole, 1).items():
        wanted = change / math.sqrt(loss)
        assert torch.allclose(held[name], wanted, rtol=2e-3, atol=1e-7), name


def test_the_adaptive_rate_leaves_the_planned_one_to_schedule_and_logs(train):
    logs = [train(Levers(loss_adaptive_rate=on), FULL).state.log_history for on in (False, True)]
    rates = [[line["learning_rate"] for line in log if "loss" in line] for log in logs]
    assert rates[0] == rates[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "levers",
    [
        Levers(kl_to_base=1.0),
        Levers(entropy_gate=True),
        Levers(loss_adaptive_rate=True, kl_to_base=0.3, entropy_gate=True),
    ],
    ids=["kl", "gate", "all"],
)
def test_accumulated_batches_train_as_one(trajectory, tmp_path, levers):
    found = []
    for rows in (4, 1):
        fields = {
            **PLAIN, "optim": "sgd", "learning_rate": 0.1, "per_device_train_batch_size": rows,
            "gradient_accumulation_steps": 4 // rows,
        }  # fmt: skip
        made = trajectory(fields, kept=(3,), folder=tmp_path / str(rows))
        found.append(changes(replace(made, levers=levers), 3))
    for name, change in found[0].items():
        assert torch.allclose(change, found[1][name], rtol=1e-3, atol=1e-6), name


def _kl(base, trainer):
    ids = base.tokenizer([each["text"] for each in TEXTS[:4]], return_tensors="pt", padding=True)
    trainer.model.eval()
    with torch.no_grad():
        theirs, ours = (
            model(**ids).logits.log_softmax(-1) for model in (base.model, trainer.model)
        )
    return float((theirs.exp() * (theirs - ours)).sum(-1).mean())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [{**PLAIN, "learning_rate": 5e-3}, LORA], ids=["full", "lora"])
def test_kl_keeps_the_output_near_the_bases(base, train, fields):
    free, held = (train(Levers(kl_to_base=weight), fields) for weight in (0.0, 5.0))
    assert _kl(base, held) < 0.5 * _kl(base, free)
    logged = [line["kl_to_base"] for line in held.state.log_history if "loss" in line]
    assert logged[0] < 1e-5
    assert logged[-1] > 1e-5


@pytest.mark.filterwarnings("ignore")
def test_kl_starts_at_zero_in_bfloat16_too(train):
    held = train(Levers(kl_to_base=1.0), {**PLAIN, "bf16": True, "max_steps": 2})
    assert abs(held.state.log_history[0]["kl_to_base"]) < 1e-6


@pytest.mark.filterwarnings("ignore")
def test_osf_trains_the_modules_that_are_named(base, trajectory, train):
    fields = {**PLAIN, "lora_target_modules": ["gate_proj", "up_proj", "down_proj"]}
    levers = Levers(osf_rank=0.5)
    held = changes(replace(trajectory(fields, kept=(8,)), levers=levers), 8)
    assert len(held) == 6
    assert all(".mlp." in name for name in held)
    for name, change in held.items():
        weight = dict(base.model.named_parameters())[name]
        left, _, right = torch.linalg.svd(weight.detach(), full_matrices=False)
        kept = left[:, :16].T @ change @ right[:16].T
        assert kept.norm() < 0.15 * change.norm(), name


def test_several_processes_are_refused(base, write_config, write_data):
    config, data = write_config(**FULL), write_data(TEXTS)
    arguments = SimpleNamespace(n_gpu=1, world_size=2)
    with pytest.raises(ConfigError, match="1 GPUs and 2 processes: levers are for one process"):
        lever_trainer(base, config, data, arguments=arguments, levers=Levers(entropy_gate=True))


def test_a_module_that_is_not_there_is_refused(train):
    scaled = (("nowhere", 0.5),)
    for lever, value in (
        ("frozen_modules", ("nowhere",)),
        ("slowed_modules", scaled),
        ("interpolated_modules", scaled),
    ):
        with pytest.raises(ConfigError, match=f"{lever}: the model has no module nowhere; take"):
            train(Levers(**{lever: value}))


@pytest.mark.parametrize(
    ("module", "message"),
    [("lm_head", "lm_head: is tied to another module; name model.embed_tokens instead"),
     ("model.layers.0.mlp.act_fn", "act_fn: holds no weight (.*); leave it out")],
)  # fmt: skip
def test_a_module_whose_scale_would_do_nothing_is_refused(
    open_family, write_config, write_data, tmp_path, module, message
):
    config, data = write_config(**FULL), write_data(TEXTS)
    arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)
    levers = Levers(interpolated_modules=((module, 0.5),))
    with pytest.raises(ConfigError, match=f"config.yaml: interpolated_modules: .*{message}"):
        lever_trainer(open_family("llama-tied"), config, data, arguments=arguments, levers=levers)
