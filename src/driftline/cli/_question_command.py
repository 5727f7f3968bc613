"""Makes a command of a question: its parameters are the question's own, so the two cannot part."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from ..questions import Answer
from .options import STANDARD_OPTIONS, JsonOption, VerboseOption

Values = dict[str, Any]
_MOST_BEFORE = 6
"""Lines about the assessment that a training run was continued from."""


@dataclass(frozen=True)
class Shown:
    """The additions of a command to its question: options, exit codes, lines to print."""

    options: Mapping[str, object]
    """The option or argument of each input that has none in `STANDARD_OPTIONS`, by the input's name."""
    exit_codes: Mapping[str | None, int]
    """The exit code of each verdict."""
    more: Callable[[Answer, Path | None], tuple[str, ...]] = lambda _answer, _folder: ()
    """Lines that say where files are."""
    follow: Callable[[Answer, Path | None, Values], str | None] = lambda _answer, _folder, _values: (
        None
    )
    """The next command."""
    default_folder: Callable[[Values], Path | None] | None = None
    """The run folder where none is given; None where none is needed then."""


def question_command(
    question: Callable[..., Answer], shown: Shown, help_text: str
) -> Callable[..., None]:
    """Make the command of a question.

    Args:
        question: The question; its signature gives names, order and defaults.
        shown: Options, exit codes and lines to print.
        help_text: The first line of the command's help.

    Returns:
        A function for Typer to wrap.

    Raises:
        TypeError: An input of the question has no option, or an option no input.
    """

    def command(**values: Any) -> None:  # noqa: ANN401 - options of any type
        as_json, verbose = values.pop("json"), values.pop("verbose")
        is_dry = bool(values.get("dry_run"))
        if shown.default_folder is not None and values["out"] is None and not is_dry:
            values["out"] = shown.default_folder(values)
        if "reporter" in parameters:
            # Loads progress bars, so not for --help.
            from ._progress import ProgressPrinter

            values["reporter"] = ProgressPrinter()
        answer = question(**values)
        if as_json:
            typer.echo(answer.to_json(), nl=False)
        else:
            folder = values.get("out")
            if answer.before is not None:
                # The verdict that let the run continue; its files come before those of the run.
                lines = shown.more(answer.before, folder)
                text = answer.before.summary(verbose=verbose, files=lines, most=_MOST_BEFORE)
                typer.echo(text)
            lines = () if is_dry else shown.more(answer, folder)
            following = None if is_dry else shown.follow(answer, folder, values)
            typer.echo(answer.summary(verbose=verbose, command=following, files=lines), nl=False)
        raise typer.Exit(0 if is_dry else shown.exit_codes[answer.verdict])

    parameters = inspect.signature(question).parameters
    standard = {
        name: kind
        for name, kind in STANDARD_OPTIONS.items()
        if name in parameters and name not in shown.options
    }
    options = {**shown.options, **standard}
    if extra := options.keys() - parameters.keys():
        raise TypeError(f"{question.__name__} has no input {', '.join(sorted(extra))}")
    if lost := parameters.keys() - options.keys() - {"reporter"}:
        raise TypeError(f"{question.__name__}: no option for {', '.join(sorted(lost))}")
    made = [_option(parameters[name], kind) for name, kind in options.items()]
    for name, kind in (("json", JsonOption), ("verbose", VerboseOption)):
        made.append(_option(inspect.Parameter(name, _KEYWORD, default=False), kind))
    command.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in made}
    command.__doc__ = help_text
    return command


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _option(parameter: inspect.Parameter, kind: object) -> inspect.Parameter:
    """Give a parameter the type and the help of its option, and keep its default."""
    default = parameter.default
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(inner) is list and isinstance(default, tuple):
        default = list(default)
    return inspect.Parameter(parameter.name, _KEYWORD, default=default, annotation=kind)
