"""The application: the list of commands, and what an error looks like."""

import sys
import traceback

import typer

from ..errors import DriftlineError, RunError
from ._assess import part_command
from ._calibrate import calibrate
from ._certify import certify
from ._demo import demo
from ._diff import diff
from ._doctor import doctor
from ._keygen import keygen
from ._plan import plan
from ._repair import repair
from ._runs import runs
from ._sample_size import sample_size
from ._score import score
from ._sign import sign
from ._suite import suite
from ._train import train
from ._verify import verify

app = typer.Typer(
    name="driftline",
    help="How far can this model be fine-tuned before it breaks, and how do I train it so that it "
    "does not?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 pass or safe, 1 fail or unsafe, 2 bad input, 3 inconclusive, 4 the work failed.",
)
app.command("assess", help="Margin, map, forecast and verdict for one planned run: the main job.")(
    part_command("assess")
)
app.command("margin", help="How far the weights may move before each capability is lost.")(
    part_command("margin")
)
app.command("map", help="Which layers break first, capability by capability.")(part_command("map"))
app.command("forecast", help="Which capabilities this run will lose, and how much.")(
    part_command("forecast")
)
app.command("calibrate")(calibrate)
app.command("score")(score)
app.command("plan")(plan)
app.command("train")(train)
app.command("diff")(diff)
app.command("certify")(certify)
app.command("repair")(repair)
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
    try:
        app()
    except DriftlineError as error:
        print(f"driftline: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except Exception:
        # Python would exit with 1, which means "unsafe" here.
        traceback.print_exc()
        print("driftline: this is a fault in Driftline, please report it", file=sys.stderr)  # noqa: T201
        sys.exit(RunError.exit_code)
