"""Tasks of lm-evaluation-harness by name: `lm_eval:TASK`, as capabilities with stated defaults.

lm-eval has no tolerances, so these stand for them until a suite's entry says otherwise:

    output type               scorer                             metric        tolerance
    multiple_choice           multiple_choice (alternatives      margin_nats   0.25; 0.01 where a
                              where options differ in prompt)                  length divides
    loglikelihood             cloze                              nll_nats      0.1
    loglikelihood_rolling     perplexity                         nll_nats      0.1

0.25 and 0.1 are those of the shipped suite; 0.01 is 0.25 nats over a choice of 25 bytes.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import SuiteError
from ..metrics import MetricName
from ._capability import Capability
from ._items import Item
from ._scorers import SCORER_METRICS, Normalization, ScorerName

PREFIX = "lm_eval:"
"""Prefix of a task's name, or of the path of its YAML file."""

_TOLERANCES: dict[tuple[MetricName, bool], float] = {
    ("margin_nats", False): 0.25,
    ("margin_nats", True): 0.01,
    ("nll_nats", False): 0.1,
}
"""By metric, and by whether log-likelihoods are divided by a length."""


@dataclass(frozen=True)
class RenderedTask:
    """One task as lm-eval renders it: the texts, and which of them are right."""

    name: str
    scorer: ScorerName
    normalization: Normalization
    items: tuple[Item, ...]
    description: str


def render_tasks(name: str, *, folder: Path | None = None) -> tuple[RenderedTask, ...]:
    """Render a task, or all tasks of a group or a tag, by lm-eval.

    Args:
        name: `lm_eval:` and the name of a task, a group or a tag, or the path of a YAML file.
        folder: Folder of relative paths; None for the working directory.

    Returns:
        The tasks, in lm-eval's order.

    Raises:
        SuiteError: lm-eval is not installed, or the task cannot be built, or is of a kind that
            Driftline does not score.
        ModuleNotFoundError: lm-eval is there, and something that it needs is not.
    """
    task = name.removeprefix(PREFIX)
    try:
        # Importing lm-eval takes seconds, so only a suite that names a task pays for it.
        renderer = importlib.import_module("._lm_eval", __package__)
    except ModuleNotFoundError as error:
        if error.name != "lm_eval":
            raise
        raise SuiteError(
            f"{name}: needs lm-evaluation-harness, which is not installed; "
            "pip install 'driftline[lm-eval]'"
        ) from None
    if is_file(task) and folder is not None:
        task = str(folder / task)
    rendered: tuple[RenderedTask, ...] = renderer.render(task)
    return rendered


def is_file(task: str) -> bool:
    """Return whether a task is named by the path of its YAML file.

    >>> is_file("arc_easy"), is_file("tasks/mine.yaml")
    (False, True)

    Args:
        task: Text after `lm_eval:`.

    Returns:
        True for a path.
    """
    return task.endswith((".yaml", ".yml"))


def default_capability(task: RenderedTask) -> Capability:
    """Return a task as a capability, with the default metric and tolerance of its kind."""
    metric = SCORER_METRICS[task.scorer][0]
    return Capability(
        name=task.name,
        scorer=task.scorer,
        metric=metric,
        tolerance=_TOLERANCES[metric, task.normalization != "none"],
        items=task.items,
        description=task.description,
        normalization=task.normalization,
    )
