"""Reference pages of the command line, made from the commands themselves."""

import html
from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from driftline.cli import app

_OWN_OPTIONS = "Options"


def command_pages() -> dict[str, str]:
    """Describe each command on a page of its own.

    Returns:
        Markdown by the command's name, in the order of `driftline --help`.
    """
    return {name: _page(name, command) for name, command in commands()}


def commands() -> Iterator[tuple[str, Any]]:
    """List the commands, those of a group after the group.

    Yields:
        The name as it is typed, such as `runs prune`, and Typer's command.
    """
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        yield name, command
        for inner, part in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", part


def _page(name: str, command: Any) -> str:  # noqa: ANN401 - Typer's own classes are private
    context = typer.Context(command, info_name=f"driftline {name}")
    usage = " ".join([f"driftline {name}", *command.collect_usage_pieces(context)])
    lines = [f"# driftline {name}", "", _text(command.help or ""), "", f"    {usage}"]
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        is_argument = parameter.param_type_name == "argument"
        panel = "Arguments" if is_argument else parameter.rich_help_panel or _OWN_OPTIONS
        row = f"| <code>{_cell(record[0])}</code> | {_cell(_text(record[1]))} |"
        panels.setdefault(panel, []).append(row)
    for panel, rows in panels.items():
        lines += ["", f"## {panel}", "", "| name | meaning |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    # A bar would end the cell.
    return html.escape(text, quote=False).replace("|", "&#124;")
