"""Draw the figures of the pages of concepts: one a page, in light and in dark.

python -m scripts.concept_figures           # writes docs/images/concept-*.svg
python -m scripts.concept_figures --check   # exit code 1 if a picture is not what this package draws

A figure is drawn from a committed result where there is one, and otherwise from a formula; the note below
it on its page says which. After a new result the check fails until the pictures are written anew.
"""

import argparse
import sys
from collections.abc import Iterable

from . import _capabilities, _runs, _tuned, _weights
from ._figure import ROOT, Figure

__all__ = ["FIGURES", "Figure", "main", "stale", "unused"]

IMAGES = ROOT / "docs" / "images"
FIGURES = (*_capabilities.FIGURES, *_weights.FIGURES, *_runs.FIGURES, *_tuned.FIGURES)


def main() -> None:
    """Write, or check, the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.concept_figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    is_check, changed, extra = parser.parse_args().check, stale(FIGURES), unused()
    if is_check and (changed or extra):
        names = ", ".join([*changed, *extra])
        sys.exit(f"{names}: stale or unused; run python -m scripts.concept_figures")
    for name, drawing in changed.items():
        (IMAGES / name).write_text(drawing, encoding="utf-8")
    for name in extra:
        (IMAGES / name).unlink()


def stale(figures: Iterable[Figure]) -> dict[str, str]:
    """Draw figures, and find the pictures that differ.

    Args:
        figures: To be compared.

    Returns:
        The new drawing, by the name of its file.
    """
    found = {}
    for figure in figures:
        path, drawing = IMAGES / figure.name, figure.svg()
        if not path.exists() or path.read_text(encoding="utf-8") != drawing:
            found[figure.name] = drawing
    return found


def unused() -> list[str]:
    """List pictures of concepts that no figure draws."""
    drawn = {figure.name for figure in FIGURES}
    return sorted(path.name for path in IMAGES.glob("concept-*.svg") if path.name not in drawn)
