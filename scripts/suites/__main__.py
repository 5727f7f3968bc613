"""Command line: write the suites' files, or check the committed ones."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ._checks import problems_of_suite
from ._items import Item
from ._suite import SUITES, files_of_suites

_FOLDER = Path("src/driftline/capabilities/suites")


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files of the shipped suites.

    Args:
        arguments: Command-line arguments; None takes those of the process.

    Returns:
        The exit code: 1 if `--check` finds a difference or an item breaks a rule, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.suites")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if files differ")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="default: %(default)s")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    files = {folder / name: data for name, data in files_of_suites().items()}
    problems = _problems(files)
    if options.check:
        problems += _differences(files, folder)
    else:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        sys.stderr.write(f"wrote {len(files)} files below {folder}\n")
    sys.stderr.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


def _problems(files: dict[Path, bytes]) -> list[str]:
    """Find items that break a rule."""
    problems: list[str] = []
    for suite in SUITES:
        capabilities: dict[str, list[Item]] = {
            path.stem: [json.loads(line) for line in data.splitlines()]
            for path, data in files.items()
            if path.parent.name == suite
        }
        problems += problems_of_suite(suite, capabilities)
    return problems


def _differences(files: dict[Path, bytes], folder: Path) -> list[str]:
    """Compare the files on disk with the generated ones."""
    stale = [p for p, data in files.items() if not p.is_file() or p.read_bytes() != data]
    folders = {path.parent for path in files} - {folder}
    extra = [p for each in sorted(folders) for p in sorted(each.glob("*")) if p not in files]
    return [f"differs from its generator: {path}" for path in stale] + [
        f"not written by the generator: {path}" for path in extra
    ]


if __name__ == "__main__":
    raise SystemExit(main())
