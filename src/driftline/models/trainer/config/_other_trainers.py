"""Configs of Axolotl and LLaMA-Factory in TRL's words, where their fields mean the same."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError

Values = Mapping[str, JsonValue]
LOSS_ON_ANSWERS = "loss on answers"
"""No field of TRL's: in chats the loss is on the assistant's turns, elsewhere the key means nothing."""

_SAME = {
    name: name
    for name in (
        "max_steps", "gradient_accumulation_steps", "learning_rate", "warmup_steps", "weight_decay",
        "max_grad_norm", "adam_beta1", "adam_beta2", "adam_epsilon", "bf16", "fp16", "tf32", "seed",
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
    # PEFT's own name: TRL takes a list of one as a pattern, which no module's full name matches.
    "lora_target_modules": "target_modules",
    "lora_modules_to_save": "lora_modules_to_save",
    "peft_use_rslora": "use_rslora",
    "peft_use_dora": "use_dora",
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
}  # fmt: skip


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
        ConfigError: A kind of training that is not supported, such as a stage of DPO.
    """
    if "base_model" in values:
        return _translated(values, path, "Axolotl", _AXOLOTL, _axolotl)
    if "finetuning_type" in values or ("stage" in values and "cutoff_len" in values):
        return _translated(values, path, "LLaMA-Factory", _LLAMA_FACTORY, _llama_factory)
    return values, ()


def _translated(
    values: Values,
    path: Path,
    trainer: str,
    names: Mapping[str, str],
    more: Callable[[Values, Path], tuple[dict[str, JsonValue], set[str]]],
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
    lines = [
        f"read as a config of {trainer}, trained with TRL: rows and labels are made by TRL's rules"
    ]
    if left:
        lines.append(f"{', '.join(left)}: not taken from {trainer}'s config")
    return taken, tuple(lines)


def _axolotl(values: Values, path: Path) -> tuple[dict[str, JsonValue], set[str]]:
    found: dict[str, JsonValue] = {}
    read = {"adapter", "lora_target_linear", "bf16", "fp16", "flash_attention", "train_on_inputs"}
    read |= {"warmup_ratio", "rl"}
    if values.get("rl"):
        raise ConfigError(
            f"{path}: rl: {values['rl']} is not supported; only fine-tuning on texts is"
        )
    adapter = values.get("adapter")
    if adapter in ("lora", "qlora"):
        found["use_peft"] = True
        if values.get("lora_target_linear"):
            found["target_modules"] = "all-linear"
    elif adapter:
        raise ConfigError(f"{path}: adapter: {adapter} is not supported; lora and qlora are")
    found |= _loss_on(prompts=bool(values.get("train_on_inputs", False)))
    for name in ("bf16", "fp16"):
        if isinstance(values.get(name), bool):
            found[name] = values[name]
    return found | _warmup(values), read - {"flash_attention"}


def _llama_factory(values: Values, path: Path) -> tuple[dict[str, JsonValue], set[str]]:
    found: dict[str, JsonValue] = {}
    read = {
        "stage",
        "do_train",
        "finetuning_type",
        "lora_target",
        "train_on_prompt",
        "warmup_ratio",
    }
    read |= {"additional_target"}
    stage, kind = values.get("stage", "sft"), values.get("finetuning_type", "lora")
    if stage not in ("sft", "pt"):
        raise ConfigError(f"{path}: stage: {stage} is not supported; sft and pt are")
    if kind not in ("lora", "full"):
        raise ConfigError(f"{path}: finetuning_type: {kind} is not supported; lora and full are")
    if kind == "lora":
        found["use_peft"] = True
        found["lora_r"] = values.get("lora_rank", 8)
        # LLaMA-Factory's own defaults, which are not TRL's.
        found["lora_alpha"] = values.get("lora_alpha") or 2 * int(str(found["lora_r"]))
        found["lora_dropout"] = values.get("lora_dropout", 0.0)
        target = values.get("lora_target", "all")
        found["target_modules"] = "all-linear" if target == "all" else _listed(target)
        if values.get("additional_target"):
            found["lora_modules_to_save"] = _listed(values["additional_target"])
        read |= {"lora_rank", "lora_alpha", "lora_dropout"}
    if stage == "sft":
        found |= _loss_on(prompts=bool(values.get("train_on_prompt", False)))
    if "cutoff_len" not in values:
        found["max_length"] = 2048
    found["bf16"] = bool(values.get("bf16", False))
    return found | _warmup(values), read | {"bf16"}


def _loss_on(*, prompts: bool) -> dict[str, JsonValue]:
    return {"completion_only_loss": not prompts, LOSS_ON_ANSWERS: not prompts}


def _warmup(values: Values) -> dict[str, JsonValue]:
    """Return a share of the steps, which transformers takes as a number below 1."""
    share = values.get("warmup_ratio")
    if not share or values.get("warmup_steps"):
        return {}
    return {"warmup_steps": share}


def _listed(value: JsonValue) -> JsonValue:
    """Split a text of names that are separated by commas."""
    if isinstance(value, str) and "," in value:
        return [name.strip() for name in value.split(",")]
    return value if isinstance(value, list) else [value]
