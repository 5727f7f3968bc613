"""Rows that a trainer cannot be given, or that it refuses: the first is named, with the mend."""

import copy
from collections.abc import Callable
from typing import Any

import jinja2
from pydantic import JsonValue
from trl import SFTConfig

from ....errors import ConfigError, DataError
from ...language_model import LanguageModel
from ..config import TrainingConfig, one_line
from ._data_sources import quiet_datasets
from ._layouts import is_from_value
from ._training_data import TrainingData

_PART = 1000
"""Rows that are given to the trainer's tokenisation at a time, while the refused one is searched."""
_TURNS = ("messages", "conversations", "prompt", "completion")
_WHOLE_CHATS = (
    "train on whole chats (TRL: assistant_only_loss: false; Axolotl: train_on_inputs: true; "
    "LLaMA-Factory: train_on_prompt: true)"
)


def check_chats(opened: LanguageModel, config: TrainingConfig, data: TrainingData) -> None:
    """Refuse chats that the run has no template for, or whose answers TRL does not find.

    Args:
        opened: The base, with its tokenizer.
        config: The user's config.
        data: Rows of any layout.

    Raises:
        ConfigError: There are such chats.
    """
    if not data.is_chat:
        return
    has_template = config.values.get("chat_template_path") or getattr(
        opened.tokenizer, "chat_template", None
    )
    if not has_template:
        raise ConfigError(
            f"{config.name}: {data.name} holds chats, and {opened.source} has no chat template; write "
            "chat_template_path: with a .jinja file into the config (docs/data-and-configs.md has one), or "
            "give rows of prompt and completion"
        )
    is_answers_alone = config.for_data(is_chat=True).values.get("assistant_only_loss")
    if is_answers_alone and is_from_value(data.rows()):
        raise ConfigError(
            f"{config.name}: the loss is on the assistant's turns alone, and TRL does not find them in the "
            f"conversations (from, value) of {data.name}; write the rows as messages of role and content "
            f"(human becomes user, gpt becomes assistant), or {_WHOLE_CHATS}"
        )


def refuse_row(prepare: Callable[..., Any], arguments: tuple[Any, ...], data: TrainingData) -> None:
    """Name the first row that TRL's tokenisation raises on; returns where no single row does.

    Args:
        prepare: TRL's preparation of rows, which has raised.
        arguments: What it was given beside the rows.
        data: The rows, which may have been given as a stream.

    Raises:
        DataError: There is such a row; the message has its place, what TRL said, and the mend.
    """
    if not data.is_chat:
        return
    rows = data.rows()
    own = [copy.copy(each) if isinstance(each, SFTConfig) else each for each in arguments]
    for each in own:
        if isinstance(each, SFTConfig):
            # In this process, so that the exception has its traceback.
            each.dataset_num_proc = None

    def refusal(start: int, end: int) -> Exception | None:
        try:
            prepare(rows.select(range(start, end)), *own)
        except Exception as error:  # a template raises what it likes
            return error
        return None

    with quiet_datasets():
        starts = range(0, len(rows), _PART)
        start = next((at for at in starts if refusal(at, min(at + _PART, len(rows)))), None)
        if start is None:
            return
        end = min(start + _PART, len(rows))
        while end - start > 1:
            middle = (start + end) // 2
            start, end = (start, middle) if refusal(start, middle) else (middle, end)
        error = refusal(start, end)
    if error is None or not is_of_a_row(error):
        return
    # Where answers are missing, TRL goes on about templates in general.
    told = one_line(error).split(". ")[0]
    raise DataError(
        f"{data.place(start)}: TRL refuses the row ({told}); {_mend(data.examples[start], told)}"
    ) from error


def is_of_a_row(error: Exception) -> bool:
    """Tell whether TRL was at work on a row, and the fault is not that of a template as a whole.

    Args:
        error: The exception, with its traceback.

    Returns:
        False also for what another process has raised, whose traceback is lost.
    """
    if isinstance(error, OSError | MemoryError | jinja2.TemplateSyntaxError):
        return False
    trace = error.__traceback__
    while trace is not None:
        if "_prepare_dataset.<locals>" in trace.tb_frame.f_code.co_qualname:
            return True
        trace = trace.tb_next
    return False


def _mend(row: dict[str, JsonValue], told: str) -> str:
    """Return what to do about a row, by what it holds and by what TRL said."""
    tools, roles = row.get("tools"), _roles(row)
    if isinstance(tools, list) and any(not isinstance(tool, dict) for tool in tools):
        return "tools are not all mappings; write each tool as {type: function, function: {…}}"
    if "no assistant tokens" in told:
        return (
            "it has no turn of the assistant, or the template does not mark it; leave the row out, or "
            f"{_WHOLE_CHATS}"
        )
    if "system" in roles and "system" in told.lower():
        return (
            "the chat template takes no system message; write it into the first user message, or name "
            "another template in chat_template_path"
        )
    for column in _TURNS:
        turns = row.get(column)
        for number, turn in enumerate(turns if isinstance(turns, list) else [], start=1):
            fault = _content_fault(turn)
            if fault:
                return f"content of turn {number} of {column} is {fault}; write it as one text"
    return (
        f"its turns are {', '.join(roles) or 'none'}; write turns that the chat template takes, or name "
        "another template in chat_template_path"
    )


def _content_fault(turn: JsonValue) -> str:
    """Say what a turn's content is, where it is no text; empty where it is one, or need not be."""
    content = turn.get("content") if isinstance(turn, dict) else None
    if isinstance(content, str) or (isinstance(turn, dict) and turn.get("tool_calls")):
        return ""
    if content is None:
        return "missing or null"
    return "a list of parts" if isinstance(content, list) else f"not a text ({content!r})"


def _roles(row: dict[str, JsonValue]) -> list[str]:
    turns = [turn for name in _TURNS if isinstance(each := row.get(name), list) for turn in each]
    return [str(turn.get("role")) for turn in turns if isinstance(turn, dict)]
