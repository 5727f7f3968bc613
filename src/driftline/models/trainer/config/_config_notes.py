"""Notes on a training config: fields without effect, set aside, or read by the command line alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ....errors import ConfigError
from ._config_fields import (
    ABOUT_THE_MODEL,
    ADAPTER_SWITCHES,
    EVALUATION_FIELDS,
    MODEL_FIELDS,
    OUTPUT_FIELDS,
    QUANTISATION_DETAILS,
    SET_BY_TRAIN,
)

if TYPE_CHECKING:
    from ._training_config import TrainingConfig

_NO_CHECKPOINT = ("none", "false", "no", "true", "yes", "")
"""Values of `resume_from_checkpoint` that name none: true is the last one of the run itself."""


def named_model(config: "TrainingConfig") -> str | None:
    """Return the model that a config names, with its revision, in the form of `open_model`.

    Args:
        config: The config.

    Returns:
        Such as `owner/name@revision`; None where it names none.
    """
    name = config.values.get("model_name_or_path")
    if not isinstance(name, str):
        return None
    revision = config.model_options().get("revision", config.values.get("model_revision"))
    # Of a folder there is but one, and TRL ignores the field there.
    is_hub_id = "/" in name and "@" not in name and not Path(name).exists()
    return f"{name}@{revision}" if is_hub_id and revision not in (None, "main") else name


def streams(config: "TrainingConfig") -> bool:
    """Tell whether rows are read as a stream; a mixture has a field of its own for that.

    Args:
        config: The config.

    Returns:
        As TRL's command line would.
    """
    key = "streaming" if config.values.get("datasets") else "dataset_streaming"
    return bool(config.values.get(key))


def unused_fields(config: "TrainingConfig") -> tuple[str, ...]:
    """Return the fields that have no effect because of another field of the file."""
    values, unused = config.values, {"ignore_bias_buffers"}
    if not config.uses_peft:
        lora = {name for name in MODEL_FIELDS if name.startswith("lora_")}
        unused |= (lora | ADAPTER_SWITCHES) - {"use_peft"}
    if not values.get("load_in_4bit"):
        unused |= QUANTISATION_DETAILS
    if isinstance(steps := values.get("max_steps"), int) and steps > 0:
        unused.add("num_train_epochs")
    if not values.get("packing"):
        unused.add("packing_strategy")
    if not config.evaluates:
        unused |= EVALUATION_FIELDS - {"eval_strategy", "do_eval", "label_names"}
    if values.get("datasets"):
        unused |= {"dataset_name", "dataset_config", "dataset_streaming"}
    else:
        unused |= {"streaming", "test_split_size"}
    return tuple(key for key in values if key in unused)


def probe_notes(config: "TrainingConfig") -> tuple[str, ...]:
    """List the fields of a config that a probe ignores."""
    values = config.values
    aside = [key for key in values if key in OUTPUT_FIELDS | EVALUATION_FIELDS]
    named = [key for key in values if key in ABOUT_THE_MODEL]
    named += [key for key in config.model_options() if key in ("revision", "trust_remote_code")]
    notes = []
    if aside:
        notes.append(
            f"{', '.join(aside)}: set aside, the probe neither evaluates, logs, saves nor uploads"
        )
    if values.get("load_best_model_at_end") and config.evaluates:
        notes.append(
            "load_best_model_at_end may keep an earlier step; the forecast is of the last one"
        )
    if named:
        notes.append(f"{', '.join(named)}: set aside, the command names the model")
    if "use_cpu" in values:
        notes.append("use_cpu: set aside, the probe trains where the model lies")
    return tuple(notes)


def run_notes(config: "TrainingConfig", *, is_model_named: bool) -> tuple[str, ...]:
    """List the differences of `train` from TRL's command line.

    Args:
        config: The config.
        is_model_named: The command line names the model.

    Returns:
        One sentence each, the config's own notes first.
    """
    values = config.values
    ours = [key for key in values if key in SET_BY_TRAIN]
    named = [key for key in values if key in ("model_name_or_path", "model_revision")]
    notes = [*config.notes]
    if ours:
        notes.append(f"{', '.join(ours)}: set aside, train goes by --out and by what it finds here")
    if named and is_model_named:
        notes.append(f"{', '.join(named)}: set aside, --model names the model")
    if values.get("trust_remote_code") or config.model_options().get("trust_remote_code"):
        notes.append("trust_remote_code: set aside, --trust-remote-code says it")
    return tuple(notes)


def refuse_checkpoint(values: Mapping[str, JsonValue], path: Path) -> None:
    """Refuse a run that begins at a checkpoint, from which TRL's command line would resume."""
    named = values.get("resume_from_checkpoint")
    if str(named).lower() not in _NO_CHECKPOINT:
        raise ConfigError(
            f"{path}: resume_from_checkpoint: {named}: a run that begins at a checkpoint is not "
            "supported; remove the key (train resumes automatically from its last checkpoint in --out)"
        )
