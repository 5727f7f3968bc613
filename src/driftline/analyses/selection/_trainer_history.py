"""The trainer's own record of a run: which step its evaluations found best, and whether it was saved."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import JsonValue

from ...errors import ModelError
from ...parsing import parse_json, read_bytes
from ...results import TrainerEvaluation, TrainerHistory
from ._checkpoint_folders import has_weights, saved_steps

_FILE = "trainer_state.json"
_USUAL = "eval_loss"
_NO_METRICS = ("_runtime", "_per_second", "_time")
_MEND = "mend it, or move it away to compare without the trainer's history"


def read_history(run: Path, checkpoints: Iterable[Path]) -> TrainerHistory | None:
    """Read the evaluations of a training run, as transformers' Trainer writes them.

    The latest state counts, since each holds all evaluations before it. The metric is the one that
    the trainer chose the best checkpoint by, otherwise the evaluation loss.

    Args:
        run: The output folder of the run.
        checkpoints: The folders of its checkpoints that are compared.

    Returns:
        The history; None where no state is on disk, or it holds no evaluation.

    Raises:
        ModelError: A state cannot be read.
    """
    folders = {run, *checkpoints, *(run / f"checkpoint-{step}" for step in saved_steps(run))}
    files = [path for folder in sorted(folders) if (path := folder / _FILE).is_file()]
    states = [(path, _read(path)) for path in files]
    if not states:
        return None
    path, state = max(states, key=lambda each: _whole(each[1].get("global_step")) or 0)
    log = _log(state.get("log_history"), path)
    metric = _metric(state, log)
    evaluations = _evaluations(log, metric)
    if not evaluations:
        return None
    higher = _higher_is_better(metric, state, [each.value for each in evaluations])
    best = (max if higher else min)(evaluations, key=lambda each: each.value)
    saved = saved_steps(run)
    # A model in the output folder itself is that of the last step, or the best one.
    is_final = has_weights(run) and best.step == _whole(state.get("global_step"))
    return TrainerHistory(
        file=str(path),
        metric=metric,
        higher_is_better=higher,
        evaluations=evaluations,
        best_step=best.step,
        best_value=best.value,
        saved_steps=saved,
        is_best_saved=best.step in saved or is_final,
    )


def _read(path: Path) -> Mapping[str, JsonValue]:
    content = read_bytes(path, ModelError, mend=_MEND)
    state = parse_json(content, path, ModelError, finite=False, mend=_MEND)
    if not isinstance(state, dict):
        raise ModelError(f"{path}: is not a trainer's state, which is a mapping; {_MEND}")
    return state


def _log(value: JsonValue | None, path: Path) -> list[dict[str, JsonValue]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ModelError(f"{path}: log_history is not a list of mappings; {_MEND}")
    return [entry for entry in value if isinstance(entry, dict)]


def _metric(state: Mapping[str, JsonValue], log: list[dict[str, JsonValue]]) -> str:
    """Find the metric whose value is the trainer's best one; several can agree, and loss comes first."""
    best, step = _number(state.get("best_metric")), _whole(state.get("best_global_step"))
    names = sorted({name for entry in log for name in entry if _is_metric(name)})
    ordered = [name for name in (_USUAL, *names) if name in names]
    for entry in log:
        if best is None or (step is not None and entry.get("step") != step):
            continue
        for name in ordered:
            if _number(entry.get(name)) == best:
                return name
    # With several evaluation sets there is no plain loss.
    losses = [name for name in ordered if name.endswith("loss")]
    return next(iter((*losses, *ordered)), _USUAL)


def _is_metric(name: str) -> bool:
    return name.startswith("eval_") and not name.endswith(_NO_METRICS)


def _evaluations(log: list[dict[str, JsonValue]], metric: str) -> tuple[TrainerEvaluation, ...]:
    """List the finite values by step; of a step that was evaluated twice, the last counts."""
    values: dict[int, float] = {}
    for entry in log:
        step, value = _whole(entry.get("step")), _number(entry.get(metric))
        if step is not None and value is not None:
            values[step] = value
    return tuple(TrainerEvaluation(step=step, value=values[step]) for step in sorted(values))


def _higher_is_better(metric: str, state: Mapping[str, JsonValue], values: list[float]) -> bool:
    """Decide by the trainer's own choice, which is an extreme; otherwise by the metric's name."""
    best = _number(state.get("best_metric"))
    if best in values and min(values) < max(values) and best in (min(values), max(values)):
        return best == max(values)
    return not metric.endswith(("loss", "perplexity", "error"))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if abs(number) < float("inf") else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None
