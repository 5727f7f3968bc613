"""Public recipes are read as TRL's command line reads them, or refused with a true reason."""

import dataclasses
import os
from pathlib import Path

import pytest
import trl
from peft import LoraConfig

from driftline.errors import ConfigError
from driftline.models import (
    check_outputs,
    check_training,
    output_faults,
)
from driftline.models.trainer.config import _config_fields as fields_of
from driftline.models.trainer.config import _former_names as former
from driftline.models.trainer.config import _hints as hints
from tests.models.trainer.config.recipes import FLASH, LIGER, OTHERS, RECIPES

FORMER_NAMES = {"torch_dtype", "max_seq_length", "warmup_ratio", "evaluation_strategy"}


def keys_that_trl_refuses(fields) -> set[str]:
    """Keys that neither TRL's parser nor `accelerate launch` takes."""
    parser = trl.TrlParser(
        (trl.ScriptArguments, trl.SFTConfig, trl.ModelConfig, trl.DatasetMixtureConfig)
    )
    given = {key: value for key, value in fields.items() if key != "env"}
    left = parser.set_defaults_with_config(**given)
    return {key.removeprefix("--") for key in left[::2]} - fields_of.LAUNCH_FIELDS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RECIPES)
def test_a_public_recipe_is_taken_or_refused_with_a_true_reason(read, name, monkeypatch):
    fields, reason = RECIPES[name]
    monkeypatch.setattr(os, "environ", dict(os.environ))
    if reason is None:
        former = keys_that_trl_refuses(fields)
        assert former <= FORMER_NAMES
        config = read(fields)
        check_training(config)
        unlike = set(fields) - set(config.values) - fields_of.LAUNCH_FIELDS
        assert unlike == former, "each field is kept, is the launcher's, or has another name today"
        return
    with pytest.raises(ConfigError) as caught:
        check_training(read(fields))
    assert reason in str(caught.value)
    is_about_a_key = "unknown key" in str(caught.value)
    assert bool(keys_that_trl_refuses(fields)) == is_about_a_key


def test_how_many_recipes_are_taken_is_what_the_design_page_says():
    reasons = [reason for _, reason in RECIPES.values()]
    packages = sum(reason in (FLASH, LIGER) for reason in reasons)
    row = f"| after | {reasons.count(None)} | 0 | {packages} | {len(reasons) - packages - reasons.count(None)} |"
    page = (Path(__file__).parents[4] / "design" / "configs.md").read_text("utf-8")
    assert row in page
    assert f"{len(RECIPES)} public recipes" in page


FORMER = [
    ({"torch_dtype": "bfloat16"}, {"dtype": "bfloat16"}),
    ({"max_seq_length": 2048}, {"max_length": 2048}),
    ({"max_seq_length": 2048, "max_length": 2048}, {"max_length": 2048}),
    ({"evaluation_strategy": "no"}, {"eval_strategy": "no"}),
    ({"no_cuda": True}, {"use_cpu": True}),
    ({"per_gpu_train_batch_size": 3}, {"per_device_train_batch_size": 3}),
    ({"use_liger": False}, {"use_liger_kernel": False}),
    ({"group_by_length": True}, {"train_sampling_strategy": "group_by_length"}),
    ({"group_by_length": False}, {}),
    ({"adafactor": True}, {"optim": "adafactor"}),
    ({"adafactor": False, "optim": "sgd"}, {"optim": "sgd"}),
    ({"warmup_ratio": 0.1}, {"warmup_steps": 0.1}),
    ({"warmup_ratio": "3e-2"}, {"warmup_steps": 0.03}),
    ({"warmup_ratio": 0.1, "warmup_steps": 0}, {"warmup_steps": 0.1}),
    ({"warmup_ratio": 0.1, "warmup_steps": 7}, {"warmup_steps": 7}),
    ({"warmup_ratio": 0.0}, {}),
    ({"warmup_ratio": None}, {}),
    ({"overwrite_output_dir": True, "logging_dir": "x"}, {}),
    ({"past_index": -1, "half_precision_backend": "auto", "ray_scope": "last"}, {}),
    (
        {"split_batches": None, "dispatch_batches": False, "sharded_ddp": [], "mp_parameters": ""},
        {},
    ),
]


@pytest.mark.parametrize(("fields", "wanted"), FORMER)
def test_former_names_of_fields_are_read_as_those_of_today_and_told(read, fields, wanted):
    config = read(fields)
    assert config.values == wanted
    told = " ".join(config.notes)
    for key in fields:
        moved = key not in wanted and fields[key] not in (None, False) and fields[key] != 0
        assert (key in told) or not moved or len(fields) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"max_seq_length": 512, "max_length": 256}, "max_seq_length: 512 and max_length: 256"),
        ({"torch_dtype": "float16", "dtype": "float32"}, "keep dtype"),
        ({"warmup_ratio": 1.5}, "unknown key warmup_ratio; write the share"),
        ({"warmup_ratio": "much"}, "unknown key warmup_ratio; write the share"),
        ({"warmup_ratio": True}, "unknown key warmup_ratio; write the share"),
        ({"split_batches": True}, "unknown key split_batches"),
        ({"predict_with_generate": True}, "unknown key predict_with_generate"),
        ({"lr": 1, "epochs": 2, "foo": 3},
         "lr; TRL calls it learning_rate. Also unknown key epochs; .*Also unknown key foo; TRL has no"),
    ],
)  # fmt: skip
def test_what_has_no_one_meaning_is_refused_and_every_unknown_key_is_named(read, fields, reason):
    with pytest.raises(ConfigError, match=reason):
        read(fields)


@pytest.mark.parametrize("name", OTHERS)
def test_a_config_of_another_trainer_is_read_where_its_fields_mean_the_same(read, name):
    fields, wanted, told = OTHERS[name]
    config = read(fields)
    assert {key: config.values.get(key) for key in wanted} == wanted
    assert config.uses_peft == ("use_peft" in wanted or "lora_r" in wanted)
    assert told in " ".join(config.notes)
    assert config.loss_on_answers == (fields.get("train_on_inputs") is not True)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"base_model": "a/b", "rl": "dpo"}, "rl: dpo is not supported"),
        (
            {"base_model": "a/b", "adapter": "llama-adapter"},
            "adapter: llama-adapter is not supported",
        ),
        ({"stage": "dpo", "finetuning_type": "lora"}, "stage: dpo is not supported"),
        ({"stage": "sft", "finetuning_type": "freeze"}, "finetuning_type: freeze is not supported"),
    ],
)
def test_another_kind_of_training_is_refused(read, fields, reason):
    with pytest.raises(ConfigError, match=reason):
        read(fields)


AXOLOTL = {"base_model": "a/b", "learning_rate": 1e-4}
FACTORY = {"finetuning_type": "full", "stage": "sft", "cutoff_len": 64}
MEANT = [
    (AXOLOTL, {"num_train_epochs": 1, "per_device_train_batch_size": 1, "lr_scheduler_type": "cosine",
               "gradient_accumulation_steps": 1, "optim": "adamw_torch_fused", "max_length": 512,
               "warmup_steps": 0.03, "bf16": True, "dtype": "bfloat16"}),
    ({**AXOLOTL, "bf16": "auto", "fp16": None}, {"bf16": True, "dtype": "bfloat16"}),
    ({**AXOLOTL, "bf16": "full"}, {"bf16": False, "dtype": "bfloat16"}),
    ({**AXOLOTL, "bfloat16": True, "bf16": None}, {"bf16": True, "dtype": "bfloat16"}),
    ({**AXOLOTL, "bf16": False}, {"bf16": False, "dtype": "float32"}),
    ({**AXOLOTL, "bf16": None, "fp16": None}, {"bf16": False, "dtype": "float32"}),
    ({**AXOLOTL, "fp16": True}, {"fp16": True, "bf16": None, "dtype": "float16"}),
    ({**AXOLOTL, "adapter": "lora", "lora_r": 8}, {"lora_dropout": 0.0, "use_peft": True}),
    ({**AXOLOTL, "adapter": None, "lora_r": 8, "lora_target_modules": ["q_proj"]},
     {"use_peft": None, "lora_r": None, "target_modules": None}),
    ({**AXOLOTL, "cosine_min_lr_ratio": 0.1},
     {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}),
    ({**AXOLOTL, "warmup_ratio": 0.1, "warmup_steps": 5}, {"warmup_steps": 5}),
    ({**AXOLOTL, "gradient_checkpointing": "offload"}, {"gradient_checkpointing": True}),
    ({**AXOLOTL, "group_by_length": True}, {"train_sampling_strategy": "group_by_length"}),
    ({**AXOLOTL, "curriculum_sampling": True}, {"train_sampling_strategy": "sequential"}),
    ({**AXOLOTL, "adapter": "lora", "peft_layers_to_transform": [0, 1]}, {"layers_to_transform": [0, 1]}),
    (FACTORY, {"learning_rate": 5e-5, "bf16": False, "max_length": 64, "use_peft": None}),
    ({**FACTORY, "stage": None, "bf16": True}, {"bf16": True, "completion_only_loss": True}),
    ({**FACTORY, "pure_bf16": True}, {"bf16": False, "dtype": "bfloat16"}),
    ({**FACTORY, "stage": "pt"}, {"packing": True, "packing_strategy": "wrapped"}),
    ({**FACTORY, "stage": "pt", "packing": False}, {"packing": False, "packing_strategy": None}),
    ({**FACTORY, "neat_packing": True}, {"packing": True}),
    ({**FACTORY, "use_dft_loss": True}, {"loss_type": "dft"}),
    ({**FACTORY, "disable_shuffling": True}, {"train_sampling_strategy": "sequential"}),
    ({**FACTORY, "label_smoothing_factor": 0.1}, {"label_smoothing_factor": 0.1}),
    ({**FACTORY, "finetuning_type": "lora", "quantization_bit": 4, "lora_rank": 4},
     {"load_in_4bit": True, "lora_r": 4, "lora_alpha": 8}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "wanted"), MEANT, ids=str)
def test_what_another_trainer_means_is_trained_and_its_defaults_are_told(read, fields, wanted):
    config = read(fields)
    assert {key: config.values.get(key) for key in wanted} == wanted
    added = [key for key in ("num_train_epochs", "learning_rate") if key in wanted]
    assert all(f"{key} {wanted[key]}" in config.notes[-1] for key in added)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        *[({**AXOLOTL, key: 1}, f"{key}: TRL has no field for it.*; remove the key")
          for key in ("relora", "lisa_n_layers", "unfrozen_parameters", "loraplus_lr_ratio", "lr_groups",
                      "embedding_lr", "reward_model", "lora_model_dir", "rope_scaling")],
        *[({**FACTORY, key: 1}, f"{key}: TRL has no field for it.*; remove the key")
          for key in ("use_galore", "use_badam", "pissa_init", "mask_history", "adapter_name_or_path",
                      "loraplus_lr_ratio", "rope_scaling", "moe_aux_loss_coef")],
        ({**AXOLOTL, "batch_size": 8}, "batch_size: write gradient_accumulation_steps"),
        ({"base_model": "a/b"}, "learning_rate: is missing, and Axolotl has no default"),
        ({**AXOLOTL, "num_epoch": 2}, "unknown key num_epoch; did you mean num_epochs"),
        ({**AXOLOTL, "micro_batch_sizes": 2}, "did you mean micro_batch_size"),
        ({**FACTORY, "lerning_rate": 1e-4}, "unknown key lerning_rate; did you mean learning_rate"),
        ({**FACTORY, "finetuning_type": "lora", "lora_rank": "x"}, "lora_rank: 'x' is not a whole number"),
        ({**FACTORY, "quantization_bit": 3}, "quantization_bit: 3 is not supported"),
        ({**FACTORY, "resume_from_checkpoint": "a/checkpoint-5"}, "begins at a checkpoint is not supported"),
        ({**AXOLOTL, "cosine_min_lr_ratio": 0.1, "lr_scheduler": "linear"}, "belongs to lr_scheduler: cosine"),
    ],
)  # fmt: skip
def test_what_would_be_another_run_than_the_other_trainers_is_refused(read, fields, reason):
    with pytest.raises(ConfigError, match=reason):
        read(fields)


@pytest.mark.parametrize(
    "launch", [{"mixed_precision": "bf16"}, {"accelerate_config": "single_gpu"}]
)
def test_the_launchers_precision_counts_where_the_config_switches_its_own_off(read, launch):
    config = read({**launch, "bf16": False})
    assert config.values["bf16"] is True
    assert "but for mixed precision in bf16" in config.notes[0]
    assert "bf16" not in read(launch).values
    assert read({**launch, "bf16": False, "fp16": True}).values["bf16"] is False
    assert read({"mixed_precision": "no", "bf16": False}).values["bf16"] is False


def test_every_field_of_trl_is_honoured_set_aside_or_refused(read, tmp_path):
    sets = (fields_of.OUTPUT_FIELDS, fields_of.EVALUATION_FIELDS, set(fields_of.REFUSED))
    for number, each in enumerate(sets):
        assert each <= fields_of.SFT_FIELDS
        assert all(not each & other for other in sets[number + 1 :])
    honoured = fields_of.SFT_FIELDS - set().union(*sets) - fields_of.ABOUT_THE_MODEL
    plain = trl.SFTConfig(output_dir="x", use_cpu=True)
    simple = {
        "weight_decay": 0.5, "adam_beta1": 0.5, "data_seed": 3, "max_grad_norm": 0.3,
        "dataloader_drop_last": True, "packing": True, "neftune_noise_alpha": 2.0, "full_determinism": False,
        "pad_to_multiple_of": 8, "completion_only_loss": False, "assistant_only_loss": True,
        "truncation_mode": "keep_end", "label_smoothing_factor": 0.2, "router_aux_loss_coef": 0.1,
        "average_tokens_across_devices": False, "dataset_text_field": "body", "pad_token": "<x>",
        "dataset_kwargs": {"skip_prepare_dataset": True}, "activation_offloading": True,
        "train_sampling_strategy": "sequential", "eos_token": "</s>", "shuffle_dataset": True,
        "torch_empty_cache_steps": 5, "tf32": False, "optim_target_modules": ["q"],
        "remove_unused_columns": False, "auto_find_batch_size": True, "optim_args": "a=1",
    }  # fmt: skip
    assert set(simple) <= honoured
    arguments = read(simple).trainer_arguments(tmp_path, use_cpu=True)
    for key, value in simple.items():
        assert getattr(arguments, key) == value, key
        assert key == "full_determinism" or getattr(plain, key) != value, key


def test_every_hint_names_a_field_that_is_there(read):
    for old, new in hints._RENAMED.items():
        assert old not in fields_of.TRL_FIELDS | fields_of.LAUNCH_FIELDS | fields_of.PEFT_FIELDS
        assert new in fields_of.TRL_FIELDS
        with pytest.raises(ConfigError, match=f"unknown key {old}; TRL calls it {new}$"):
            read({old: 1})
    for old, mend in hints._MENDS.items():
        assert old not in fields_of.TRL_FIELDS | fields_of.LAUNCH_FIELDS | fields_of.PEFT_FIELDS
        named = {word.strip(":.,;()") for word in mend.split() if "_" in word}
        known = fields_of.TRL_FIELDS | {"use_reentrant", "flash_attention_2", "WANDB_PROJECT"}
        known |= {"WANDB_ENTITY", "WANDB_RUN_GROUP", "group_by_length", "{use_reentrant"}
        known |= {"CUDA_VISIBLE_DEVICES"}
        assert named <= known, (old, named - known)
        with pytest.raises(ConfigError, match="unknown key"):
            read({old: 1})


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("bos_token", "eos_token"), ("use_lora", "use_rslora"), ("eval_batch_size", "batch_eval_metrics"),
     ("max_tokens", "max_steps"), ("use_gradient_checkpointing", "gradient_checkpointing_kwargs")],
)  # fmt: skip
def test_a_hint_names_no_field_of_another_meaning(read, key, wrong):
    with pytest.raises(ConfigError) as caught:
        read({key: 1})
    assert wrong not in str(caught.value)
    assert "TRL has no such field" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("learning_rat", "learning_rate"), ("gradient_acumulation_steps", "gradient_accumulation_steps"),
     ("lora_alfa", "lora_alpha"), ("num_train_epoch", "num_train_epochs"), ("warmup_step", "warmup_steps"),
     ("lora_target_module", "lora_target_modules"), ("weight_deca", "weight_decay")],
)  # fmt: skip
def test_a_slip_of_the_pen_is_told_from_a_key_of_another_thing(read, wrong, right):
    with pytest.raises(ConfigError, match=f"did you mean {right}"):
        read({wrong: 1})


@pytest.mark.parametrize(
    "key",
    ["num_epochs_", "benchmarks", "callbacks", "hub_model_revision", "unfreeze", "rope_theta"],
)
def test_no_field_is_suggested_for_a_key_that_is_like_none(read, key):
    with pytest.raises(ConfigError) as caught:
        read({key: 1})
    suggested = str(caught.value).partition("did you mean ")[2].rstrip("?")
    assert suggested in ("", "num_train_epochs", "hub_revision")


@pytest.mark.parametrize(
    ("fields", "steps", "told"),
    [
        ({"num_processes": 4, "gradient_accumulation_steps": 2}, 8, "of 4 processes"),
        ({"num_processes": 4, "gradient_accumulation_steps": "2"}, 8, "of 4 processes"),
        ({"accelerate_config": "zero2", "num_processes": 4}, 4, "of 4 processes"),
        ({"accelerate_config": "zero2"}, 8, "of 8 processes"),
        ({"accelerate_config": "single_gpu"}, 1, "set aside"),
        ({"accelerate_config": "own.yaml"}, 3, "of 3 processes"),
        ({"config_file": "own.yaml", "gradient_accumulation_steps": 2}, 6, "of 3 processes"),
        ({"main_process_port": 29500, "mixed_precision": "bf16"}, 1, "set aside"),
        ({"num_processes": 1}, 1, "set aside"),
    ],
)
def test_a_launchers_processes_become_accumulation(read, tmp_path, fields, steps, told):
    (tmp_path / "own.yaml").write_text("num_processes: 3\n")
    config = read(fields)
    assert config.value("gradient_accumulation_steps") == steps
    assert told in config.notes[0]
    assert all(key in config.notes[0] for key in fields if key != "gradient_accumulation_steps")


@pytest.mark.parametrize("targets", [["all-linear"], "all-linear"])
def test_a_list_of_one_target_is_that_one(read, targets):
    for key in ("lora_target_modules", "target_modules"):
        assert (
            read({"use_peft": True, key: targets}).adapter_config().target_modules == "all-linear"
        )


def test_pefts_fields_go_on_top_of_what_trl_makes(read):
    adapter = read({"use_peft": True, "lora_r": 4, "bias": "all", "lora_alpha": 3}).adapter_config()
    assert (adapter.r, adapter.bias, adapter.lora_alpha, adapter.lora_dropout) == (
        4,
        "all",
        3,
        0.05,
    )
    assert isinstance(adapter, LoraConfig)
    assert {f.name for f in dataclasses.fields(adapter)} >= {"r", "bias"}


BROKEN = [
    ({"lr_scheduler_type": "cosine_with_min_lr"}, "lr_scheduler_type: cosine_with_min_lr with"),
    ({"lr_scheduler_type": "warmup_stable_decay"}, "num_decay_steps"),
    ({"lr_scheduler_type": "polynomial", "learning_rate": 1e-8}, "lr_end"),
    ({"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycle": 2}}, "num_cycle"),
    ({"lr_scheduler_type": "linear", "lr_scheduler_kwargs": {"a": 2}}, "lr_scheduler_kwargs"),
    ({"optim": "galore_adamw"}, "optim"),
    ({"optim": "adamw_torch", "optim_args": "nonsense"}, "optim: .*unpack"),
    ({"optim": "schedule_free_adamw"}, "optim: .*schedulefree"),
    ({"optim": "adamw_anyprecision"}, "optim: .*torchdistx"),
    ({"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps",
      "lr_scheduler_kwargs": {"patient": 1}}, "patient"),
    ({"optim": "grokadamw"}, "optim: .*grokadamw"),
    ({"activation_offloading": True}, "activation_offloading: needs an accelerator"),
    ({"use_liger_kernel": True}, "pip install liger-kernel"),
    ({"attn_implementation": "flash_attention_2"}, "write attn_implementation: sdpa"),
    ({"chat_template_path": "nowhere.jinja"}, "chat_template_path: no file nowhere.jinja"),
    ({"chat_template_path": "/nowhere/x"}, "chat_template_path: no folder /nowhere/x"),
    ({"chat_template_path": "./templates"}, "chat_template_path: no folder ./templates"),
    ({"model_init_kwargs": {"attention_dropout": 0.1}}, "attention_dropout is not supported; write it"),
    ({"model_init_kwargs": {"torch_dtype": "bfloat16"}}, "torch_dtype is not supported; write dtype"),
    ({"model_init_kwargs": {"dtype": "half"}}, "dtype: 'half' is not one of"),
    ({"load_in_4bit": True, "load_in_8bit": True, "use_peft": True}, "8 bit and 4 bit"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("fields", "reason"), BROKEN, ids=str)
def test_what_training_would_break_off_at_is_refused_before_it(read, fields, reason, monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(ConfigError, match=reason) as caught:
        check_training(read(fields))
    assert str(caught.value).startswith("recipe.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"report_to": "wandbb"}, "report_to: wandbb is not one of"),
        (
            {"report_to": "neptune"},
            "report_to: neptune is not installed here; run pip install neptune",
        ),
        ({"report_to": ["none", "clearml"]}, "clearml is not installed here"),
        ({"push_to_hub": True, "hub_model_id": "a/b"}, "push_to_hub: .*push_to_hub: false"),
    ],
)
def test_reports_and_uploads_that_would_fail_are_told_first(read, fields, reason, monkeypatch):
    monkeypatch.setattr("driftline.models.trainer.config._config_checks.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=reason):
        check_outputs(read(fields))
    assert len(output_faults(read(fields))) == 1


@pytest.mark.parametrize("value", ["none", "all", [], ["none"]])
def test_reporters_that_need_nothing_are_taken(read, value):
    assert output_faults(read({"report_to": value})) == ()


def test_fields_without_effect_are_listed(read):
    config = read({"lora_r": 8, "max_steps": 5, "num_train_epochs": 3, "bnb_4bit_quant_type": "fp4",
                   "eval_steps": 2, "packing_strategy": "wrapped"})  # fmt: skip
    assert set(config.unused_fields()) == {
        "lora_r", "num_train_epochs", "bnb_4bit_quant_type", "eval_steps", "packing_strategy",
    }  # fmt: skip
    assert "without effect beside the other fields" in config.notes[-1]
    used = {"use_peft": True, "lora_r": 8, "packing": True, "packing_strategy": "wrapped"}
    assert read(used).notes == ()


def test_a_probe_says_what_it_leaves_out(read):
    notes = read({"eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True,
                  "output_dir": "x", "model_name_or_path": "a/b"}).probe_notes()  # fmt: skip
    assert len(notes) == 3
    for key in ("eval_strategy", "eval_steps", "output_dir", "load_best_model_at_end"):
        assert key in notes[0]
    assert "forecast is of the last one" in notes[1]
    assert "model_name_or_path: set aside" in notes[2]
    assert read({"learning_rate": 1e-4}).probe_notes() == ()


@pytest.mark.parametrize("schedule", ["reduce_lr_on_plateau", "greedy"])
def test_a_schedule_that_follows_evaluations_has_no_plan_and_may_train(read, schedule):
    config = read(
        {"lr_scheduler_type": schedule, "eval_strategy": "steps", "save_strategy": "best"}
    )
    check_training(config)
    with pytest.raises(ConfigError, match=f"{schedule} has no plan to look ahead along"):
        config.check_plan()
    without = config.without_evaluation("no rows; --eval-data names some")
    assert without.values == {"lr_scheduler_type": "constant"}
    check_training(without)
    assert "the learning rate stays where it begins" in without.notes[-1]


def test_variables_of_the_file_are_set(read, monkeypatch):
    monkeypatch.delenv("SOME_VARIABLE", raising=False)
    config = read({"env": {"SOME_VARIABLE": 3}, "max_steps": 1})
    assert config.values == {"max_steps": 1}
    config.set_environment()
    assert os.environ.pop("SOME_VARIABLE") == "3"


def test_every_former_name_stands_for_a_field_that_is_there():
    known = fields_of.TRL_FIELDS | fields_of.LAUNCH_FIELDS | fields_of.PEFT_FIELDS
    today = {*former._RENAMED.values(), *(new for new, _ in former._SWITCHES.values())}
    assert today <= fields_of.TRL_FIELDS
    old = {*former._RENAMED, *former._SWITCHES, *former._WITHOUT_EFFECT, *former._UNSET}
    assert not old & known
