"""Recompute the committed results.

python -m evidence.check                     # all of them, in one process
python -m evidence.check --jobs 2            # all of them, in two
python -m evidence.check --without-torch     # those that take a second
python -m evidence.check monitor.judge       # some of them

A check prints one line. The exit code is 1 if a committed result would change.
"""

import argparse
import contextlib
import importlib
import io
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
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
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"--jobs: {options.jobs} is too few; give 1 or more")
    if unknown := sorted(set(options.names) - set(every)):
        parser.error(f"unknown check {', '.join(unknown)}; choose from {', '.join(every)}")
    names = options.names or (WITHOUT_TORCH if options.without_torch else every)
    failures = 0
    for name, outcome in zip(names, _outcomes(names, options.jobs), strict=True):
        failures += outcome.failure is not None
        print(f"{outcome.seconds:6.1f} s  {name}: {outcome.failure or 'as committed'}", flush=True)
    sys.exit(failures > 0)


def _outcomes(names: Sequence[str], num_jobs: int) -> Iterator[Outcome]:
    modules = [f"evidence.{name}" for name in names]
    if num_jobs == 1:
        yield from map(run_check, modules)
        return
    # Spawned: a fork of a process whose libraries have started threads may wait for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_jobs, mp_context=context) as pool:
        yield from pool.map(run_check, modules)


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
