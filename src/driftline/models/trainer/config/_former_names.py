"""Fields under the names that earlier versions of transformers and TRL gave them."""

from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError

_RENAMED = {
    "max_seq_length": "max_length", "evaluation_strategy": "eval_strategy", "torch_dtype": "dtype",
    "no_cuda": "use_cpu", "use_liger": "use_liger_kernel",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "push_to_hub_model_id": "hub_model_id", "push_to_hub_token": "hub_token",
}  # fmt: skip
"""Former name -> today's; both mean the same."""
_SWITCHES = {
    "group_by_length": ("train_sampling_strategy", "group_by_length"),
    "adafactor": ("optim", "adafactor"),
}
"""Former switch -> today's field, and its value where the switch is on."""
_WITHOUT_EFFECT = {
    "overwrite_output_dir", "logging_dir", "save_safetensors", "include_tokens_per_second",
    "dataset_batch_size", "num_of_sequences", "use_ipex", "half_precision_backend", "fp16_backend",
    "fp16_opt_level", "jit_mode_eval", "past_index", "ray_scope", "include_inputs_for_metrics",
}  # fmt: skip
"""Fields that were dropped and that change no token, batch, rate or weight."""
_UNSET = {
    "dispatch_batches", "split_batches", "sharded_ddp", "tpu_num_cores", "tpu_metrics_debug",
    "mp_parameters", "use_mps_device", "sortish_sampler", "predict_with_generate", "_n_gpu",
    "torchdynamo", "xpu_backend",
    "deepspeed_config", "early_stopping_patience", "fp32",
}  # fmt: skip
"""Fields that were dropped; where they are switched off they change nothing."""
_OFF = (None, False, 0, -1, "", "no", "none", "auto")

Values = dict[str, JsonValue]


def take_former_names(values: Values, path: Path) -> tuple[Values, tuple[str, ...]]:
    """Give fields their names of today.

    Args:
        values: The content of the file.
        path: The file, for messages.

    Returns:
        The values, and a sentence for each kind of change.

    Raises:
        ConfigError: A field stands under both names, with two values.
    """
    result, told = dict(values), []
    for old, new in _RENAMED.items():
        if old in result:
            told.append(_rename(result, old, new, path))
    for old, (new, value) in _SWITCHES.items():
        if isinstance(is_on := result.get(old), bool):
            del result[old]
            if is_on:
                told.append(f"{old} as {new}: {value}")
                result.setdefault(new, value)
    if said := _take_warmup(result):
        told.append(said)
    notes = []
    if read := [each for each in told if each]:
        notes.append(f"former names of fields: {', '.join(read)}; fields that the file leaves out "
                     "have the defaults of the installed TRL")  # fmt: skip
    gone = [key for key in result if key in _WITHOUT_EFFECT or _is_unset(key, result[key])]
    if gone:
        notes.append(f"{', '.join(gone)}: set aside, transformers no longer has them")
    return {key: value for key, value in result.items() if key not in gone}, tuple(notes)


def _rename(values: Values, old: str, new: str, path: Path) -> str | None:
    value = values.pop(old)
    if value is None or values.get(new) == value:
        return None
    if values.get(new) is not None:
        raise ConfigError(
            f"{path}: {old}: {value} and {new}: {values[new]} are one field; keep {new}"
        )
    values[new] = value
    return f"{old} as {new}"


def _take_warmup(values: Values) -> str | None:
    """Write a share of the steps as `warmup_steps`, where transformers reads a number below 1 so."""
    share = as_number(values.get("warmup_ratio"))
    if "warmup_ratio" not in values or share is None or not 0 <= share < 1:
        return None
    del values["warmup_ratio"]
    if as_number(values.get("warmup_steps")):
        return "warmup_ratio left out, because warmup_steps comes first"
    if not share:
        return None
    values["warmup_steps"] = share
    return f"warmup_ratio as warmup_steps: {share:g}"


def as_number(value: JsonValue) -> float | None:
    """Return a number that may be written as a text; 0 for null, and None for what is no number."""
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _is_unset(key: str, value: JsonValue) -> bool:
    return key in _UNSET and (value in _OFF or value in ([], {}))
