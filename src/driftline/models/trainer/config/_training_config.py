"""The user's training config: TRL's own YAML, checked field by field before anything runs."""

import dataclasses
import json
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from peft import LoraConfig
from pydantic import JsonValue
from trl import ModelConfig, SFTConfig, get_peft_config

from ....errors import ConfigError
from ....parsing import parse_yaml, read_bytes
from ....provenance import digest_bytes
from ....results import SourceProvenance
from ._adapter_names import PEFT_NAMES, take_adapter_names
from ._config_fields import (
    ADAPTER_SWITCHES,
    EVALUATION_FIELDS,
    MODEL_FIELDS,
    NAMES_OF_DATA,
    NOT_OF_THE_PROBE,
    PEFT_FIELDS,
    REACTIVE_SCHEDULES,
    SFT_FIELDS,
    as_its_kind,
)
from ._config_notes import probe_notes, refuse_checkpoint, unused_fields
from ._former_names import take_former_names
from ._launch import take_launch_keys
from ._other_trainers import LOSS_ON_ANSWERS, from_other_trainer
from ._value_checks import check_keys, check_values, with_key


@dataclass(frozen=True)
class TrainingConfig:
    """A config as the user wrote it, in TRL's and PEFT's words."""

    name: str
    values: dict[str, JsonValue]
    digest: str
    notes: tuple[str, ...] = ()
    """Fields that were read differently from the file, one sentence each."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that the file sets under `env`, as TRL's command line does."""
    loss_on_answers: bool = False
    """Take the loss of chats on the assistant's turns alone, as other trainers do by default."""

    @property
    def uses_peft(self) -> bool:
        """True if an adapter is trained rather than the weights themselves."""
        return bool(self.values.get("use_peft"))

    def provenance(self) -> SourceProvenance:
        """Return the description of this file for documents."""
        return SourceProvenance(name=self.name, digest=self.digest)

    def with_values(self, **changes: JsonValue) -> "TrainingConfig":
        """Return the config with some fields changed; the digest follows the values."""
        values = {**self.values, **changes}
        digest = digest_bytes(repr(sorted(values.items())).encode())
        return replace(self, values=values, digest=digest)

    def without(self, *names: str) -> "TrainingConfig":
        """Return the config without some fields, if it has them."""
        kept = {key: value for key, value in self.values.items() if key not in names}
        return self if len(kept) == len(self.values) else replace(self, values=kept).with_values()

    def without_source(self) -> "TrainingConfig":
        """Return the config without the names of data and splits, for rows from a separate file."""
        return self.without(*NAMES_OF_DATA)

    def without_adapter(self) -> "TrainingConfig":
        """Return the config of full fine-tuning with the same fields otherwise."""
        adapters = PEFT_FIELDS - SFT_FIELDS - MODEL_FIELDS
        lora = {n for n in MODEL_FIELDS if n.startswith("lora_") or n in ADAPTER_SWITCHES}
        return self.without(*adapters, *lora)

    @property
    def learning_rate(self) -> float:
        """The peak of the schedule; TRL's default where the file is silent."""
        rate = self.value("learning_rate")
        assert isinstance(rate, int | float)
        return float(rate)

    def value(self, name: str) -> JsonValue:
        """Return a TRL field as the user set it, or its default.

        Unlike `trainer_arguments` it does not touch accelerate's state, which the last arguments that
        were made decide for the whole process.

        Args:
            name: A field of SFTConfig.

        Returns:
            The value.
        """
        value: JsonValue = self.values.get(name, SFTConfig.__dataclass_fields__[name].default)
        return value

    @property
    def follows_evaluations(self) -> bool:
        """True if the learning rates depend on evaluations during the run."""
        return self.values.get("lr_scheduler_type") in REACTIVE_SCHEDULES

    def check_plan(self) -> None:
        """Refuse a run whose learning rates nobody can know before it.

        Raises:
            ConfigError: The schedule follows evaluations.
        """
        if self.follows_evaluations:
            raise ConfigError(
                f"{self.name}: lr_scheduler_type: {self.values['lr_scheduler_type']} has no plan to "
                "look ahead along; take another schedule"
            )

    def without_evaluation(self, reason: str) -> "TrainingConfig":
        """Return the config of the same run without evaluations, and a note that says so.

        Args:
            reason: For which it is not evaluated, with the mend.

        Returns:
            The config.
        """
        names = [key for key in self.values if key in EVALUATION_FIELDS]
        if self.values.get("save_strategy") == "best":
            names.append("save_strategy")
        note = f"{', '.join(names)}: set aside, {reason}"
        config = self.without(*names)
        if self.follows_evaluations:
            note += "; without evaluations the learning rate stays where it begins"
            config = config.without("lr_scheduler_kwargs").with_values(lr_scheduler_type="constant")
        return replace(config, notes=(*self.notes, note))

    @property
    def evaluates(self) -> bool:
        """True if the run is evaluated while it trains."""
        return str(self.values.get("eval_strategy") or "no") not in ("no", "False")

    def model_options(self) -> dict[str, JsonValue]:
        """Return the options for loading the weights, as TRL's command line does."""
        options = {
            key: self.values[key]
            for key in ("dtype", "attn_implementation")
            if self.values.get(key) is not None
        }
        more = self.values.get("model_init_kwargs")
        return options | (more if isinstance(more, dict) else {})

    def for_data(self, *, is_chat: bool) -> "TrainingConfig":
        """Return the config with the settings for chat data, or for other data.

        Args:
            is_chat: True if rows are turns with a role.

        Returns:
            The config; another one only where the loss of chats is on the assistant's turns alone.
        """
        if not self.loss_on_answers:
            return self
        config = self.with_values(assistant_only_loss=True) if is_chat else self
        return replace(config, loss_on_answers=False)

    def chat_template(self) -> str | None:
        """Return the template of the run's chats; None if it is the model's own."""
        named = self.values.get("chat_template_path")
        if not isinstance(named, str):
            return None
        path = (
            Path(named)
            if named.endswith((".jinja", ".j2"))
            else Path(named) / "chat_template.jinja"
        )
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def set_environment(self) -> None:
        """Set the variables that the file names under `env`."""
        os.environ.update(self.environment)

    def unused_fields(self) -> tuple[str, ...]:
        """Return the fields that have no effect because of another field of the file."""
        return unused_fields(self)

    def probe_notes(self) -> tuple[str, ...]:
        """List the settings that a probe leaves out, one sentence each."""
        return (*self.notes, *probe_notes(self))

    def trainer_arguments(self, output_dir: Path, *, use_cpu: bool) -> SFTConfig:
        """Return TRL's arguments: the user's fields, with bookkeeping switched off.

        Args:
            output_dir: Folder in which the trainer may write; it is expected to stay empty.
            use_cpu: Train on the CPU.

        Returns:
            The arguments.

        Raises:
            ConfigError: A value that TRL refuses.
        """
        chosen = {k: v for k, v in self.values.items() if k in SFT_FIELDS - NOT_OF_THE_PROBE}
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
        except (TypeError, ValueError, ImportError, RuntimeError, OSError) as error:
            raise ConfigError(f"{self.name}: {with_key(error, chosen)}") from error

    def adapter_config(self) -> LoraConfig | None:
        """Return the LoRA config that the fields describe; None for full fine-tuning.

        Returns:
            PEFT's config.

        Raises:
            ConfigError: A value that PEFT refuses.
        """
        if not self.uses_peft:
            return None
        own = {key: value for key, value in self.values.items() if key in MODEL_FIELDS}
        try:
            model = ModelConfig(**own)
            adapter = get_peft_config(model)
            # PEFT's own names, which TRL's config lacks, on top of what TRL makes of the others.
            more = {
                PEFT_NAMES.get(key, key): _unwrapped(key, value)
                for key, value in self.values.items()
                if key in PEFT_FIELDS - MODEL_FIELDS - SFT_FIELDS
            }
            if more and adapter is not None:
                given = {
                    f.name: getattr(adapter, f.name) for f in dataclasses.fields(adapter) if f.init
                }
                adapter = LoraConfig(**{**given, **more})
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigError(f"{self.name}: {error}") from error
        return adapter


def _unwrapped(key: str, value: JsonValue) -> JsonValue:
    """Take `all-linear` out of its list; a list of module names stays."""
    return "all-linear" if key == "target_modules" and value == ["all-linear"] else value


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
    return config_from_values(values, path, digest=digest_bytes(content))


def config_from_values(values: JsonValue, path: Path, *, digest: str) -> TrainingConfig:
    """Check the fields of a training config.

    Args:
        values: The content of the file.
        path: Path of the file, for messages; other files are named relative to it.
        digest: The content's.

    Returns:
        The config.

    Raises:
        ConfigError: As in `read_training_config`.
    """
    if not isinstance(values, dict):
        fault = "is empty" if values is None else "not a mapping"
        raise ConfigError(f"{path}: {fault}; write one `field: value` a line")
    values = {str(key): value for key, value in values.items()}
    values, translated = from_other_trainer(values, path)
    loss_on_answers = bool(values.pop(LOSS_ON_ANSWERS, False))
    environment = _environment(values.pop("env", None), path)
    values, former = take_former_names(values, path)
    # YAML reads 2e-4 as a text; TRL's parser does not mind, and neither do we.
    values = {key: as_its_kind(key, value) for key, value in values.items()}
    values, launched = take_launch_keys(values, path)
    check_keys(values, path)
    values, adapted = take_adapter_names(values, path)
    refuse_checkpoint(values, path)
    check_values(values, path)
    values = {key: _as_mapping(key, value, path) for key, value in values.items()}
    config = TrainingConfig(
        path.name, values, digest, environment=environment, loss_on_answers=loss_on_answers
    )
    notes = (*translated, *former, *launched, *adapted)
    if unused := config.unused_fields():
        notes += (f"{', '.join(unused)}: without effect beside the other fields",)
    return replace(config, notes=notes)


def _environment(value: JsonValue, path: Path) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: env: give one `VARIABLE: value` a line")
    return tuple((str(key), str(each)) for key, each in value.items())


def _as_mapping(key: str, value: JsonValue, path: Path) -> JsonValue:
    """Parse a mapping that is written as a text, as TRL's command line does."""
    if not key.endswith("_kwargs") or not isinstance(value, str):
        return value
    try:
        result: JsonValue = json.loads(value)
    except json.JSONDecodeError:
        result = None
    if not isinstance(result, dict):
        raise ConfigError(
            f"{path}: {key}: {value!r} is not a mapping; write `{key}: {{name: value}}`"
        )
    return result
