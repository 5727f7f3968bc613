"""TRL's trainer for a probe: on a copy of the base, without output, and without a trace."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import transformers
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import ModulesToSaveWrapper

from ...errors import ConfigError
from ..language_model import LanguageModel, tied_names
from ._adapter_checks import check_bias
from ._base_checks import check_base
from ._lever_trainer import LeverTrainer
from ._planned_trainer import planned_trainer
from ._random_states import random_states_kept
from .config import TrainingConfig
from .data import TrainingData
from .levers import Levers, with_replay


@contextlib.contextmanager
def probe_trainer(
    opened: LanguageModel,
    config: TrainingConfig,
    data: TrainingData,
    *,
    levers: Levers | None = None,
    num_steps: int = 0,
    output_dir: Path | None = None,
) -> Iterator[LeverTrainer]:
    """Build TRL's trainer on a copy of the model; random states and progress bars are restored.

    Args:
        opened: The base; it is not changed.
        config: The user's config.
        data: The user's data.
        levers: Mitigations of the run.
        num_steps: Steps of the run, which replay goes by.
        output_dir: Folder for the trainer's checkpoints, where the caller asks for any.

    Raises:
        ConfigError: Config, data and base do not go together, or the run would be distributed.
    """
    levers = Levers() if levers is None else levers
    check_base(opened, config)
    with contextlib.ExitStack() as stack:
        if output_dir is None:
            made = tempfile.TemporaryDirectory(prefix="driftline-")
            output_dir = Path(stack.enter_context(made))
        stack.enter_context(random_states_kept())
        stack.enter_context(_quiet_transformers())
        on_cpu = opened.device.type == "cpu"
        args = config.trainer_arguments(output_dir, use_cpu=on_cpu)
        args.include_num_input_tokens_seen = "non_padding"
        if levers.replay_share:
            data = with_replay(opened, config, data, levers=levers, num_steps=num_steps)
        trainer = stack.enter_context(
            planned_trainer(
                opened,
                config,
                data,
                arguments=args,
                levers=levers,
                num_steps=num_steps if levers.replay_share else None,
            )
        )
        if trainer.args.n_gpu > 1 or trainer.args.world_size > 1:
            raise ConfigError(
                f"{trainer.args.n_gpu} GPUs and {trainer.args.world_size} processes: distributed "
                "runs are not supported; show one GPU with CUDA_VISIBLE_DEVICES=0"
            )
        _check_tied(trainer, opened, config)
        check_bias(trainer.model, config)
        yield trainer


def _check_tied(trainer: LeverTrainer, opened: LanguageModel, config: TrainingConfig) -> None:
    """Refuse an adapter that parts two weights which are one in the base: no change of it is both."""
    if not isinstance(trainer.model, PeftModel):
        return
    shared = {name.rpartition(".")[0] for pair in tied_names(opened.model).items() for name in pair}
    for name, module in trainer.model.base_model.model.named_modules():
        if name not in shared or not isinstance(module, BaseTunerLayer | ModulesToSaveWrapper):
            continue
        is_saved = isinstance(module, ModulesToSaveWrapper)
        keys = ("lora_modules_to_save", "modules_to_save")
        if not is_saved:
            keys = ("lora_target_modules", "target_modules")
        key = next((key for key in keys if key in config.values), keys[0])
        raise ConfigError(
            f"{config.name}: {key}: embedding and head of {opened.source} are one weight, which {name} of "
            "its own would part, so a probe cannot say where the run takes it; leave both out (train "
            "takes them)"
        )


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence log lines and progress bars, such as that of writing a checkpoint."""
    log = transformers.utils.logging
    level, has_bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if has_bars:
            log.enable_progress_bar()
