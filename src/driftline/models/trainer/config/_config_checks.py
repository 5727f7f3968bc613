"""Checks of a training config that need no model: what a run would break off at is told before it."""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
import torch
import transformers
from huggingface_hub.constants import HF_HUB_OFFLINE
from jinja2 import TemplateError
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from transformers.utils.import_utils import is_liger_kernel_available
from trl import SFTConfig

from ....errors import ConfigError, RunError
from ..._failures import describe_error, is_trainers
from ._training_config import TrainingConfig

_PACKAGES = {"comet_ml": "comet-ml", "dagshub": "dagshub", "azure_ml": "azureml-mlflow"}
_MODEL_OPTIONS = ("dtype", "attn_implementation")
_ABOUT_OPENING = {
    "revision", "trust_remote_code", "low_cpu_mem_usage", "device_map", "use_cache", "max_memory",
    "use_safetensors", "cache_dir", "token", "force_download", "local_files_only", "offload_folder",
}  # fmt: skip
"""Keys of model_init_kwargs that change no weight and no loss of a run."""
_FEW_STEPS = 100
_EVALUATED = (
    "loss", "mean_token_accuracy", "entropy", "num_tokens", "aux_loss", "runtime",
    "samples_per_second", "steps_per_second",
)  # fmt: skip
"""Metrics of an evaluation of TRL's trainer."""
_PLAINER = {
    "num_samples should be a positive integer": "no row is left to train on, because none has a token "
    "with a label; check labels, max_length and the chat template",
    "No columns in the dataset match the model's forward": "the rows were not tokenised; check their "
    "columns, and remove skip_prepare_dataset from dataset_kwargs",
}
"""Messages of libraries about rows that cannot be trained on, and words that name the mend."""
_REFUSALS = (ValueError, TypeError, LookupError, ImportError, RuntimeError, OSError, TemplateError)
"""Exceptions by which libraries refuse a config or data, before they begin."""


def check_training(config: TrainingConfig) -> None:
    """Refuse, before anything heavy is done, a config that training would break off at.

    Args:
        config: The config.

    Raises:
        ConfigError: A value that TRL, the schedule or the optimiser refuses, or a package that is not
            installed.
    """
    # TRL takes such a schedule with evaluations alone, and these arguments have none.
    steady = config.without_evaluation("") if config.follows_evaluations else config
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder, _quiet():
        args = steady.trainer_arguments(Path(folder), use_cpu=not torch.cuda.is_available())
    _check_model_options(config)
    _check_best_metric(config)
    config.adapter_config()
    if config.values.get("use_liger_kernel") and not is_liger_kernel_available():
        raise ConfigError(
            f"{config.name}: use_liger_kernel: liger-kernel is not installed here; run pip install "
            "liger-kernel, or remove the key"
        )
    if config.values.get("activation_offloading") and not torch.accelerator.is_available():
        raise ConfigError(
            f"{config.name}: activation_offloading: needs an accelerator, and there is none here; remove "
            "the key (it changes no weight)"
        )
    template = args.chat_template_path
    if template and template.endswith((".jinja", ".j2")) and not Path(template).is_file():
        raise ConfigError(f"{config.name}: chat_template_path: no file {template}; check the path")
    is_path = template and (template.startswith(("/", ".", "~")) or template.count("/") > 1)
    if is_path and not Path(template).exists():
        raise ConfigError(
            f"{config.name}: chat_template_path: no folder {template}; check the path, or name a "
            "model of the hub as owner/name"
        )
    optimizer = _optimizer(config, args)
    _check_schedule(config, args, optimizer)


def check_outputs(config: TrainingConfig) -> None:
    """Refuse a config whose reports or uploads would fail when the run is under way.

    Args:
        config: The config.

    Raises:
        ConfigError: A reporter that is unknown or not installed, or an upload without network or login.
    """
    for reason in output_faults(config):
        raise ConfigError(reason)


def output_faults(config: TrainingConfig) -> tuple[str, ...]:
    """Return why reports or uploads of the run would fail on this machine.

    Args:
        config: The config.

    Returns:
        One sentence each, with the mend.
    """
    faults = []
    reporters = config.values.get("report_to")
    known, here = set(INTEGRATION_TO_CALLBACK), set(get_available_reporting_integrations())
    for name in reporters if isinstance(reporters, list) else [reporters]:
        if name in (None, "none", "all"):
            continue
        if name not in known:
            faults.append(
                f"{config.name}: report_to: {name} is not one of {', '.join(sorted(known))}, none"
            )
        elif name not in here:
            package = _PACKAGES.get(str(name), str(name))
            faults.append(
                f"{config.name}: report_to: {name} is not installed here; run pip install {package}, "
                "or write report_to: none"
            )
    if config.values.get("push_to_hub"):
        if HF_HUB_OFFLINE:
            faults.append(
                f"{config.name}: push_to_hub: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset "
                "it, or write push_to_hub: false"
            )
        elif not (config.values.get("hub_token") or huggingface_hub.get_token()):
            faults.append(
                f"{config.name}: push_to_hub: nobody is logged in; run `hf auth login`, or write "
                "push_to_hub: false"
            )
    return tuple(faults)


def _check_best_metric(config: TrainingConfig) -> None:
    """Refuse a metric that no evaluation measures: the run would break off at the first one."""
    name = config.values.get("metric_for_best_model")
    if name is None or not config.evaluates:
        return
    if str(name).removeprefix("eval_") not in _EVALUATED:
        raise ConfigError(
            f"{config.name}: metric_for_best_model: {name!r} is not among what TRL evaluates; write one of "
            f"{', '.join(_EVALUATED)}"
        )


def _check_model_options(config: TrainingConfig) -> None:
    for key in config.model_options():
        if key in _MODEL_OPTIONS or key in _ABOUT_OPENING:
            continue
        mend = {"torch_dtype": "write dtype", "quantization_config": "write load_in_4bit: true"}
        raise ConfigError(
            f"{config.name}: model_init_kwargs: {key} is not supported; "
            + mend.get(
                key, "write it into the checkpoint's config.json, so that base and run have it"
            )
        )
    dtype = config.model_options().get("dtype")
    if dtype not in (None, "auto", "bfloat16", "float16", "float32"):
        raise ConfigError(
            f"{config.name}: dtype: {dtype!r} is not one of auto, bfloat16, float16, float32"
        )
    attention = config.model_options().get("attn_implementation")
    available: dict[object, Callable[[], bool]] = {
        "flash_attention_2": transformers.utils.is_flash_attn_2_available,
        "flash_attention_3": transformers.utils.is_flash_attn_3_available,
    }
    if attention in available and not available[attention]():
        raise ConfigError(
            f"{config.name}: attn_implementation: {attention} is not installed here, or finds no GPU; "
            "install flash-attn, or write attn_implementation: sdpa"
        )


def _optimizer(config: TrainingConfig, args: SFTConfig) -> torch.optim.Optimizer:
    """Build the optimiser on one number; SGD if it depends on the model."""
    number = torch.nn.Parameter(torch.zeros(1, 1))
    plain = torch.optim.SGD([number], lr=args.learning_rate)
    if config.values.get("optim_target_modules") or "lomo" in str(args.optim):
        return plain
    try:
        with _quiet():
            kind, options = transformers.Trainer.get_optimizer_cls_and_kwargs(args)
            if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
                return plain
            return kind([number], **options)
    except Exception as error:  # each optimiser's package has exceptions of its own
        raise ConfigError(f"{config.name}: optim: {one_line(error)}") from error


def _check_schedule(
    config: TrainingConfig, args: SFTConfig, optimizer: torch.optim.Optimizer
) -> None:
    steps = args.max_steps if args.max_steps > 0 else _FEW_STEPS
    name, options = (config.values.get(f"lr_scheduler_{key}") for key in ("type", "kwargs"))
    try:
        with _quiet():
            transformers.get_scheduler(
                name or args.lr_scheduler_type,
                optimizer=optimizer,
                num_warmup_steps=args.get_warmup_steps(steps),
                num_training_steps=steps,
                scheduler_specific_kwargs=dict(options) if isinstance(options, dict) else {},
            )
    except (
        Exception
    ) as error:  # schedules check nothing themselves; whatever breaks is the arguments
        raise ConfigError(
            f"{config.name}: lr_scheduler_type: {name or 'linear'} with lr_scheduler_kwargs "
            f"{options or 'left out'}: {one_line(error)}"
        ) from error


def one_line(error: BaseException) -> str:
    """Describe a library's exception in one line, with its kind if the text alone says little."""
    for said, meant in _PLAINER.items():
        if said in str(error):
            return meant
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    kind = type(error).__name__
    return f"{kind}: {first}" if isinstance(error, LookupError) or not first else first


_LIBRARY_MENDS = {
    "not training-compatible": " The loss is on the assistant's turns alone, which needs such markers. Train "
    "on whole chats (TRL: assistant_only_loss: false; Axolotl: train_on_inputs: true; LLaMA-Factory: "
    "train_on_prompt: true), or give TRL a template with the markers in chat_template_path "
    "(docs/data-and-configs.md has one)",
    "'TrainableTokensWrapper' object has no attribute": "; TRL cannot read a head that is tied to an "
    "embedding of which single tokens are trained; remove trainable_token_indices",
}
"""Words of a library's refusal -> the mend, where the library names none that works here."""


@contextlib.contextmanager
def told_in_one_line(
    config: TrainingConfig, work: str, steps_done: Callable[[], int] = lambda: 0
) -> Iterator[None]:
    """Convert exceptions of the libraries under a trainer to an error of one line.

    Args:
        config: The run's, which messages name first.
        work: Name of the failure, such as `the trainer refuses to start`.
        steps_done: Optimiser steps taken so far.

    Yields:
        Nothing.

    Raises:
        ConfigError: Nothing was trained yet, and the library refuses config or data.
        RunError: The trainer, or a library below it, failed.
        Exception: As it was raised, where it is Driftline's own or the disk's.
    """
    try:
        yield
    except Exception as error:  # each library has exceptions of its own
        if not is_trainers(error):
            raise
        steps, told = steps_done(), one_line(error)
        mend = next((mend for words, mend in _LIBRARY_MENDS.items() if words in told), "")
        if steps == 0 and (mend or isinstance(error, _REFUSALS)):
            raise ConfigError(f"{config.name}: {work}: {told}{mend}") from error
        when = f" after step {steps}" if steps else ""
        text = f"{config.name}: the trainer failed{when}: {describe_error(error)}"
        raise RunError(text) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
