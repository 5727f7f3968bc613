"""Configs of Axolotl and LLaMA-Factory in TRL's words, where their fields mean the same."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError
from ._config_fields import as_truth
from ._former_names import as_number
from ._switches import AXOLOTL_SWITCHES, LLAMA_FACTORY_SWITCHES, read_switches

Values = Mapping[str, JsonValue]
LOSS_ON_ANSWERS = "loss on answers"
"""No field of TRL's: in chats the loss is on the assistant's turns, elsewhere the key means nothing."""

_SAME = {
    name: name
    for name in (
        "max_steps", "gradient_accumulation_steps", "learning_rate", "warmup_steps", "weight_decay",
        "resume_from_checkpoint", "label_smoothing_factor",
        "max_grad_norm", "adam_beta1", "adam_beta2", "adam_epsilon", "tf32", "seed",
        "gradient_checkpointing", "gradient_checkpointing_kwargs", "neftune_noise_alpha",
        "lora_alpha", "lora_dropout", "output_dir", "save_steps", "save_strategy",
        "save_total_limit", "logging_steps", "eval_steps", "eval_strategy", "hub_model_id",
        "torch_compile", "dataloader_num_workers", "optim_args", "optim_target_modules",
    )
}  # fmt: skip
_AXOLOTL = {
    **_SAME,
    "base_model": "model_name_or_path",
    "micro_batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "num_epochs": "num_train_epochs",
    "optimizer": "optim",
    "lr_scheduler": "lr_scheduler_type",
    "sequence_len": "max_length",
    "sample_packing": "packing",
    "lora_r": "lora_r",
    "lora_target_parameters": "lora_target_parameters",
    # PEFT's own name: TRL takes a list of one as a pattern, which no module's full name matches.
    "lora_target_modules": "target_modules",
    "lora_modules_to_save": "lora_modules_to_save",
    "peft_use_rslora": "use_rslora",
    "peft_use_dora": "use_dora",
    "peft_layers_to_transform": "layers_to_transform",
    "peft_layers_pattern": "layers_pattern",
    "peft_init_lora_weights": "init_lora_weights",
    "peft_trainable_token_indices": "trainable_token_indices",
    "peft_ensure_weight_tying": "ensure_weight_tying",
    "load_in_4bit": "load_in_4bit",
    "load_in_8bit": "load_in_8bit",
    "lr_scheduler_kwargs": "lr_scheduler_kwargs",
}  # fmt: skip
_LLAMA_FACTORY = {
    **_SAME,
    "model_name_or_path": "model_name_or_path",
    "per_device_train_batch_size": "per_device_train_batch_size",
    "per_device_eval_batch_size": "per_device_eval_batch_size",
    "num_train_epochs": "num_train_epochs",
    "optim": "optim",
    "lr_scheduler_type": "lr_scheduler_type",
    "lr_scheduler_kwargs": "lr_scheduler_kwargs",
    "cutoff_len": "max_length",
    "packing": "packing",
    "lora_rank": "lora_r",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
    "report_to": "report_to",
    "run_name": "run_name",
    "data_seed": "data_seed",
    "dataloader_drop_last": "dataloader_drop_last",
    "full_determinism": "full_determinism",
    "bf16": "bf16",
    "fp16": "fp16",
}  # fmt: skip
_AXOLOTL_DEFAULTS: Values = {
    "num_train_epochs": 1, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1,
    "lr_scheduler_type": "cosine", "optim": "adamw_torch_fused", "max_length": 512,
    "warmup_steps": 0.03,
}  # fmt: skip
_LLAMA_FACTORY_DEFAULTS: Values = {"learning_rate": 5e-5, "max_length": 2048}
"""Values of fields that a file leaves out, where TRL's are others."""
_AXOLOTL_REFUSED = (
    "relora", "lisa_n_layers", "unfrozen_parameters", "loraplus_lr_ratio", "lr_groups",
    "embedding_lr", "embedding_lr_scale", "reward_model", "process_reward_model", "lora_model_dir",
    "cosine_constant_lr_ratio", "lr_quadratic_warmup", "peft_layer_replication", "loftq_config",
    "overrides_of_model_config", "overrides_of_model_kwargs", "rope_scaling", "qat", "kd_trainer",
)  # fmt: skip
_LLAMA_FACTORY_REFUSED = (
    "use_galore", "use_apollo", "use_badam", "use_adam_mini", "use_muon", "use_llama_pro",
    "pissa_init", "loraplus_lr_ratio", "mask_history", "adapter_name_or_path", "rope_scaling",
    "shift_attn", "mixture_of_depths", "use_asft_loss", "use_eaft_loss", "moe_aux_loss_coef",
    "train_from_scratch", "resize_vocab",
)  # fmt: skip
"""Fields that change the updates, and that no field of TRL's stands for."""


def from_other_trainer(
    values: dict[str, JsonValue], path: Path
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """Translate a config of Axolotl or LLaMA-Factory; any other is returned as it is.

    Args:
        values: The fields of the file.
        path: The file, for messages.

    Returns:
        TRL's fields, with LOSS_ON_ANSWERS for such a config, and lines that name the trainer and what
        is not taken.

    Raises:
        ConfigError: A kind of training that is not supported, such as a stage of DPO, or a field that
            changes the updates and that TRL has none for.
    """
    if "base_model" in values:
        values = read_switches(values, path, AXOLOTL_SWITCHES)
        _refuse_fields(values, path, _AXOLOTL_REFUSED, "Axolotl")
        return _translated(values, path, "Axolotl", _AXOLOTL, _axolotl, _AXOLOTL_DEFAULTS)
    if "finetuning_type" in values or ("stage" in values and "cutoff_len" in values):
        name, defaults = "LLaMA-Factory", _LLAMA_FACTORY_DEFAULTS
        values = read_switches(values, path, LLAMA_FACTORY_SWITCHES)
        _refuse_fields(values, path, _LLAMA_FACTORY_REFUSED, name)
        return _translated(values, path, name, _LLAMA_FACTORY, _llama_factory, defaults)
    return values, ()


def _refuse_fields(values: Values, path: Path, names: tuple[str, ...], trainer: str) -> None:
    key = next((name for name in names if as_truth(values.get(name))), None)
    if trainer == "Axolotl" and as_truth(values.get("batch_size")):
        raise ConfigError(f"{path}: batch_size: write gradient_accumulation_steps instead")
    if key is not None:
        raise ConfigError(
            f"{path}: {key}: TRL has no field for it, and without it the run is another one than "
            f"{trainer}'s; remove the key to train without it"
        )


def _translated(
    values: Values,
    path: Path,
    trainer: str,
    names: Mapping[str, str],
    more: Callable[[Values, Path], tuple[dict[str, JsonValue], set[str]]],
    defaults: Values,
) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """Return a config in TRL's fields, and notes on the keys that were left out."""
    special, read = more(values, path)
    taken: dict[str, JsonValue] = {
        names[key]: value
        for key, value in values.items()
        if key in names and key not in read and value is not None and value != "auto"
    }
    taken |= special
    left = [
        key for key in values if key not in read and (key not in names or values[key] == "auto")
    ]
    _refuse_slips(left, values, names, path)
    lines = [
        f"read as a config of {trainer}, trained with TRL: rows and labels are made by TRL's rules"
    ]
    if left:
        lines.append(f"{', '.join(left)}: not taken from {trainer}'s config")
    steps = taken.get("max_steps")
    has_steps = isinstance(steps, int) and steps > 0
    added = {
        key: value
        for key, value in defaults.items()
        if key not in taken and not (key == "num_train_epochs" and has_steps)
    }
    if added:
        said = ", ".join(f"{key} {value}" for key, value in added.items())
        lines.append(f"{trainer}'s own defaults for what the file leaves out: {said}")
    return taken | added, tuple(lines)


def _refuse_slips(left: list[str], values: Values, names: Mapping[str, str], path: Path) -> None:
    """Refuse a misspelt key: without its field the trainer's default would be trained with."""
    for key in left:
        words = {*key.split("_")}
        others = [name for name in names if name not in values and words - {*name.split("_")}]
        alike = [name for name in others if {*name.split("_")} - words]
        close = difflib.get_close_matches(key, alike, n=1, cutoff=0.86)
        if close:
            raise ConfigError(f"{path}: unknown key {key}; did you mean {close[0]}?")


def _axolotl(values: Values, path: Path) -> tuple[dict[str, JsonValue], set[str]]:
    read = {"adapter", "lora_target_linear", "bf16", "fp16", "bfloat16", "float16", "rl"}
    read |= {"train_on_inputs", "warmup_ratio", "cosine_min_lr_ratio", "gradient_checkpointing"}
    read |= {"group_by_length", "curriculum_sampling"}
    if values.get("rl"):
        raise ConfigError(
            f"{path}: rl: {values['rl']} is not supported; only fine-tuning on texts is"
        )
    adapter, result = values.get("adapter"), _axolotl_precision(values)
    if adapter in ("lora", "qlora"):
        result |= {"use_peft": True, "lora_dropout": values.get("lora_dropout") or 0.0}
        if adapter == "qlora":
            result["load_in_4bit"] = True
        if values.get("lora_target_linear"):
            result["target_modules"] = "all-linear"
            _refuse_others(values, path)
    elif adapter:
        raise ConfigError(f"{path}: adapter: {adapter} is not supported; lora and qlora are")
    else:
        # Leftovers of another file: without an adapter they have no effect.
        read |= {key for key in values if key.startswith(("lora_", "peft_"))}
    if values.get("learning_rate") is None:
        raise ConfigError(f"{path}: learning_rate: is missing, and Axolotl has no default; add it")
    result |= _loss_on(prompts=bool(values.get("train_on_inputs", False)))
    if values.get("gradient_checkpointing") is not None:
        # Axolotl also takes words for where activations are kept, which change no weight.
        result["gradient_checkpointing"] = values["gradient_checkpointing"] is not False
    if values.get("group_by_length"):
        result["train_sampling_strategy"] = "group_by_length"
    if values.get("curriculum_sampling"):
        result["train_sampling_strategy"] = "sequential"
    result |= _warmup(values, path, zero_steps_win=True)
    return result | _axolotl_schedule(values, path), read


def _refuse_others(values: Values, path: Path) -> None:
    """Refuse layers beside all linear ones, which `all-linear` of PEFT's does not add."""
    names = _listed(values.get("lora_target_modules"))
    others = ("embed", "wte", "lm_head")
    for name in names if isinstance(names, list) else []:
        if any(other in str(name) for other in others):
            raise ConfigError(
                f"{path}: lora_target_modules: {name} is not among the layers of lora_target_linear; remove "
                "it, or remove lora_target_linear and name all layers"
            )


def _axolotl_precision(values: Values) -> dict[str, JsonValue]:
    """Axolotl loads the weights in the precision that it computes in; where silent, it takes bf16."""
    bf16 = values.get("bf16", "auto") or values.get("bfloat16")
    if bf16 == "full":
        return {"bf16": False, "dtype": "bfloat16"}
    is_half = bool(values.get("fp16") or values.get("float16"))
    if bf16 and not ("bf16" not in values and is_half):
        return {"bf16": True, "dtype": "bfloat16"}
    return {"fp16": True, "dtype": "float16"} if is_half else {"bf16": False, "dtype": "float32"}


def _axolotl_schedule(values: Values, path: Path) -> dict[str, JsonValue]:
    share = values.get("cosine_min_lr_ratio")
    if share is None:
        return {}
    if (name := values.get("lr_scheduler") or "cosine") != "cosine":
        raise ConfigError(
            f"{path}: cosine_min_lr_ratio: belongs to lr_scheduler: cosine, not {name}; remove the key"
        )
    return {
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": share},
    }


def _llama_factory(values: Values, path: Path) -> tuple[dict[str, JsonValue], set[str]]:
    read = {"stage", "do_train", "finetuning_type", "lora_target", "train_on_prompt"}
    read |= {"warmup_ratio", "additional_target", "bf16", "pure_bf16", "quantization_bit"}
    read |= {"use_dft_loss", "disable_shuffling", "neat_packing"}
    stage, kind = values.get("stage") or "sft", values.get("finetuning_type") or "lora"
    if stage not in ("sft", "pt"):
        raise ConfigError(f"{path}: stage: {stage} is not supported; sft and pt are")
    if kind not in ("lora", "full"):
        raise ConfigError(f"{path}: finetuning_type: {kind} is not supported; lora and full are")
    result: dict[str, JsonValue] = {}
    if kind == "lora":
        result |= _llama_factory_adapter(values, path)
        read |= {"lora_rank", "lora_alpha", "lora_dropout"}
    if stage == "sft":
        result |= _loss_on(prompts=bool(values.get("train_on_prompt", False)))
    elif values.get("packing") is None:
        # Texts of pre-training are joined and cut, unless the file says otherwise.
        result |= {"packing": True, "packing_strategy": "wrapped"}
    if values.get("neat_packing"):
        result["packing"] = True
    result["bf16"] = bool(values.get("bf16", False))
    if values.get("pure_bf16"):
        result |= {"bf16": False, "dtype": "bfloat16"}
    result |= _llama_factory_bits(values, path)
    if values.get("use_dft_loss"):
        result["loss_type"] = "dft"
    if values.get("disable_shuffling"):
        result["train_sampling_strategy"] = "sequential"
    return result | _warmup(values, path, zero_steps_win=False), read


def _llama_factory_adapter(values: Values, path: Path) -> dict[str, JsonValue]:
    """LoRA with LLaMA-Factory's own defaults, which are not TRL's."""
    rank = 8 if values.get("lora_rank") is None else values["lora_rank"]
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise ConfigError(f"{path}: lora_rank: {rank!r} is not a whole number above 0, such as 8")
    target = values.get("lora_target") or "all"
    result: dict[str, JsonValue] = {
        "use_peft": True,
        "lora_r": rank,
        "lora_alpha": values.get("lora_alpha") or 2 * rank,
        "lora_dropout": values.get("lora_dropout") or 0.0,
        "target_modules": "all-linear" if target in ("all", ["all"]) else _listed(target),
    }
    if values.get("additional_target"):
        result["lora_modules_to_save"] = _listed(values["additional_target"])
    return result


def _llama_factory_bits(values: Values, path: Path) -> dict[str, JsonValue]:
    bits = values.get("quantization_bit")
    if bits is None:
        return {}
    if bits not in (4, 8):
        raise ConfigError(f"{path}: quantization_bit: {bits!r} is not supported; 4 and 8 are")
    return {f"load_in_{bits}bit": True}


def _loss_on(*, prompts: bool) -> dict[str, JsonValue]:
    return {"completion_only_loss": not prompts, LOSS_ON_ANSWERS: not prompts}


def _warmup(values: Values, path: Path, *, zero_steps_win: bool) -> dict[str, JsonValue]:
    """Return a share of the steps, which transformers takes as a number below 1."""
    # Axolotl takes the share only where warmup_steps is left out; LLaMA-Factory also beside 0 steps.
    given, steps = values.get("warmup_ratio"), values.get("warmup_steps")
    if given is None or (steps is not None and (zero_steps_win or as_number(steps) != 0)):
        return {}
    share = as_number(given)
    if share is None or not 0 <= share < 1:
        raise ConfigError(
            f"{path}: warmup_ratio: {given!r} is not a share of the steps, at least 0 and below 1; write "
            "such a share (0.1 is 10 %), or the number of steps as warmup_steps"
        )
    return {"warmup_steps": share or 0}


def _listed(value: JsonValue) -> JsonValue:
    """Split a text of names that are separated by commas."""
    if isinstance(value, str) and "," in value:
        return [name.strip() for name in value.split(",")]
    return value if isinstance(value, list) else [value]
