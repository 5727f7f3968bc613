"""Recompute the committed results, in one process.

python -m evidence.check                     # all of them
python -m evidence.check --without-torch     # those that take a second
python -m evidence.check monitor.judge       # some of them

A check prints one line. The exit code is 1 if a committed result would change.
"""

import argparse
import contextlib
import importlib
import io
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

WITHOUT_TORCH = (
    "certification.judge",
    "families.run",
    "monitor.judge",
    "monitor.judge_ahead",
    "protection.judge",
    "protocols.judge",
    "protocols.judge_held_out",
    "repair.judge",
)
"""Modules that load no torch, which takes longer than these checks do."""
WITH_TORCH = (
    "forgetting.judge",
    "forgetting.link",
    "forgetting.plots",
    "path_margin.fit",
    "realistic.calibrate",
    "realistic.drifts",
    "realistic.judge",
    "realistic.margins",
    "realistic.quantities",
    "realistic.tables",
    "realistic.trials",
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check."""

    failure: str | None
    """None: the result is as committed."""
    seconds: float


def main() -> None:
    """Run the checks and print a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = (*WITHOUT_TORCH, *WITH_TORCH)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(every)}")
    parser.add_argument("--without-torch", action="store_true", help="only checks without torch")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(every)):
        parser.error(f"unknown check {', '.join(unknown)}; choose from {', '.join(every)}")
    names = options.names or (WITHOUT_TORCH if options.without_torch else every)
    failures = 0
    for name in names:
        outcome = run_check(f"evidence.{name}")
        failures += outcome.failure is not None
        print(f"{outcome.seconds:6.1f} s  {name}: {outcome.failure or 'as committed'}", flush=True)
    sys.exit(failures > 0)


def run_check(module: str) -> Outcome:
    """Run one module's check.

    Args:
        module: The module's full name. Its `main` returns a code or exits with a code or a message
            on failure.

    Returns:
        The outcome. An exception is a failure too.
    """
    started, printed = time.perf_counter(), io.StringIO()
    with _arguments(module, "--check"), contextlib.redirect_stdout(printed):
        try:
            code = importlib.import_module(module).main()
        except SystemExit as stopped:
            code = stopped.code
        except Exception as error:
            code = f"{type(error).__name__}: {error}"
    failure = None
    if code:
        said = code if isinstance(code, str) else printed.getvalue().strip()
        failure = said or "the committed result would change"
    return Outcome(failure, time.perf_counter() - started)


@contextlib.contextmanager
def _arguments(*arguments: str) -> Iterator[None]:
    before, sys.argv = sys.argv, list(arguments)
    try:
        yield
    finally:
        sys.argv = before


if __name__ == "__main__":
    main()
