"""A protocol in the files of other trainers: TRL's command line, Axolotl, LLaMA-Factory."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import JsonValue
from trl import SFTConfig

from ..models import Levers, TrainingConfig, TrainingData, write_training_data

DATA, MESSAGES, DATASET_INFO = "train.jsonl", "train-messages.jsonl", "dataset_info.json"
TRL, AXOLOTL, LLAMA_FACTORY = "trl.yaml", "axolotl.yaml", "llamafactory.yaml"
_DATASET = "driftline"
"""The data's name in LLaMA-Factory's list."""

_PEFT_TO_TRL = {
    "r": "lora_r",
    "target_modules": "lora_target_modules",
    "target_parameters": "lora_target_parameters",
    "modules_to_save": "lora_modules_to_save",
}
_TRL_LORA = {
    "use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules",
    "lora_target_parameters", "lora_modules_to_save", "lora_task_type", "use_rslora", "use_dora",
}  # fmt: skip
_MODEL_FIELDS = {
    "model_name_or_path", "model_revision", "dtype", "attn_implementation", "trust_remote_code",
    "load_in_8bit", "load_in_4bit", "bnb_4bit_quant_type", "use_bnb_nested_quant",
}  # fmt: skip
_NO_ACCOUNT = {
    "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "datasets",
    "output_dir", "report_to", "run_name", "logging_steps", "logging_strategy", "save_strategy",
    "save_steps", "save_total_limit", "eval_strategy", "eval_steps", "disable_tqdm", "use_cpu",
    "dataset_text_field", "dataset_num_proc", "do_train",
}  # fmt: skip
"""Fields that decide nothing about the weights, or that every file says in its own way."""
_OF_ANOTHER_RUN = {
    "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split",
    "dataset_streaming", "num_train_epochs", "eval_strategy", "eval_steps", "eval_on_start",
    "load_best_model_at_end", "resume_from_checkpoint", "push_to_hub", "hub_model_id",
}  # fmt: skip
"""Fields that ask for a split of the data, or a place, that is not there; the steps are counted."""
_COMMON = {
    "learning_rate", "lr_scheduler_type", "weight_decay", "max_grad_norm", "adam_beta1",
    "adam_beta2", "adam_epsilon", "optim", "seed", "bf16", "gradient_checkpointing", "max_length",
    "per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs", "max_steps",
    "warmup_steps", "warmup_ratio", "assistant_only_loss", "completion_only_loss", "packing",
}  # fmt: skip
"""Fields of the run that Axolotl and LLaMA-Factory have too."""


@dataclass(frozen=True)
class ExportedRun:
    """Run to write for other trainers."""

    model: str
    """As they are to find it: a folder or a hub id."""
    data: TrainingData
    """Training data, replay included; written to the same folder."""
    config: TrainingConfig
    levers: Levers
    num_steps: int
    """Optimiser steps of the run; written as such, so that all trainers take as many."""

    def arguments(self) -> SFTConfig:
        """Return TRL's arguments, defaults filled in."""
        return self.config.trainer_arguments(Path("unused"), use_cpu=True)

    def as_messages(self) -> TrainingData | None:
        """Return prompt-completion chats as one list of messages; None for other layouts."""
        if self.data.layout != "prompt_completion" or not self.data.is_chat:
            return None
        examples: tuple[dict[str, JsonValue], ...] = tuple(
            {"messages": [*_turns(each["prompt"]), *_turns(each["completion"])]}
            for each in self.data.examples
        )
        return replace(self.data, layout="messages", examples=examples)

    def warmup_steps(self) -> int:
        """Return the number of warm-up steps, however the config states it."""
        return int(self.arguments().get_warmup_steps(self.num_steps))


def write_exports(run: ExportedRun, folder: Path) -> dict[str, tuple[str, ...]]:
    """Write the run for `trl sft --config`, Axolotl and LLaMA-Factory, with its data beside them.

    Each file begins with a comment that names what it cannot say: levers that the trainer does not
    have, and fields that it does not support.

    Args:
        run: Run to write.
        folder: Output folder, created if missing. Files name their data by its full path.

    Returns:
        File name to the names of what that file leaves out.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_training_data(run.data, folder / DATA)
    left_out = {}
    values, left_out[TRL] = _trl(run, folder)
    _write(folder / TRL, _comment(TRL, left_out[TRL]) + yaml.safe_dump(values, sort_keys=False))
    file = folder / DATA
    if (chats := run.as_messages()) is not None:
        file = folder / MESSAGES
        write_training_data(chats, file)
        config = run.config.with_values(assistant_only_loss=not _trains_on_all(run))
        run = replace(run, data=chats, config=config)
    info = {_DATASET: {"file_name": file.name, **_dataset_info(run.data)}}
    _write(folder / DATASET_INFO, json.dumps(info, indent=2) + "\n")
    for name, make in ((AXOLOTL, _axolotl), (LLAMA_FACTORY, _llama_factory)):
        values, missing = make(run, file)
        if chats is not None:
            missing = (*missing, "completion_only_loss (here on every turn of the assistant)")
        left_out[name] = missing
        _write(folder / name, _comment(name, missing) + yaml.safe_dump(values, sort_keys=False))
    return left_out


def _trl(run: ExportedRun, folder: Path) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    values: dict[str, JsonValue] = {
        "model_name_or_path": run.model,
        "datasets": [{"path": "json", "data_files": str(folder / DATA)}],
        "output_dir": str(folder / "trl"),
    }
    known = set(SFTConfig.__dataclass_fields__) | _TRL_LORA | _MODEL_FIELDS
    missing = _levers_left_out(run.levers)
    for key, value in run.config.values.items():
        name = _PEFT_TO_TRL.get(key, key)
        if name in values or name in _OF_ANOTHER_RUN:
            continue
        if name in known:
            values[name] = value
        elif key not in _NO_ACCOUNT:
            missing.append(key)
    values["max_steps"] = run.num_steps
    return values, tuple(missing)


def _axolotl(run: ExportedRun, file: Path) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    args = run.arguments()
    values: dict[str, JsonValue] = {
        "base_model": run.model,
        "datasets": [{"path": str(file), "ds_type": "json", **_axolotl_layout(run.data)}],
        "output_dir": str(file.parent / "axolotl"),
        "micro_batch_size": args.per_device_train_batch_size,
        "num_epochs": 1,
        "optimizer": _text(args.optim),
        "lr_scheduler": _text(args.lr_scheduler_type),
        "sample_packing": bool(args.packing),
        "train_on_inputs": _trains_on_all(run),
        "val_set_size": 0,
        **_shared(run),
    }
    if args.max_length is not None:
        values["sequence_len"] = args.max_length
    if run.data.layout == "messages":
        values["chat_template"] = "tokenizer_default"
    lora, missing = _lora(run)
    if lora:
        targets = lora.pop("target_modules")
        values["adapter"] = "lora"
        values |= {f"lora_{key}": value for key, value in lora.items() if not key.startswith("use")}
        values |= {f"peft_{key}": True for key in ("use_rslora", "use_dora") if lora.get(key)}
        if targets == "all-linear":
            values["lora_target_linear"] = True
        elif targets is not None:
            values["lora_target_modules"] = targets
        else:
            missing.append("lora_target_modules (the model's own default; name them)")
    return values, tuple(_levers_left_out(run.levers) + missing + _unknown(run))


def _llama_factory(run: ExportedRun, file: Path) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    args = run.arguments()
    is_text = run.data.layout == "text"
    values: dict[str, JsonValue] = {
        "model_name_or_path": run.model,
        "stage": "pt" if is_text else "sft",
        "do_train": True,
        "finetuning_type": "lora" if run.config.uses_peft else "full",
        "dataset": _DATASET,
        "dataset_dir": str(file.parent),
        "output_dir": str(file.parent / "llamafactory"),
        "per_device_train_batch_size": args.per_device_train_batch_size,
        "optim": _text(args.optim),
        "lr_scheduler_type": _text(args.lr_scheduler_type),
        "report_to": "none",
        **_shared(run),
    }
    if args.max_length is not None:
        values["cutoff_len"] = args.max_length
    missing = _levers_left_out(run.levers)
    if run.levers.entropy_gate:
        values["use_eaft_loss"] = True
        missing.remove("entropy_gate")
    if is_text and not args.packing:
        missing.append("packing: false (stage pt packs texts)")
    elif not is_text:
        values["packing"] = bool(args.packing)
        values["train_on_prompt"] = _trains_on_all(run)
        if not run.data.is_chat:
            values["template"] = "empty"
    lora, more = _lora(run)
    if lora:
        targets = lora.pop("target_modules")
        if isinstance(targets, list):
            values["lora_target"] = ",".join(str(target) for target in targets)
        else:
            values["lora_target"] = "all" if targets == "all-linear" else targets
        if targets is None:
            values["lora_target"] = "all"
            more.append("lora_target_modules (the model's own default; here it is all)")
        values |= {"lora_rank": lora["r"], "lora_alpha": lora["alpha"]}
        values |= {"lora_dropout": lora["dropout"]}
        values |= {key: True for key in ("use_rslora", "use_dora") if lora.get(key)}
    return values, tuple(missing + more + _unknown(run))


def _shared(run: ExportedRun) -> dict[str, JsonValue]:
    """Return the fields that both trainers name as transformers does."""
    args = run.arguments()
    return {
        "max_steps": run.num_steps,
        "gradient_accumulation_steps": args.gradient_accumulation_steps,
        "learning_rate": args.learning_rate,
        "warmup_steps": run.warmup_steps(),
        "weight_decay": args.weight_decay,
        "max_grad_norm": args.max_grad_norm,
        "adam_beta1": args.adam_beta1,
        "adam_beta2": args.adam_beta2,
        "adam_epsilon": args.adam_epsilon,
        "bf16": bool(args.bf16),
        "gradient_checkpointing": bool(args.gradient_checkpointing),
        "seed": args.seed,
        "logging_steps": 1,
    }


def _lora(run: ExportedRun) -> tuple[dict[str, JsonValue], list[str]]:
    """Return the LoRA fields that all trainers have, by PEFT's names, and the others."""
    adapter = run.config.adapter_config()
    if adapter is None:
        return {}, []
    targets = adapter.target_modules
    result: dict[str, JsonValue] = {
        "r": adapter.r,
        "alpha": adapter.lora_alpha,
        "dropout": adapter.lora_dropout,
        "target_modules": sorted(targets) if isinstance(targets, set) else targets,
        "use_rslora": adapter.use_rslora,
        "use_dora": adapter.use_dora,
    }
    said = {*_TRL_LORA, *_PEFT_TO_TRL, "task_type", "bias"}
    said -= {"lora_target_parameters", "target_parameters"}
    said -= {"lora_modules_to_save", "modules_to_save"}
    others = set(run.config.values) - said - set(SFTConfig.__dataclass_fields__)
    return result, sorted(others - _MODEL_FIELDS - _NO_ACCOUNT)


def _unknown(run: ExportedRun) -> list[str]:
    """List the fields that only TRL has and that differ from its defaults."""
    plain, args = SFTConfig(output_dir="unused", use_cpu=True, report_to="none"), run.arguments()
    ours = _COMMON | _NO_ACCOUNT | _TRL_LORA
    return [
        key
        for key in run.config.values
        if key in SFTConfig.__dataclass_fields__
        and key not in ours
        and getattr(args, key, None) != getattr(plain, key, None)
    ]


def _levers_left_out(levers: Levers) -> list[str]:
    """Replay is in the data; every other lever needs a trainer that has it."""
    return [name for name in levers.to_values() if not name.startswith("replay_")]


def _trains_on_all(run: ExportedRun) -> bool:
    """Return whether the prompt is trained on too, by TRL's defaults."""
    args = run.arguments()
    if run.data.layout == "text":
        return True
    if run.data.layout == "prompt_completion":
        return args.completion_only_loss is False
    return not args.assistant_only_loss


def _turns(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _axolotl_layout(data: TrainingData) -> dict[str, JsonValue]:
    if data.layout == "text":
        return {"type": "completion", "field": data.text_field}
    if data.layout == "messages":
        return {"type": "chat_template", "field_messages": "messages"}
    plain: dict[str, JsonValue] = {
        "system_prompt": "",
        "field_instruction": "prompt",
        "field_output": "completion",
        "format": "{instruction}",
        "no_input_format": "{instruction}",
    }
    return {"type": plain}


def _dataset_info(data: TrainingData) -> dict[str, JsonValue]:
    if data.layout == "text":
        return {"columns": {"prompt": data.text_field}}
    if data.layout == "prompt_completion":
        return {"columns": {"prompt": "prompt", "response": "completion"}}
    tags: dict[str, JsonValue] = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    return {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}


def _text(value: object) -> str:
    return str(getattr(value, "value", value))


def _comment(name: str, missing: tuple[str, ...]) -> str:
    command = {
        TRL: "trl sft --config",
        AXOLOTL: "axolotl train",
        LLAMA_FACTORY: "llamafactory-cli train",
    }[name]
    lines = [f"# {command} {name}"]
    if missing:
        lines.append("# Not supported by this trainer (omitted): " + ", ".join(missing))
    return "\n".join(lines) + "\n"


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
