"""The user's training config: TRL's own YAML, checked field by field before anything runs."""

import contextlib
import dataclasses
import difflib
import json
import types
import typing
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from peft import LoraConfig
from pydantic import JsonValue
from trl import ModelConfig, ScriptArguments, SFTConfig

from ..errors import ConfigError
from ..parsing import parse_yaml, read_bytes
from ..provenance import digest_bytes
from ..results import SourceProvenance

_SCALARS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
    types.NoneType: "null",
}


def _scalar_kinds(config: type) -> dict[str, tuple[type, ...]]:
    """The kinds that a config's fields take; fields that take more than scalars are left out."""
    kinds = {}
    for name, hint in typing.get_type_hints(config).items():
        is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        options = typing.get_args(hint) if is_union else (hint,)
        if set(options) <= set(_SCALARS):
            kinds[name] = options
    return kinds


_SFT_FIELDS = {field.name for field in dataclasses.fields(SFTConfig) if field.init}
_MODEL_FIELDS = {field.name for field in dataclasses.fields(ModelConfig) if field.init}
# Where the data are: the command line says that here.
_SCRIPT_FIELDS = {field.name for field in dataclasses.fields(ScriptArguments) if field.init}
# PEFT's own names for what ModelConfig calls lora_*; these are the ones that people write.
_PEFT_FIELDS = {field.name for field in dataclasses.fields(LoraConfig) if field.init}
_KINDS = {**_scalar_kinds(LoraConfig), **_scalar_kinds(ModelConfig), **_scalar_kinds(SFTConfig)}
_POSITIVE = (
    "learning_rate", "max_length", "per_device_train_batch_size", "gradient_accumulation_steps",
    "lora_r", "r",
)  # fmt: skip

_IGNORED = {
    "model_name_or_path", "model_revision", "dtype", "attn_implementation", "trust_remote_code",
    "output_dir", "report_to", "run_name", "project", "logging_strategy", "logging_steps",
    "logging_first_step", "save_strategy", "save_steps", "save_total_limit", "eval_strategy",
    "eval_steps", "per_device_eval_batch_size", "eval_on_start", "load_best_model_at_end",
    "push_to_hub", "hub_model_id", "hub_strategy", "disable_tqdm", "resume_from_checkpoint",
}  # fmt: skip
"""Fields about bookkeeping, or about the model that the command line names."""

_ADAPTER_SWITCHES = {"use_peft", "use_rslora", "use_dora"}
_REFUSED = {
    "deepspeed": "a distributed run",
    "fsdp": "a distributed run",
}


@dataclass(frozen=True)
class TrainingConfig:
    """A config as the user wrote it, in TRL's and PEFT's words."""

    name: str
    values: dict[str, JsonValue]
    digest: str

    @property
    def uses_peft(self) -> bool:
        """Whether an adapter is trained rather than the weights themselves."""
        return bool(self.values.get("use_peft"))

    def provenance(self) -> SourceProvenance:
        """What stands in a document about this file."""
        return SourceProvenance(name=self.name, digest=self.digest)

    def with_values(self, **changes: JsonValue) -> "TrainingConfig":
        """The config with some fields set otherwise; the digest follows the values."""
        values = {**self.values, **changes}
        return TrainingConfig(
            self.name, values, digest_bytes(repr(sorted(values.items())).encode())
        )

    def without(self, *names: str) -> "TrainingConfig":
        """The config without some fields, if it has them."""
        kept = {key: value for key, value in self.values.items() if key not in names}
        return self if len(kept) == len(self.values) else replace(self, values=kept).with_values()

    def without_adapter(self) -> "TrainingConfig":
        """The config of full fine-tuning with the same fields otherwise."""
        adapters = _PEFT_FIELDS - _SFT_FIELDS - _MODEL_FIELDS
        lora = {n for n in _MODEL_FIELDS if n.startswith("lora_") or n in _ADAPTER_SWITCHES}
        return self.without(*adapters, *lora)

    @property
    def learning_rate(self) -> float:
        """The peak of the schedule; TRL's default where the file is silent."""
        rate = self.value("learning_rate")
        assert isinstance(rate, int | float)
        return float(rate)

    def value(self, name: str) -> JsonValue:
        """A field of TRL's as the user set it, or as TRL defaults to.

        Unlike `trainer_arguments` it does not touch accelerate's state, which the last arguments that
        were made decide for the whole process.

        Args:
            name: A field of SFTConfig.

        Returns:
            The value.
        """
        value: JsonValue = self.values.get(name, SFTConfig.__dataclass_fields__[name].default)
        return value

    def trainer_arguments(self, output_dir: Path, *, use_cpu: bool) -> SFTConfig:
        """TRL's own arguments: the user's fields, with bookkeeping switched off.

        Args:
            output_dir: Where the trainer may write; nothing is expected to be written.
            use_cpu: Train on the CPU.

        Returns:
            The arguments.

        Raises:
            ConfigError: A value that TRL refuses.
        """
        chosen = {k: v for k, v in self.values.items() if k in _SFT_FIELDS - _IGNORED}
        try:
            with warnings.catch_warnings():
                # Field names that TRL will drop one day are TRL's and the user's own affair.
                warnings.simplefilter("ignore")
                return SFTConfig(
                    **{**chosen, "use_cpu": use_cpu},
                    output_dir=str(output_dir),
                    report_to="none",
                    save_strategy="no",
                    eval_strategy="no",
                    logging_strategy="no",
                    disable_tqdm=True,
                )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.name}: {error}") from error

    def adapter_config(self) -> LoraConfig | None:
        """The LoRA config that the fields describe; None for full fine-tuning.

        Returns:
            PEFT's config.

        Raises:
            ConfigError: A value that PEFT refuses.
        """
        if not self.uses_peft:
            return None
        defaults = ModelConfig()
        chosen: dict[str, object] = {
            "r": defaults.lora_r,
            "lora_alpha": defaults.lora_alpha,
            "lora_dropout": defaults.lora_dropout,
            "task_type": "CAUSAL_LM",
        }
        renamed = {
            "lora_r": "r",
            "lora_target_modules": "target_modules",
            "lora_target_parameters": "target_parameters",
            "lora_modules_to_save": "modules_to_save",
            "lora_task_type": "task_type",
        }
        for key, value in self.values.items():
            name = renamed.get(key, key)
            if name in _PEFT_FIELDS:
                chosen[name] = value
        try:
            return LoraConfig(**chosen)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.name}: {error}") from error


def read_training_config(path: Path) -> TrainingConfig:
    """Read a training config and refuse what cannot be meant.

    Args:
        path: A YAML file with field names of SFTConfig, ModelConfig and LoraConfig.

    Returns:
        The config.

    Raises:
        ConfigError: No such file, not a YAML mapping, an unknown key, a value of the wrong kind or
            out of range, or a kind of run that is not supported.
    """
    content = read_bytes(path, ConfigError)
    values = parse_yaml(content, path, ConfigError)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a mapping; write one `field: value` a line")
    # YAML reads 2e-4 as a text; TRL's parser does not mind, and neither do we.
    values = {str(key): _as_number(value, _kinds(str(key))) for key, value in values.items()}
    _check_keys(values, path)
    _check_values(values, path)
    if values.get("lr_scheduler_type") == "reduce_lr_on_plateau":
        raise ConfigError(
            f"{path}: lr_scheduler_type: reduce_lr_on_plateau has no plan to look ahead along; take "
            "another schedule"
        )
    return TrainingConfig(path.name, values, digest_bytes(content))


def _check_keys(values: dict[str, JsonValue], path: Path) -> None:
    known = _SFT_FIELDS | _MODEL_FIELDS | _PEFT_FIELDS | _SCRIPT_FIELDS
    for key in values:
        if key in _REFUSED and values[key]:
            raise ConfigError(f"{path}: {key}: {_REFUSED[key]} is not supported; remove the key")
        if key in _PEFT_FIELDS - _SFT_FIELDS - _MODEL_FIELDS and not values.get("use_peft"):
            raise ConfigError(f"{path}: {key}: belongs to LoRA; add `use_peft: true`")
        if key not in known:
            close = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"did you mean {close[0]}?" if close else "remove it"
            raise ConfigError(f"{path}: unknown key {key}; {hint}")


def _check_values(values: dict[str, JsonValue], path: Path) -> None:
    for key, value in values.items():
        kinds = _kinds(key)
        if kinds and not _is_of(value, kinds):
            wanted = " or ".join(_SCALARS[kind] for kind in kinds)
            raise ConfigError(f"{path}: {key}: {value!r} is not {wanted}")
        if key in _POSITIVE and isinstance(value, (int, float)) and not value > 0:
            raise ConfigError(f"{path}: {key}: {value} is not above 0")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ConfigError(
                f"{path}: {key}: {value!r} is not a finite number or a text; put a text into "
                "quotation marks"
            ) from None


def _kinds(key: str) -> tuple[type, ...]:
    """The scalars that a field takes; none where it takes more than scalars, or is ignored."""
    return () if key in _IGNORED else _KINDS.get(key, ())


def _is_of(value: JsonValue, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (type(value) is int and float in kinds)


def _as_number(value: JsonValue, kinds: tuple[type, ...]) -> JsonValue:
    """A text as the number that its field takes, if it reads as one."""
    if not isinstance(value, str) or str in kinds:
        return value
    for kind in (int, float):
        if kind in kinds:
            with contextlib.suppress(ValueError):
                return kind(value)
    return value
