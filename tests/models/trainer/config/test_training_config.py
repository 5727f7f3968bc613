"""TRL's own YAML: what is read, what is refused, and what the trainer gets."""

import dataclasses
import json

import pytest
import yaml

from driftline.errors import ConfigError
from driftline.models import read_training_config
from driftline.provenance import digest_bytes


@pytest.fixture
def read(tmp_path):
    """Reads a config from its text."""

    def reader(text: str):
        path = tmp_path / "sft.yaml"
        path.write_text(text)
        return read_training_config(path)

    return reader


def refuse(read, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert "sft.yaml: " in str(caught.value)
    assert reason in str(caught.value)


def test_values_and_digest_are_the_files(read):
    text = "learning_rate: 1.0e-3\nmax_steps: 7\nlr_scheduler_type: cosine\n"
    config = read(text)

    assert config.values == {"learning_rate": 1e-3, "max_steps": 7, "lr_scheduler_type": "cosine"}
    assert config.digest == digest_bytes(text.encode())
    assert config.provenance().name == config.name == "sft.yaml"
    assert config.provenance().digest == config.digest
    assert not config.uses_peft


def test_a_number_written_as_a_text_is_read_as_its_field_takes_it(read):
    config = read(
        "learning_rate: 2e-4\nmax_steps: '30'\nnum_train_epochs: '3'\nseed: '42'\n"
        "per_device_train_batch_size: \"8\"\neos_token: '7'\nlora_r: '4'\nuse_peft: true\n"
    )

    assert config.values == {
        "learning_rate": 2e-4, "max_steps": 30, "num_train_epochs": 3.0, "seed": 42,
        "per_device_train_batch_size": 8, "eos_token": "7", "lora_r": 4, "use_peft": True,
    }  # fmt: skip
    kinds = {key: type(value) for key, value in config.values.items()}
    assert kinds["max_steps"] is kinds["seed"] is kinds["lora_r"] is int
    assert kinds["learning_rate"] is float


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("learning_rat: 1.0e-3", "unknown key learning_rat; did you mean learning_rate?"),
        ("lora_rank: 8", "unknown key lora_rank; TRL calls it lora_r"),
        ("qqqqq: 8", "unknown key qqqqq; TRL has no such field; remove it"),
        ("learning_rate: 0", "learning_rate: 0 is not above 0"),
        ("learning_rate: -1.0e-4", "learning_rate: -0.0001 is not above 0"),
        ("learning_rate: '-2e-4'", "learning_rate: -0.0002 is not above 0"),
        ("learning_rate: .nan", "learning_rate: nan is not"),
        ("learning_rate: nan", "learning_rate: nan is not"),
        ("learning_rate: .inf", "learning_rate: inf is not"),
        ("learning_rate: high", "learning_rate: 'high' is not a number"),
        ("learning_rate: true", "learning_rate: True is not a number"),
        ("learning_rate:", "learning_rate: None is not a number"),
        ("learning_rate: [1.0e-3]", "learning_rate: [0.001] is not a number"),
        ("weight_decay: .nan", "weight_decay: nan is not a finite number"),
        ("num_train_epochs: .inf", "num_train_epochs: inf is not a finite number"),
        ("lr_scheduler_kwargs: {a: .nan}", "is not a finite number"),
        ("run_name: 2024-01-01", "put a text into quotation marks"),
        ("max_steps: 2.5", "max_steps: 2.5 is not a whole number"),
        ("max_steps: 1e3", "max_steps: '1e3' is not a whole number"),
        ("per_device_train_batch_size: 0", "per_device_train_batch_size: 0 is not above 0"),
        ("per_device_train_batch_size: 1.5", "is not a whole number"),
        ("gradient_accumulation_steps: 0", "is not above 0"),
        ("max_length: 0", "max_length: 0 is not above 0"),
        ("max_length: short", "max_length: 'short' is not a whole number or null"),
        ("use_peft: 'maybe'", "use_peft: 'maybe' is not true or false"),
        ("lora_r: 0\nuse_peft: true", "lora_r: 0 is not above 0"),
        ("r: 0\nuse_peft: true", "r: 0 is not above 0"),
        ("dataset_text_field: 2024-01-01", "datetime.date(2024, 1, 1) is not a text"),
        ("target_modules: [q_proj]", "target_modules: belongs to LoRA; add `use_peft: true`"),
        ("r: 8", "r: belongs to LoRA"),
        ("r: 8\nuse_peft: false", "r: belongs to LoRA"),
        ("deepspeed: ds.json", "deepspeed: a distributed run is not supported"),
        ("fsdp: full_shard", "fsdp: a distributed run is not supported"),
        ("dtype: bf16", "dtype: 'bf16' is not one of auto, bfloat16, float16, float32"),
        ("loss_type: cce", "loss_type: 'cce' is not one of nll, dft"),
        ("packing_strategy: ffd", "packing_strategy: 'ffd' is not one of bfd"),
        ("model_init_kwargs: half", "model_init_kwargs: 'half' is not a mapping"),
        ("num_processes: 0", "num_processes: 0 is not a whole number above 0"),
        ("accelerate_config: zero9", "zero9 is neither a file nor a config that TRL ships"),
        ("env: [A=1]", "env: give one `VARIABLE: value` a line"),
        ("parallelism_config: {tp_size: 2}", "a distributed run is not supported"),
        ("", "is empty; write one `field: value` a line"),
        ("- a\n- b", "not a mapping"),
        ("just a text", "not a mapping"),
        ("a: [1", "not YAML"),
        ("max_steps: 1\nmax_steps: 2", "line 2: duplicate key max_steps"),
        ("a: b: c", "not YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused(read, text, reason):
    refuse(read, text, reason)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing.yaml: cannot be read \(No such file"):
        read_training_config(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        read_training_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"not YAML"):
        read_training_config(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "max_length:",
        "load_in_4bit: false",
        "load_in_8bit: true\nuse_peft: true",
        "fsdp: ''",
        "warmup_steps: 0.1",
        "lora_alpha: 16",
        "dataset_name: data.jsonl\ndataset_train_split: train",
        "use_peft: true\nlora_target_modules: all-linear",
        "use_peft: true\nr: 4\ntarget_modules: [q_proj]\nuse_rslora: true",
        "report_to: wandb\nrun_name: 2024-01-01T00\noutput_dir: out\nsave_steps: 0.5",
        "gradient_checkpointing: true\npacking: true\nneftune_noise_alpha: 5",
    ],
)
def test_what_can_be_meant_is_read(read, text):
    assert read(text).values == yaml.safe_load(text)


def test_values_are_json(read):
    config = read("learning_rate: 1.0e-3\nlr_scheduler_kwargs: {min_lr: 1.0e-5}\nmax_length:\n")

    assert json.loads(json.dumps(config.values, allow_nan=False)) == config.values


def test_the_trainer_gets_the_users_values_and_no_bookkeeping(read, tmp_path):
    config = read(
        "learning_rate: 3e-4\nnum_train_epochs: 2\nwarmup_steps: 3\nweight_decay: 0.25\n"
        "adam_beta2: 0.9\nseed: 11\nmax_length: 77\npacking: true\nlr_scheduler_type: cosine\n"
        "per_device_train_batch_size: 3\ngradient_accumulation_steps: 5\nbf16: false\n"
        "completion_only_loss: true\nmax_grad_norm: 0.7\noptim: sgd\n"
        "report_to: wandb\nsave_strategy: steps\neval_strategy: epoch\nlogging_steps: 1\n"
        "push_to_hub: true\noutput_dir: elsewhere\nuse_cpu: false\ndtype: bfloat16\n"
    )
    arguments = config.trainer_arguments(tmp_path / "out", use_cpu=True)

    wanted = {
        "learning_rate": 3e-4, "num_train_epochs": 2, "warmup_steps": 3, "weight_decay": 0.25,
        "adam_beta2": 0.9, "seed": 11, "max_length": 77, "packing": True,
        "per_device_train_batch_size": 3, "gradient_accumulation_steps": 5, "bf16": False,
        "completion_only_loss": True, "max_grad_norm": 0.7,
        "use_cpu": True, "output_dir": str(tmp_path / "out"), "disable_tqdm": True,
        "push_to_hub": False, "report_to": [],
    }  # fmt: skip
    assert {key: getattr(arguments, key) for key in wanted} == wanted
    assert arguments.lr_scheduler_type == "cosine"
    assert arguments.optim == "sgd"
    for key in ("save_strategy", "eval_strategy", "logging_strategy"):
        assert getattr(arguments, key) == "no"


def test_what_is_not_said_is_trls_own_default(read, tmp_path):
    arguments = read("max_steps: 3").trainer_arguments(tmp_path, use_cpu=True)
    fields = {field.name: field.default for field in dataclasses.fields(arguments)}

    for key in ("learning_rate", "max_length", "num_train_epochs", "packing", "weight_decay"):
        assert getattr(arguments, key) == fields[key]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lr_scheduler_type: nonsense", "lr_scheduler_type: nonsense is not a valid SchedulerType"),
        ("optim: nonsense", "optim: nonsense is not a valid OptimizerNames"),
        ("bf16: true\nfp16: true", "At most one of fp16 and bf16"),
        ("warmup_steps: -3", "warmup_steps"),
    ],
)
def test_what_trl_refuses_names_the_config(read, tmp_path, text, reason):
    with pytest.raises(ConfigError, match=rf"^sft.yaml: .*{reason}"):
        read(text).trainer_arguments(tmp_path, use_cpu=True)


def test_full_fine_tuning_has_no_adapter(read):
    assert read("lora_r: 8\nlora_alpha: 16").adapter_config() is None


def test_an_adapter_has_trls_defaults(read):
    adapter = read("use_peft: true").adapter_config()

    assert (adapter.r, adapter.lora_alpha, adapter.lora_dropout) == (16, 32, 0.05)
    assert adapter.task_type == "CAUSAL_LM"
    assert adapter.target_modules is None


def test_an_adapter_is_described_in_trls_or_in_pefts_words(read):
    trl = read(
        "use_peft: true\nlora_r: 4\nlora_alpha: 9\nlora_dropout: 0.3\nuse_dora: true\n"
        "lora_target_modules: [q_proj, v_proj]\nlora_modules_to_save: [lm_head]\nuse_rslora: true\n"
    )
    peft = read(
        "use_peft: true\nr: 4\nlora_alpha: 9\nlora_dropout: 0.3\nuse_dora: true\n"
        "target_modules: [q_proj, v_proj]\nmodules_to_save: [lm_head]\nuse_rslora: true\n"
    )

    adapter = trl.adapter_config()
    assert trl.uses_peft
    assert (adapter.r, adapter.lora_alpha, adapter.lora_dropout) == (4, 9, 0.3)
    assert adapter.target_modules == {"q_proj", "v_proj"}
    assert adapter.modules_to_save == ["lm_head"]
    assert adapter.use_dora
    assert adapter.use_rslora
    assert peft.adapter_config() == adapter


def test_pefts_own_fields_reach_the_adapter(read):
    adapter = read(
        "use_peft: true\nbias: all\nlayers_to_transform: [1]\ninit_lora_weights: gaussian\n"
        "rank_pattern: {q_proj: 2}\n"
    ).adapter_config()

    assert adapter.bias == "all"
    assert adapter.layers_to_transform == [1]
    assert adapter.init_lora_weights == "gaussian"
    assert adapter.rank_pattern == {"q_proj": 2}


def test_an_adapter_that_peft_refuses_names_the_config(read):
    config = read("use_peft: true\ntarget_modules: '.*q'\nlayers_to_transform: [1]")
    with pytest.raises(ConfigError, match=r"^sft.yaml: .*layers_to_transform"):
        config.adapter_config()


def test_changed_values_change_the_digest(read):
    config = read("learning_rate: 1.0e-3\nmax_steps: 3")
    changed = config.with_values(learning_rate=2e-3)

    assert changed.values == {"learning_rate": 2e-3, "max_steps": 3}
    assert config.values["learning_rate"] == 1e-3
    digests = {config.digest, changed.digest, config.with_values(seed=1).digest}
    assert len(digests) == 3
    assert config.with_values(learning_rate=2e-3).digest == changed.digest


def test_full_fine_tuning_takes_over_all_that_is_not_an_adapters(read):
    config = read(
        "learning_rate: 1e-3\nuse_peft: true\nr: 8\nlora_alpha: 16\nuse_dora: true\nseed: 3\n"
    )
    full = config.without_adapter()
    assert full.values == {"learning_rate": 1e-3, "seed": 3}
    assert full.adapter_config() is None
    assert full.digest != config.digest
    assert full.without("use_peft") is full
    assert (full.learning_rate, read("seed: 3\n").learning_rate) == (1e-3, 2e-5)
