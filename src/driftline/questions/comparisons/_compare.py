"""`compare`: the choice of a checkpoint after training, or of a config before it."""

from collections.abc import Mapping
from typing import Any

from ...errors import ConfigError
from .. import inputs
from ..answers import Answer
from ..inputs import DataInput, Reporter, handed_models
from ._checkpoints import compare_checkpoints
from ._compared_inputs import CheckpointsInput, ConfigsInput, Options, listed, named_configs
from ._configs import compare_configs

_ALPHA = 0.05


def compare(  # noqa: PLR0913 - the inputs of a question
    base: inputs.ModelInput,
    checkpoints: CheckpointsInput = (),
    *,
    suites: inputs.SuiteInput = ("core",),
    data: inputs.DataInput = None,
    configs: ConfigsInput = (),
    columns: str | Mapping[str, str] | None = None,
    eval_data: DataInput = None,
    items: int | None = None,
    alpha: float | None = None,
    out: object = None,
    seed: int = 0,
    force: bool = False,
    trust_remote_code: bool = False,
    dtype: str | None = None,
    device_map: str | None = None,
    load_in: str | None = None,
    dry_run: bool = False,
    reporter: Reporter | None = None,
) -> Answer:
    """Find the checkpoint that keeps everything and gains most, or the safest config.

    Args:
        base: A folder, a `.gguf` file, a hub id, or `(model, tokenizer)` in memory.
        checkpoints: After training: checkpoints or adapters tuned from it, one or several; a trainer's
            output folder stands for all of its checkpoint-N folders.
        suites: What must not break: names, YAML files or `Suite` objects.
        data: With checkpoints, held-out rows of the target task, to see what each gains. With configs,
            the training data; None takes what they name.
        configs: Before training: two or more configs, and no checkpoint; a dict of names and configs
            names them.
        columns: Columns of `data`, as `prompt=question,completion=answer` or a dict.
        eval_data: With configs, rows of the task that they do not train on, to see over-fitting. None takes
            the split that a config evaluates on, or rows that its probe does not reach.
        items: Items of each capability to score.
        alpha: Accepted chance of any wrong claim that a checkpoint kept everything; None for 0.05. Not
            for configs.
        out: Run folder; an interrupted run resumes from it. None leaves no file.
        seed: Random seed for Driftline's own sampling.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        dtype: `float32` (default) or `bfloat16`.
        device_map: `auto`, or one device.
        load_in: `4bit` or `8bit`.
        dry_run: Estimate the cost, and do nothing else.
        reporter: Told about progress.

    Returns:
        The answer.

    Raises:
        ConfigError: Neither checkpoints nor two configs are given, or both are.
    """
    if alpha is not None:
        inputs.check_alpha(alpha)
    inputs.check_items("--items", items)
    inputs.check_seed(seed)
    tuned, runs = listed(checkpoints), named_configs(configs)
    if eval_data is not None and not runs:
        raise ConfigError(
            "--eval-data: is for configs; with checkpoints --data names the rows that they did not train on"
        )
    _check(tuned, runs, alpha)
    reporter = reporter or inputs.SilentReporter()
    read = inputs.read_suites(suites, reporter)
    reporter.note("loading PyTorch and transformers")
    reads = (*tuned, *(config for _, config in runs), data, eval_data, suites)
    options = Options(
        read, data, columns, items, out, seed, force, reporter, eval_data, dry_run, reads
    )
    with handed_models() as handed:
        source, digest = handed.files(base, "base")
        choice = inputs.ModelChoice(source, trust_remote_code, dtype, device_map, load_in, digest)
        if runs:
            return compare_configs(choice, runs, options, handed)
        level = _ALPHA if alpha is None else alpha
        return compare_checkpoints(choice, tuned, options, handed, alpha=level)


def _check(
    checkpoints: tuple[Any, ...], configs: tuple[tuple[str, Any], ...], alpha: float | None
) -> None:
    """Refuse a mixture of both questions, and neither of them."""
    if not configs:
        if not checkpoints:
            raise ConfigError(
                "compare: names no checkpoint; add checkpoints, adapters or a trainer's output folder "
                "after the base, or two or more --config"
            )
        return
    if checkpoints:
        first = checkpoints[0]
        name = str(first) if isinstance(first, str) else "a checkpoint"
        raise ConfigError(
            f"--config: compares runs before training, and {name} is compared after it; ask the two "
            "apart"
        )
    if alpha is not None:
        raise ConfigError("--alpha: is for checkpoints; a forecast makes no test, leave it out")
    if len(configs) < 2:
        raise ConfigError("--config: one config has nothing to be compared with; name two or more")
