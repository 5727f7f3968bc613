"""Where training begins in the middle of a planned run, and which runs cannot be continued exactly."""

import math
from dataclasses import dataclass
from pathlib import Path

from trl import SFTConfig

from ..errors import ConfigError, OutputError
from ..models import TrainingConfig, TrainingData, streams
from ..parsing import parse_json, read_text

FROM_STEP_1 = "or train from step 1, without --from"


@dataclass(frozen=True)
class RunStart:
    """The step of a planned run at which training begins, because a probe trained those before it."""

    step: int
    checkpoint: Path
    """Folder of the trainer's own checkpoint of that step."""


def check_start(
    start: RunStart,
    arguments: SFTConfig,
    config: TrainingConfig,
    data: TrainingData,
    *,
    evaluates: bool,
) -> None:
    """Refuse a run that would not end, from this checkpoint, in the weights of the run from step 1.

    Args:
        start: Where training begins.
        arguments: TRL's arguments of the run.
        config: The user's config.
        data: Rows to train on.
        evaluates: The run evaluates while it trains.

    Raises:
        ConfigError: The run evaluates before the checkpoint's step, or draws an order of rows that the
            trainer cannot take up again there.
        OutputError: The checkpoint's state cannot be read.
    """
    epoch, num_steps = _progress(start.checkpoint)
    if evaluates:
        first = _first_evaluation(arguments, start.step, epoch=epoch, num_steps=num_steps)
        if first <= start.step:
            raise ConfigError(
                f"{config.name}: eval_strategy: the run evaluates at step {first}, and the probe of "
                f"{start.step} steps did not. Evaluating moves the random states on, so the weights would "
                f"differ; set eval_delay so that evaluations come later, {FROM_STEP_1}"
            )
    later, key = epoch > 1, ""
    if arguments.train_sampling_strategy == "group_by_length":
        key = "train_sampling_strategy"
    elif not arguments.accelerator_config.use_seedable_sampler:
        key = "accelerator_config"
    elif streams(config):
        rows = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
        later = arguments.packing or start.step * rows >= len(data.examples)
        key = "dataset_streaming"
    if key and later:
        raise ConfigError(
            f"{config.name}: {key}: after its first pass over the rows, where the probe ended, the trainer "
            f"cannot resume their order; remove it and assess again, {FROM_STEP_1}"
        )


def _progress(checkpoint: Path) -> tuple[float, int]:
    """Read the epoch of a checkpoint and the steps of its run."""
    path = checkpoint / "trainer_state.json"
    state = parse_json(read_text(path, OutputError), path, OutputError)
    epoch = state.get("epoch") if isinstance(state, dict) else None
    num_steps = state.get("max_steps") if isinstance(state, dict) else None
    if not isinstance(epoch, int | float) or not isinstance(num_steps, int):
        raise OutputError(f"{path}: has no epoch or max_steps; run assess again, {FROM_STEP_1}")
    return float(epoch), num_steps


def _first_evaluation(arguments: SFTConfig, step: int, *, epoch: float, num_steps: int) -> float:
    """Find the step of the first evaluation; of one at the end of an epoch, whether it is past."""
    if arguments.eval_on_start:
        return 0
    delay = float(arguments.eval_delay or 0)
    if str(arguments.eval_strategy.value) == "epoch":
        whole = max(1, math.ceil(delay))
        return math.floor(step * whole / epoch) if epoch >= whole else math.inf
    every = arguments.eval_steps or 1
    every = math.ceil(num_steps * every) if every < 1 else int(every)
    return every * max(1, math.ceil(delay / every))
