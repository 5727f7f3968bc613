"""Every field of TRL's command line is honoured, set aside with a line, or refused by name."""

import dataclasses
import warnings

import pytest
import trl
import yaml

from driftline.errors import ConfigError
from driftline.models import named_model, read_training_config, run_notes
from driftline.models.trainer.config import _config_fields as fields_of
from driftline.models.trainer.config._config_notes import streams
from driftline.training._runner import _arguments

HONOURED = {
    "per_device_train_batch_size": 3, "num_train_epochs": 2.5, "max_steps": 7, "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycles": 0.3}, "warmup_steps": 0.25,
    "optim": "adafactor", "optim_args": "a=1", "weight_decay": 0.5, "adam_beta1": 0.5,
    "adam_beta2": 0.5, "adam_epsilon": 0.5, "optim_target_modules": ["q"],
    "gradient_accumulation_steps": 3, "average_tokens_across_devices": False, "max_grad_norm": 0.3,
    "label_smoothing_factor": 0.2, "bf16": True, "fp16": False, "tf32": False,
    "activation_checkpointing": True, "activation_checkpointing_kwargs": {"a": 1},
    "gradient_checkpointing": False, "gradient_checkpointing_kwargs": {"use_reentrant": False},
    "torch_compile": True, "torch_compile_backend": "eager", "torch_compile_mode": "default",
    "use_liger_kernel": True, "liger_kernel_config": {"rope": False}, "use_cache": True,
    "neftune_noise_alpha": 2.0, "torch_empty_cache_steps": 5, "auto_find_batch_size": True,
    "include_num_input_tokens_seen": "all", "full_determinism": False, "seed": 7, "data_seed": 3,
    "accelerator_config": {"split_batches": True}, "dataloader_drop_last": True,
    "dataloader_num_workers": 2, "dataloader_pin_memory": False, "dataloader_in_order": False,
    "dataloader_persistent_workers": True, "dataloader_prefetch_factor": None,
    "dataloader_multiprocessing_context": "spawn", "remove_unused_columns": False,
    "train_sampling_strategy": "sequential", "length_column_name": "n",
    "fsdp_config": {"a": 1},
    "debug": "underflow_overflow", "skip_memory_metrics": False,
    "router_aux_loss_coef": 0.1, "chat_template_path": "x.jinja", "dataset_text_field": "body",
    "dataset_kwargs": {"skip_prepare_dataset": True}, "dataset_num_proc": 2, "eos_token": "</s>",
    "max_length": 77, "truncation_mode": "keep_end", "shuffle_dataset": True, "packing": True,
    "packing_strategy": "wrapped", "padding_free": True, "pad_to_multiple_of": 8,
    "completion_only_loss": False, "assistant_only_loss": True, "loss_type": "dft",
    "activation_offloading": True, "pad_token": "<x>",
}  # fmt: skip
"""Field of SFTConfig to a value; the trainer's arguments have it as TRL's own would."""
LOADED = {
    "dtype": "bfloat16", "attn_implementation": "eager", "model_init_kwargs": {"dtype": "float16"},
}  # fmt: skip
"""How the weights are loaded."""
ADAPTER = {
    "lora_r": ("r", 4), "lora_alpha": ("lora_alpha", 3), "lora_dropout": ("lora_dropout", 0.3),
    "lora_target_modules": ("target_modules", {"a", "b"}), "lora_task_type": ("task_type", "SEQ_CLS"),
    "lora_target_parameters": ("target_parameters", ["a.b"]),
    "lora_modules_to_save": ("modules_to_save", ["lm_head"]), "use_rslora": ("use_rslora", True),
    "use_dora": ("use_dora", True), "use_peft": ("peft_type", "LORA"),
}  # fmt: skip
"""Field of ModelConfig to what PEFT's config then holds."""
QUANTISED = {
    "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage",
}  # fmt: skip
"""Kept, and checked against how the base was opened."""
REFUSED = {"deepspeed": "zero.json", "fsdp": True, "parallelism_config": {"tp_size": 2}}
OF_THE_MODEL = {"model_name_or_path", "model_revision", "trust_remote_code"}
OF_THE_DATA = {
    "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "datasets",
    "test_split_size", "dataset_streaming", "streaming",
}  # fmt: skip
WITHOUT_EFFECT = {"ignore_bias_buffers"}
PROCESSES = {
    "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_static_graph",
    "ddp_backend", "ddp_timeout", "local_rank",
}  # fmt: skip
SET_ASIDE = fields_of.OUTPUT_FIELDS | fields_of.EVALUATION_FIELDS | {"use_cpu"}
CLASSES = (
    HONOURED.keys(), LOADED.keys(), ADAPTER.keys(), QUANTISED, REFUSED.keys(), OF_THE_MODEL, OF_THE_DATA,
    WITHOUT_EFFECT, PROCESSES, SET_ASIDE,
)  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def reader(fields):
        path = tmp_path / "sft.yaml"
        path.write_text(yaml.safe_dump(fields, sort_keys=False))
        return read_training_config(path)

    return reader


def test_every_field_of_trls_command_line_is_in_one_class():
    configs = (trl.SFTConfig, trl.ModelConfig, trl.ScriptArguments, trl.DatasetMixtureConfig)
    fields = {f.name for config in configs for f in dataclasses.fields(config) if f.init}
    classified = [name for each in CLASSES for name in each]
    assert fields - set(classified) == set(), "a field that nobody has classified"
    assert set(classified) - fields == set(), "a field that TRL no longer has"
    assert len(classified) == len(set(classified))


@pytest.mark.parametrize("field", sorted(HONOURED))
def test_a_honoured_field_reaches_probe_and_train_as_trl_has_it(read, tmp_path, field):
    config = read({field: HONOURED[field]} | ({"bf16": False} if field != "bf16" else {}))
    assert not any("set aside" in note for note in config.probe_notes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = trl.SFTConfig(output_dir="x", use_cpu=True, **config.values)
    for made in (
        config.trainer_arguments(tmp_path, use_cpu=True),
        _arguments(config, tmp_path, use_cpu=True),
    ):
        found, wanted = getattr(made, field), getattr(plain, field)
        assert str(found) == str(wanted)


@pytest.mark.parametrize("field", LOADED)
def test_a_field_about_loading_reaches_the_copy(read, field):
    value = LOADED[field]
    wanted = value if isinstance(value, dict) else {field: value}
    assert read({field: value}).model_options() == wanted


@pytest.mark.parametrize("field", ADAPTER)
def test_a_field_of_the_adapter_reaches_peft_or_is_told_to_be_without_effect(read, field):
    name, wanted = ADAPTER[field]
    value = sorted(wanted) if isinstance(wanted, set) else True if field == "use_peft" else wanted
    adapter = read({"use_peft": True, field: value}).adapter_config()
    found = getattr(adapter, name)
    assert found == wanted or str(found).endswith(str(wanted))
    if field != "use_peft":
        assert field in read({field: value}).notes[-1]


@pytest.mark.parametrize("field", sorted(SET_ASIDE))
def test_what_a_probe_sets_aside_is_named(read, field):
    kinds = fields_of.kinds_of(field)
    value = {"resume_from_checkpoint": "true"}.get(field, 1 if {int, float} & {*kinds} else "no")
    notes = read({field: value, "eval_strategy": "steps"}).probe_notes()
    assert any(field in note.split(": set aside")[0] for note in notes if "set aside" in note)


@pytest.mark.parametrize("field", sorted(PROCESSES))
def test_how_processes_work_together_is_set_aside(read, field):
    config = read({field: "gloo" if field == "ddp_backend" else 1})
    assert config.values == {}
    assert config.notes == (f"{field}: set aside, they say how processes are launched",)


@pytest.mark.parametrize("field", REFUSED)
def test_a_refused_field_is_named_with_the_mend(read, field):
    with pytest.raises(ConfigError, match=rf"{field}: a distributed run is not .*remove the key"):
        read({field: REFUSED[field]})


@pytest.mark.parametrize("value", ["out/checkpoint-500", "checkpoint-1"])
def test_a_run_that_begins_at_a_checkpoint_is_refused(read, value):
    with pytest.raises(ConfigError, match=r"resume_from_checkpoint: .*remove the key"):
        read({"resume_from_checkpoint": value})


@pytest.mark.parametrize("value", [None, True, False, "true", "no"])
def test_a_run_that_goes_on_where_it_stopped_is_taken(read, value):
    config = read({"resume_from_checkpoint": value})
    assert "resume_from_checkpoint: set aside" in run_notes(config, is_model_named=False)[-1]


@pytest.mark.parametrize("field", sorted(fields_of.SET_BY_TRAIN))
def test_what_train_decides_itself_is_named(read, field):
    notes = run_notes(read({field: True}), is_model_named=False)
    assert notes[-1].startswith(f"{field}: set aside")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"model_name_or_path": "a/b"}, "a/b"),
        ({"model_name_or_path": "a/b", "model_revision": "main"}, "a/b"),
        ({"model_name_or_path": "a/b", "model_revision": "v2"}, "a/b@v2"),
        ({"model_name_or_path": "a/b", "model_init_kwargs": {"revision": "v3"}}, "a/b@v3"),
        ({"model_name_or_path": "smollm2-135m", "model_revision": "v2"}, "smollm2-135m"),
        ({"model_revision": "v2"}, None),
    ],
)
def test_train_opens_the_revision_that_the_config_names(read, fields, named):
    config = read(fields)
    assert named_model(config) == named
    told = " ".join(run_notes(config, is_model_named=True))
    assert all(key in told for key in fields if key != "model_init_kwargs")


def test_a_folder_has_one_revision(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert named_model(read({"model_name_or_path": "a/b", "model_revision": "v2"})) == "a/b"


@pytest.mark.parametrize(
    ("fields", "streamed", "unused"),
    [
        ({"dataset_streaming": True}, True, ()),
        ({"streaming": True}, False, ("streaming",)),
        ({"test_split_size": 0.1}, False, ("test_split_size",)),
        ({"datasets": [{"path": "a"}], "streaming": True}, True, ()),
        ({"datasets": [{"path": "a"}], "dataset_streaming": True}, False, ("dataset_streaming",)),
        ({"datasets": [{"path": "a"}], "dataset_name": "b"}, False, ("dataset_name",)),
        ({"ignore_bias_buffers": True}, False, ("ignore_bias_buffers",)),
    ],
)
def test_fields_about_data_count_as_trls_command_line_has_them(read, fields, streamed, unused):
    config = read(fields)
    assert streams(config) == streamed
    assert config.unused_fields() == unused


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seed": -1}, "seed: -1 is not at least 0 and at most 4294967295"),
        ({"seed": 99999999999}, "seed: 99999999999 is not at least 0 and at most 4294967295"),
        ({"data_seed": -1}, "data_seed: -1 is not at least 0"),
        ({"dataloader_num_workers": -1}, "dataloader_num_workers: -1 is not at least 0"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of: 0 is not at least 1"),
        ({"pad_to_multiple_of": "0"}, "pad_to_multiple_of: 0 is not at least 1"),
        ({"lora_dropout": 1.5, "use_peft": True}, "lora_dropout: 1.5 is not at least 0 and at most 1"),
        ({"bias": "foo", "use_peft": True}, "bias: 'foo' is not one of none, all, lora_only"),
        ({"max_steps": 0}, "max_steps: 0: the run would have no step; write -1 or leave it out"),
        ({"num_train_epochs": 0}, "num_train_epochs: 0: the run would have no step"),
        ({"num_train_epochs": -1, "max_steps": -1}, "num_train_epochs: -1: the run would have no"),
        ({"logging_steps": "ten"}, "logging_steps: 'ten' is not a number"),
        ({"save_steps": None}, "save_steps: None is not a number"),
        ({"save_total_limit": "few"}, "save_total_limit: 'few' is not a whole number or null"),
        ({"push_to_hub": "perhaps"}, "push_to_hub: 'perhaps' is not true or false"),
        ({"eval_strategy": True}, "eval_strategy: True is not one of no, steps, epoch"),
        ({"peft_type": "IA3", "use_peft": True}, "peft_type: IA3 is not supported, LoRA is"),
        ({"inference_mode": True, "use_peft": True}, "inference_mode: true leaves nothing"),
        ({"lora_r": 16, "r": 8, "use_peft": True}, "lora_r: 16 and r: 8 are one field; keep lora_r"),
        (
            {"lora_target_modules": ["a", "b"], "target_modules": ["a"], "use_peft": True},
            "are one field; keep lora_target_modules",
        ),
    ],
)  # fmt: skip
def test_a_value_that_no_run_can_have_is_named_with_its_key(read, fields, told):
    with pytest.raises(ConfigError) as caught:
        read(fields)
    assert str(caught.value).partition("sft.yaml: ")[2].startswith(told) or told in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "field", "meant"),
    [
        ("save_steps: '5'", "save_steps", 5.0),
        ("logging_steps: 1e1", "logging_steps", 10.0),
        ("save_total_limit: '2'", "save_total_limit", 2),
        ("push_to_hub: 'false'", "push_to_hub", False),
        ("load_best_model_at_end: 'false'", "load_best_model_at_end", False),
        ("eval_strategy: no", "eval_strategy", "no"),
        ("save_strategy: no", "save_strategy", "no"),
        ("logging_strategy: no", "logging_strategy", "no"),
        ("gradient_checkpointing:", "gradient_checkpointing", False),
        ("use_peft: 1", "use_peft", True),
        ("lora_alpha: 16.0\nuse_peft: true", "lora_alpha", 16),
        ("max_steps: 100.0", "max_steps", 100),
        ("num_train_epochs: 0\nmax_steps: 3", "num_train_epochs", 0),
        ("fsdp: []", "fsdp", None),
        (
            "lr_scheduler_kwargs: {min_lr: 1e-5, num_cycles: '2', mode: max}",
            "lr_scheduler_kwargs",
            {"min_lr": 1e-5, "num_cycles": 2, "mode": "max"},
        ),
        ("lora_r: 8\nr: 8\nuse_peft: true", "r", 8),
    ],
)
def test_what_yaml_reads_otherwise_is_read_as_its_field_takes_it(tmp_path, text, field, meant):
    path = tmp_path / "sft.yaml"
    path.write_text(f"bf16: false\n{text}\n")
    config = read_training_config(path)
    assert config.values[field] == meant
    assert type(config.values[field]) is type(meant)
    if field in fields_of.SFT_FIELDS - {"lr_scheduler_kwargs", "push_to_hub"}:
        _arguments(config, tmp_path, use_cpu=True)


def test_a_value_that_train_alone_uses_is_named_with_its_key(read, tmp_path):
    config = read({"hub_strategy": "foo", "bf16": False})
    with pytest.raises(
        ConfigError, match=r"^sft.yaml: hub_strategy: foo is not a valid HubStrategy"
    ):
        _arguments(config, tmp_path, use_cpu=True)


def test_what_peft_fills_in_itself_is_set_aside_with_a_line(read):
    config = read({
        "use_peft": True, "revision": "abc", "base_model_name_or_path": "x", "peft_type": "LORA",
    })  # fmt: skip
    assert config.values == {"use_peft": True}
    assert config.notes[-1].startswith("revision, base_model_name_or_path: set aside")


def test_named_layers_beside_all_linear_ones_of_axolotl(read):
    own = {
        "base_model": "a/b",
        "learning_rate": 1e-4,
        "adapter": "lora",
        "lora_target_linear": True,
    }
    config = read({**own, "lora_target_modules": ["q_proj", "v_proj"]})
    assert config.values["target_modules"] == "all-linear"
    assert "lora_target_modules" not in config.values
    with pytest.raises(ConfigError, match="lora_target_modules: lm_head is not among"):
        read({**own, "lora_target_modules": ["q_proj", "lm_head"]})
