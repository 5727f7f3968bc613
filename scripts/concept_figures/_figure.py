"""A figure: its page, the results that it is drawn from, and the note below it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from evidence.realistic.records import read_record

ROOT = Path(__file__).parents[2]
FORMULA = "(Drawn from a formula, not from a result.)"


class Figure(NamedTuple):
    """One figure of one page of concepts."""

    page: str
    """Its name without `.md`."""
    draw: Callable[..., str]
    """Takes the content of each file, returns the text of the SVG."""
    about: str = ""
    """What the result is of; empty where the figure is drawn from a formula."""
    files: tuple[str, ...] = ()
    """Committed results, from the root of the repository."""

    @property
    def name(self) -> str:
        """Name of the picture's file."""
        return f"concept-{self.page}.svg"

    @property
    def note(self) -> str:
        """The sentence that the page has below the figure."""
        if not self.files:
            return FORMULA
        files = ", ".join(f"`{each}`" for each in self.files)
        word = "file" if len(self.files) == 1 else "files"
        return f"(Drawn from a result: {self.about}. Command: `python -m scripts.concept_figures`; {word}: {files}.)"

    def svg(self) -> str:
        """Draw the figure from the results as they are now."""
        return self.draw(*(_read(ROOT / each) for each in self.files))


def _read(path: Path) -> Any:  # noqa: ANN401 - JSON, or a record of a run
    if path.suffix == ".parquet":
        return read_record(path)
    return json.loads(path.read_text(encoding="utf-8"))
