"""Command line: write the suite's files, or check the committed ones."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ._suite import files_of_suites

_FOLDER = Path("src/driftline/capabilities/suites")


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the files of the shipped suite.

    Args:
        arguments: Command-line arguments; None takes those of the process.

    Returns:
        The exit code: 1 if `--check` finds a difference, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.suites")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if files differ")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="default: %(default)s")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    files = {folder / name: data for name, data in files_of_suites().items()}
    if options.check:
        return _check(files, folder)
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    sys.stderr.write(f"wrote {len(files)} files below {folder}\n")
    return 0


def _check(files: dict[Path, bytes], folder: Path) -> int:
    """Compares the files on disk with the generated ones; 1 if they differ."""
    stale = [p for p, data in files.items() if not p.is_file() or p.read_bytes() != data]
    kept = {path.parent for path in files} - {folder}
    extra = [p for suite in sorted(kept) for p in sorted(suite.iterdir()) if p not in files]
    for path in stale:
        sys.stderr.write(f"differs from its generator: {path}\n")
    for path in extra:
        sys.stderr.write(f"not written by the generator: {path}\n")
    return 1 if stale or extra else 0


if __name__ == "__main__":
    raise SystemExit(main())
