"""The command to run next, with the names that the user typed."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..questions import Answer

_OPTIONS = {"data": "--data", "config": "--config", "suites": "--suite", "columns": "--map",
            "items": "--items", "chosen_by": "--chosen-by"}  # fmt: skip


def command_line(
    verb: str, values: Mapping[str, Any], *names: str, more: tuple[str, ...] = ()
) -> str:
    """Write a command of the inputs that another command was given.

    Args:
        values: Inputs by name; one that was not given is left out.
        names: Which of them it takes, in this order; those without an option are arguments.
        more: Words to put at the end.

    Returns:
        The command, quoted for a shell.
    """
    words = ["driftline", verb]
    for name in names:
        given = values.get(name)
        each = given if isinstance(given, list | tuple) else [given]
        for value in each:
            if value is not None:
                words += [*([_OPTIONS[name]] if name in _OPTIONS else []), str(value)]
    return shlex.join((*words, *more))


def near(name: str) -> str:
    """Write a full path below the working directory as a relative one.

    Args:
        name: Of a file, a folder, or anything else.

    Returns:
        The name to type here.
    """
    path = Path(name)
    here = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if here else name


def after_assessment(answer: Answer, folder: Path | None, values: Mapping[str, Any]) -> str | None:
    """Choose what follows `assess`, `margin` and `forecast`.

    Args:
        answer: With the verdict.
        folder: The run folder.
        values: Inputs of the command.

    Returns:
        Train where it is safe; where it is not, forecast the recommended config, or plan where there is
        none; forecast until it is decided, or with more items, where it is open; None without a verdict.
    """
    run = ("model", "data", "config", "suites", "columns")
    advice = getattr(answer.document, "advice", None)
    config = None if advice is None else advice.config_file
    if advice is not None and folder is not None and config is not None:
        changed = {**values, "config": folder / config}
        if advice.action != "measure_more":
            return command_line("forecast", changed, *run, "items")
    if advice is not None and advice.num_items is not None:
        return command_line("forecast", values, *run, more=("--items", str(advice.num_items)))
    if advice is not None and advice.action == "give_items":
        return None
    match answer.verdict:
        case None:
            return None
        case "safe":
            if folder is not None and answer.checkpoint is not None:
                return shlex.join(("driftline", "train", "--from", str(folder)))
            inputs = {**values, "protocol": values["config"]}
            options = ("--model", str(values["model"]))
            return command_line(
                "train", inputs, "protocol", "data", "suites", "columns", more=options
            )
        case "unsafe":
            return command_line("plan", values, *run)
        case _:
            return command_line("forecast", values, *run, "items", more=("--until", "decided"))


def after_claims(answer: Answer, folder: Path | None, values: Mapping[str, Any]) -> str | None:
    """Choose what follows `certify`.

    Args:
        answer: With the verdict.
        folder: The run folder.
        values: Inputs of the command.

    Returns:
        Sign where it passes, repair where a capability is lost; None where more items are needed, or for
        logs, whose weights cannot be repaired.
    """
    if answer.verdict == "pass" and folder is not None:
        document = str(folder / "certification.json")
        return shlex.join(("driftline", "sign", document, "--key", "keys/private.pem"))
    if answer.verdict == "fail" and not values.get("scored"):
        return command_line("repair", values, "base", "tuned", "suites")
    return None
