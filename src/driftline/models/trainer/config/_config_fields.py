"""The fields of a training config: whose they are, what each does here, and the mend for a wrong one."""

import contextlib
import dataclasses
import math
import re
import types
import typing

from accelerate.commands.launch import launch_command_parser
from peft import LoraConfig
from pydantic import JsonValue
from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig

SCALARS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
    types.NoneType: "null",
}


def _names(config: type) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(config) if field.init)


def _scalar_kinds(config: type) -> dict[str, tuple[type, ...]]:
    """Return the kinds of a config's scalar fields; other fields are left out."""
    kinds = {}
    for name, hint in typing.get_type_hints(config).items():
        is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        options = typing.get_args(hint) if is_union else (hint,)
        if set(options) <= set(SCALARS):
            kinds[name] = options
    return kinds


SFT_FIELDS = _names(SFTConfig)
MODEL_FIELDS = _names(ModelConfig)
DATA_FIELDS = _names(ScriptArguments) | _names(DatasetMixtureConfig)
"""Fields that say where the data are."""
NAMES_OF_DATA = frozenset({
    "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "datasets",
    "test_split_size",
})  # fmt: skip
"""Those of them that name a source, or rows of it."""
PEFT_FIELDS = _names(LoraConfig)
"""PEFT's own names for what ModelConfig calls lora_*; these are the ones that people write."""
TRL_FIELDS = SFT_FIELDS | MODEL_FIELDS | DATA_FIELDS
LAUNCH_FIELDS = frozenset(
    action.dest
    for action in launch_command_parser()._actions  # no public list of its options
    if action.dest not in ("help", "training_script", "training_script_args")
) | {"accelerate_config"}
"""Options of `accelerate launch`, which TRL's command line takes from the same file."""
PROCESS_FIELDS = frozenset({
    "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_static_graph",
    "ddp_backend", "ddp_timeout", "local_rank",
})  # fmt: skip
"""Fields of SFTConfig about how several processes work together."""
_KINDS = {**_scalar_kinds(LoraConfig), **_scalar_kinds(ModelConfig), **_scalar_kinds(SFTConfig)}

CHOICES: dict[str, tuple[str, ...]] = {
    "dtype": ("auto", "bfloat16", "float16", "float32"),
    "bnb_4bit_quant_type": ("fp4", "nf4"),
    "loss_type": ("nll", "dft", "chunked_nll"),
    "truncation_mode": ("keep_start", "keep_end"),
    "packing_strategy": ("bfd", "bfd_split", "bfd-requeue", "wrapped"),
    "eval_strategy": ("no", "steps", "epoch"),
    "logging_strategy": ("no", "steps", "epoch"),
    "save_strategy": ("no", "steps", "epoch", "best"),
    "bias": ("none", "all", "lora_only"),
}
"""Fields of which TRL says only while it trains, or without their names, that the value is not one of these."""

STRATEGIES = ("eval_strategy", "logging_strategy", "save_strategy")

POSITIVE = (
    "learning_rate", "max_length", "per_device_train_batch_size", "gradient_accumulation_steps",
    "lora_r", "r",
)  # fmt: skip

_SEEDS = (0, 2**32 - 1)
RANGES: dict[str, tuple[float, float]] = {
    "seed": _SEEDS, "data_seed": _SEEDS, "dataloader_num_workers": (0, math.inf),
    "pad_to_multiple_of": (1, math.inf), "lora_dropout": (0, 1),
    "per_device_eval_batch_size": (1, math.inf), "eval_accumulation_steps": (1, math.inf),
}  # fmt: skip
"""Least and greatest value of fields that a library checks late, or never."""

ABOUT_THE_MODEL = frozenset({"model_name_or_path", "model_revision", "trust_remote_code"})
"""Fields about which model is opened; the command line says that here."""
QUANTISATION_DETAILS = frozenset(
    {"bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage"}
)
ADAPTER_SWITCHES = frozenset({"use_peft", "use_rslora", "use_dora"})

OUTPUT_FIELDS = frozenset({
    "output_dir", "report_to", "run_name", "project", "trackio_space_id", "trackio_bucket_id",
    "trackio_static_space_id", "logging_strategy", "logging_steps", "logging_first_step",
    "logging_nan_inf_filter", "log_level", "log_level_replica", "log_on_each_node", "disable_tqdm",
    "save_strategy", "save_steps", "save_total_limit", "save_only_model", "save_on_each_node",
    "enable_jit_checkpoint", "resume_from_checkpoint", "ignore_data_skip",
    "restore_callback_states_from_checkpoint", "push_to_hub", "hub_model_id", "hub_strategy",
    "hub_token", "hub_private_repo", "hub_always_push", "hub_revision", "do_train", "do_predict",
})  # fmt: skip
"""Fields about logs, checkpoints and uploads, which a probe has none of."""
EVALUATION_FIELDS = frozenset({
    "eval_strategy", "eval_steps", "eval_delay", "eval_on_start", "eval_accumulation_steps",
    "eval_do_concat_batches", "eval_use_gather_object", "eval_packing", "do_eval",
    "per_device_eval_batch_size", "batch_eval_metrics", "bf16_full_eval", "fp16_full_eval",
    "prediction_loss_only", "include_for_metrics", "load_best_model_at_end",
    "metric_for_best_model", "greater_is_better", "label_names",
})  # fmt: skip
"""Fields about evaluation during training. It draws random numbers, so that dropout differs after it, and
changes nothing else of a run to its last step."""
NOT_OF_THE_PROBE = OUTPUT_FIELDS | EVALUATION_FIELDS | {"trust_remote_code", "model_init_kwargs"}
"""Fields of SFTConfig that the probe's trainer is not given: see `TrainingConfig.probe_notes`."""
FREE_FIELDS = (NOT_OF_THE_PROBE | ABOUT_THE_MODEL) - {"model_init_kwargs"}
"""Fields that may change when a run is continued from its probe, which had none of them."""

SET_BY_TRAIN = frozenset({"output_dir", "use_cpu", "disable_tqdm", "resume_from_checkpoint"})
"""Fields that `train` sets itself, whatever the config says."""

REACTIVE_SCHEDULES = ("reduce_lr_on_plateau", "greedy")
"""Schedules that follow an evaluation, so that nobody knows the rates before the run."""

REFUSED = {
    "deepspeed": "a distributed run",
    "fsdp": "a distributed run",
    "parallelism_config": "a distributed run",
}


def kinds_of(key: str) -> tuple[type, ...]:
    """Return the scalar kinds of a field; empty if it takes other values, or is a text that is not read."""
    kinds = _KINDS.get(key, ())
    is_read = key not in OUTPUT_FIELDS | EVALUATION_FIELDS | ABOUT_THE_MODEL
    return kinds if is_read or str not in kinds else ()


def as_its_kind(key: str, value: JsonValue) -> JsonValue:
    """Convert a value to what its field takes, as TRL's parser and dataclasses do.

    Args:
        key: The field.
        value: As YAML has read it: 2e-4 and '5' are texts there, and `no` is false.

    Returns:
        The value; as it was where it can be read in no other way.
    """
    if key in STRATEGIES and value is False:
        return "no"
    if key in REFUSED and value in ([], {}):
        return None
    if key == "lr_scheduler_kwargs" and isinstance(value, dict):
        return {name: _as_number(each) for name, each in value.items()}
    kinds = kinds_of(key)
    return _from_text(value, kinds) if isinstance(value, str) else _as_kind(value, kinds)


def _as_kind(value: JsonValue, kinds: tuple[type, ...]) -> JsonValue:
    """Read 16.0 as a whole number, and 1, 0 or nothing as true or false."""
    if kinds == (bool,) and value is None:
        return False
    if bool in kinds and int not in kinds and value is not None and value in (0, 1):
        return bool(value)
    if int in kinds and float not in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _from_text(value: str, kinds: tuple[type, ...]) -> JsonValue:
    if str in kinds:
        return value
    if bool in kinds and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    for kind in (int, float):
        if kind in kinds:
            with contextlib.suppress(ValueError):
                result: int | float = kind(value)
                return result
    return value


def as_truth(value: JsonValue) -> JsonValue:
    """Return true or false for a text or a number that says so; any other value as it is."""
    if isinstance(value, str):
        return _TRUTH.get(value.lower(), value)
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else value


def _as_number(value: JsonValue) -> JsonValue:
    """Read a number that YAML has left a text, such as 1e-5."""
    is_number = isinstance(value, str) and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", value.lower())
    return _from_text(value, (int, float)) if is_number and isinstance(value, str) else value


_TRUTH = dict.fromkeys(("yes", "true", "t", "y", "1"), True)
_TRUTH |= dict.fromkeys(("no", "false", "f", "n", "0"), False)


def is_of(value: JsonValue, kinds: tuple[type, ...]) -> bool:
    """Return whether a value is of one of the kinds; an integer is a number too."""
    return type(value) in kinds or (type(value) is int and float in kinds)
