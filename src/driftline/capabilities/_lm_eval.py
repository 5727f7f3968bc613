"""lm-evaluation-harness renders its tasks here: prompts, few-shot examples, choices, targets.

The only file that imports lm_eval, and nothing imports it before a task is named: it brings
transformers and datasets along. What is scored are the very texts that lm-eval's `hf` backend would
score, with its seed for few-shot examples, so log-likelihoods agree.
"""

import contextlib
import difflib
import functools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import SuiteError
from ..parsing import read_text
from ._items import Alternative, Alternatives, Cloze, Item, MultipleChoice, Passage, describe_fault
from ._scorers import Normalization, ScorerName
from ._tasks import PREFIX, RenderedTask, is_file


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Restore the environment after an import, since child processes would inherit changes."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


with _environment_kept():
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask, Task
    from lm_eval.tasks import TaskManager

_FEWSHOT_SEED = 1234
"""lm-eval's own default, so that a prompt holds the same examples here and there."""

_TAKEN = ("multiple_choice", "loglikelihood", "loglikelihood_rolling")


def render(task: str) -> tuple[RenderedTask, ...]:
    """Render a task, or each task of a group or a tag.

    Args:
        task: A name that lm-eval knows, or the path of a task's or group's YAML file.

    Returns:
        The tasks, in lm-eval's order.

    Raises:
        SuiteError: No such task, data that cannot be read, or a task that cannot be scored.
    """
    with _faults_named(f"{PREFIX}{task}"):
        result = _load(task)
        return tuple(_render(name, each) for name, each in result.items())


def _load(task: str) -> dict[str, Task]:
    """Load the task objects by name, with their data."""
    if is_file(task):
        manager, task = _from_file(Path(task))
    else:
        manager = _known_tasks()
        if task not in manager.all_tasks:
            near = difflib.get_close_matches(task, manager.all_tasks, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "`lm-eval ls tasks` lists them"
            raise SuiteError(f"{PREFIX}{task}: lm-eval knows no such task; {hint}")
    loaded: dict[str, Task] = manager.load(task)["tasks"]
    return loaded


def _from_file(path: Path) -> tuple[TaskManager, str]:
    """Return a task manager for the file, and the name to load."""
    if not path.is_file():
        raise SuiteError(f"{PREFIX}{path}: no such file; give the YAML file of a task")
    text = read_text(path, SuiteError)
    group = re.search(r"^group\s*:\s*(.+?)\s*$", text, re.MULTILINE)
    if group is None:
        return TaskManager(include_defaults=False), str(path)
    # lm-eval finds groups by name alone, and their tasks too: all stand in one folder.
    manager = TaskManager(include_defaults=False, include_path=str(path.parent))
    return manager, group[1].strip("\"'")


@functools.cache
def _known_tasks() -> TaskManager:
    """Build the index of all tasks that lm-eval ships, which takes about 15 seconds."""
    return TaskManager()


@contextlib.contextmanager
def _faults_named(name: str) -> Iterator[None]:
    """Name the task in errors, and keep its prints out of stdout."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except SuiteError:
        raise
    except OSError as error:
        raise SuiteError(
            f"{name}: its data cannot be read ({_first_line(error)}); a dataset of a hub needs the "
            "network, or a copy in the cache; for local files set dataset_path: json and data_files "
            "(relative to the working directory) in the task's YAML"
        ) from error
    except Exception as error:
        # A task is its author's program, templates and functions included: it may raise anything.
        raise SuiteError(
            f"{name}: lm-eval cannot build it ({type(error).__name__}: {_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _render(name: str, task: Task) -> RenderedTask:
    where = f"{PREFIX}{name}"
    _check_kind(where, task)
    if task.get_config("num_fewshot") is None:
        task.set_config("num_fewshot", 0)
    task.set_fewshot_seed(_FEWSHOT_SEED)
    task.build_all_requests()
    items: list[Item] = []
    documents = groupby(task.instances, key=lambda instance: instance.doc_id)
    for number, instances in documents:
        try:
            items.append(_item(task, str(number), list(instances)))
        except ValidationError as error:
            raise SuiteError(f"{where}: document {number}: {describe_fault(error)}") from None
        except ValueError as error:
            raise SuiteError(f"{where}: document {number}: {error}") from None
    scorer, items = _same_kind(where, items)
    version = (task.config.metadata or {}).get("version", "not stated")
    return RenderedTask(
        name=name,
        scorer=scorer,
        normalization=_normalization(task),
        items=tuple(items),
        description=f"lm-eval task {name} (version {version}), {task.config.num_fewshot}-shot",
    )


def _check_kind(where: str, task: Task) -> None:
    """Refuse what is not scored by the likelihood of texts with one right answer."""
    kind = task.OUTPUT_TYPE
    if kind not in _TAKEN:
        raise SuiteError(
            f"{where}: its output type is {kind}, and Driftline takes {', '.join(_TAKEN)}; to watch "
            "generated answers write a suite with scorer generate"
        )
    if not isinstance(task, ConfigurableTask) or getattr(task, "MULTIMODAL", False):
        raise SuiteError(
            f"{where}: is a task with Python code or images of its own; Driftline takes those that "
            "a YAML file describes in text"
        )
    if kind == "multiple_choice" and task.config.process_results is not None:
        raise SuiteError(
            f"{where}: its own process_results decides what counts as right; Driftline takes tasks "
            "whose doc_to_target names one choice"
        )


def _item(task: ConfigurableTask, number: str, instances: Sequence[Instance]) -> Item:
    """Convert one document to an item; its id is its number, as in lm-eval's own logs."""
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return Passage(id=number, text=_text(instances[0].args[0]))
    if task.OUTPUT_TYPE == "loglikelihood":
        prompt, completion = _split(instances[0])
        if not prompt:
            return Passage(id=number, text=completion)
        return Cloze(id=number, prompt=prompt, completion=completion)
    doc = instances[0].doc
    choices = task.doc_to_choice(doc)
    right = _right_choice(task, doc, choices)
    # Further requests, without a context, belong to acc_mutual_info.
    texts = [_split(instance) for instance in instances[: len(choices)]]
    # Choices of the same text cannot be told apart by any model: they are one choice.
    options = list(dict.fromkeys(texts))
    answer = options.index(texts[right])
    prompts = {prompt for prompt, _completion in options}
    if len(prompts) == 1 and "" not in prompts:
        return MultipleChoice(
            id=number,
            prompt=prompts.pop(),
            choices=tuple(completion for _prompt, completion in options),
            answer=answer,
        )
    return Alternatives(
        id=number,
        alternatives=tuple(Alternative(prompt=p, completion=c) for p, c in options),
        answer=answer,
    )


def _split(instance: Instance) -> tuple[str, str]:
    """Split context and continuation, white space between them going to the latter as in lm-eval."""
    context, continuation = (_text(part) for part in instance.args[:2])
    bare = context.rstrip()
    return bare, context[len(bare) :] + continuation


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its template gives {value!r}, which is not a text")
    return value


def _right_choice(task: ConfigurableTask, doc: dict[str, Any], choices: Sequence[str]) -> int:
    """Return the index of the one right choice, as lm-eval finds it."""
    target = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    if isinstance(target, list):
        if len(set(target)) != 1:
            raise ValueError(f"{len(set(target))} choices are right ({target}), and one is needed")
        target = target[0]
    if isinstance(target, str):
        if target not in choices:
            raise ValueError(f"its target {target!r} is none of its {len(choices)} choices")
        return choices.index(target)
    if not isinstance(target, int) or not 0 <= target < len(choices):
        raise ValueError(
            f"its target {target!r} is none of its {len(choices)} choices (0 is first)"
        )
    return int(target)


def _normalization(task: ConfigurableTask) -> Normalization:
    """Return `bytes` if the task's only accuracies divide by length."""
    metrics = set(task.aggregation())
    divided = {"acc_norm", "acc_bytes"} & metrics
    return "bytes" if divided and "acc" not in metrics else "none"


def _same_kind(where: str, items: list[Item]) -> tuple[ScorerName, list[Item]]:
    """Convert items to one scorer: alternatives can express a multiple choice."""
    kinds = {type(item) for item in items}
    if kinds == {MultipleChoice, Alternatives}:
        return "alternatives", [_as_alternatives(item) for item in items]
    names: dict[type[Item], ScorerName] = {
        MultipleChoice: "multiple_choice",
        Alternatives: "alternatives",
        Cloze: "cloze",
        Passage: "perplexity",
    }
    if len(kinds) > 1:
        raise SuiteError(f"{where}: some of its documents have a context and some have none")
    return names[kinds.pop()], items


def _as_alternatives(item: Item) -> Item:
    if not isinstance(item, MultipleChoice):
        return item
    assert item.prompt is not None
    return Alternatives(
        id=item.id,
        alternatives=tuple(Alternative(prompt=item.prompt, completion=c) for c in item.choices),
        answer=item.answer,
    )
