"""The application: the list of commands, and the printing of errors."""

import sys
import traceback
from typing import Annotated

import typer

from ..errors import ConfigError, DriftlineError, InputError, RunError
from ..escapes import visible
from ._streams import safe_streams
from ._waiting_threads import set_waiting
from .commands import (
    calibrate,
    certify,
    compare,
    demo,
    diff,
    doctor,
    part_command,
    plan,
    repair,
    report,
    runs,
    sample_size,
    scale,
    score,
    suite,
    train,
)
from .signing import keygen, sign, verify

app = typer.Typer(
    name="driftline",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 pass or safe, 1 fail or unsafe, 2 bad input, 3 at risk or inconclusive, "
    "4 the work failed, 5 a certificate is refused.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from ..provenance import driftline_version

        typer.echo(f"driftline {driftline_version()}")
        raise typer.Exit


@app.callback(
    help="How far can this model be fine-tuned before it breaks, "
    "and how do I train it so that it does not?"
)
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that come before a command; all of them are answered eagerly."""


app.command("assess")(part_command("assess"))
app.command("margin")(part_command("margin"))
app.command("map")(part_command("map"))
app.command("forecast")(part_command("forecast"))
app.command("calibrate")(calibrate)
app.command("score")(score)
app.command("plan")(plan)
app.command("train")(train)
app.command("scale")(scale)
app.command("diff")(diff)
app.command("certify")(certify)
app.command("compare")(compare)
app.command("repair")(repair)
app.command("report")(report)
app.command("sample-size")(sample_size)
app.command("suite")(suite)
app.command("keygen")(keygen)
app.command("sign")(sign)
app.command("verify")(verify)
app.command("demo")(demo)
app.command("doctor")(doctor)
app.add_typer(runs, name="runs")


def main() -> None:
    """Run the command line; every error ends in a message and its exit code."""
    with safe_streams():
        try:
            _check_arguments()
            set_waiting()
            app()
        except DriftlineError as error:
            sys.exit(_refusal(str(error), error.exit_code))
        except SystemExit as stop:
            # Typer ends with 1 where a pipe broke, which means "unsafe" here.
            broken = stop.__context__ if stop.code == 1 else None
            if not isinstance(broken, OSError):
                raise
            sys.exit(_refusal(_described(broken), RunError.exit_code))
        except BaseException as error:
            code = _known_exit_code(error)
            if code is None:
                raise
            sys.exit(_refusal(_described(error), code))


def _check_arguments() -> None:
    """Refuse names that are not text, since every document names what it is about."""
    for argument in sys.argv[1:]:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"{argument}: is not text in this locale; rename it, or set LC_ALL=C.UTF-8"
            ) from None
        if not argument.isprintable():
            # Rich would pass on what it finds in a wrong option.
            app.rich_markup_mode = None


def _known_exit_code(error: BaseException) -> int | None:
    """Find the exit code of an error that is not one of ours; None where Python knows better."""
    if isinstance(error, OSError | UnicodeError) or _is_of_store(error):
        # Files, disks and names are what the user gave.
        return InputError.exit_code
    # A panic of a library in Rust is no Exception, so that it is not caught by chance.
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return RunError.exit_code
    return None


def _is_of_store(error: BaseException) -> bool:
    """Tell whether SQLite raised an error; where it is not loaded, it did not."""
    sqlite = sys.modules.get("sqlite3")
    return sqlite is not None and isinstance(error, sqlite.Error)


def _described(error: BaseException) -> str:
    if isinstance(error, OSError):
        name = "" if error.filename is None else f"{error.filename}: "
        return f"{name}{error.strerror or error}; check the path, its permissions and the disk"
    if isinstance(error, UnicodeError):
        return f"a text or a name is not UTF-8 ({error}); save or rename it as UTF-8"
    if _is_of_store(error):
        return f"the result store cannot be used ({error}); use another --out"
    if isinstance(error, MemoryError):
        return f"out of memory ({error}); take a smaller model, or a machine with more"
    traceback.print_exc()
    return "this is a fault in Driftline, please report it"


def _refusal(message: str, code: int) -> int:
    """Print a message as one line, whatever names and libraries put into it."""
    line = " ".join(message.splitlines()) if "\n" in message else message
    print(f"driftline: {visible(line, keep='')}", file=sys.stderr)  # noqa: T201
    return code
