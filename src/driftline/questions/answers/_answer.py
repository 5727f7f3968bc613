"""The answer to a question: its document, shown as text, Markdown, HTML or rows."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from driftline.results import Document

_FRAME = (
    '<iframe sandbox srcdoc="{page}" title="Driftline report" width="100%" height="640" '
    'style="border: 0"></iframe>'
)


@dataclass(frozen=True)
class Answer:
    """The answer to a question. Every field of its document can be read from it directly."""

    document: "Document"
    """The same document that the command writes."""
    folder: Path | None = None
    """The run folder; None where `out` was not given, so that no file is left."""
    before: "Answer | None" = field(default=None, compare=False)
    """The assessment that a training run was continued from."""
    suites: tuple[str, ...] = field(default=(), compare=False)
    """Suites that a training run watched, as they are named in files and on the command line."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the field of any document
        """Read a field of the document.

        Returns:
            Its value.

        Raises:
            AttributeError: The document has no such field.
        """
        if name.startswith("_") or name == "document":
            raise AttributeError(name)
        return getattr(self.document, name)

    def __dir__(self) -> list[str]:
        """List own names and the document's fields."""
        return sorted({*super().__dir__(), *type(self.document).model_fields})

    def to_json(self) -> str:
        """Return the document as the command prints it with `--json`.

        Returns:
            JSON text that ends in a newline.
        """
        return self.document.to_json()

    def summary(
        self,
        *,
        verbose: bool = False,
        command: str | None = None,
        files: Sequence[str] = (),
        most: int | None = None,
    ) -> str:
        """Return the text that the command prints: the first screen, at most twelve lines.

        Args:
            verbose: Add everything else that there is to say, as `-v` does.
            command: The next command, to be named.
            files: Lines that say where files are.
            most: Lines of the first screen at most; twelve where it is None.

        Returns:
            The text; it ends in a newline.
        """
        from ...report.terminal import MOST_LINES
        from ._shown import screen_of, summary_of

        screen = screen_of(self.document, command, files, most=most or MOST_LINES)
        if not verbose:
            return screen
        return f"{screen}\n{summary_of(self.document).rstrip()}\n"

    def to_markdown(self) -> str:
        """Return the verdict, one row per capability, and the caveats, as Markdown.

        Returns:
            The text; it ends in a newline.
        """
        from ._shown import markdown_of

        return markdown_of(self.document)

    def rows(self) -> list[dict[str, object]]:
        """Return plain values, one dict per capability.

        `diff` has one per group of weights, `compare` one per checkpoint or config.

        Returns:
            The rows; an undefined value is None.
        """
        from ._rows import rows_of

        return rows_of(self.document)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a tidy table, one row per capability.

        `diff` has one per group of weights, `compare` one per checkpoint or config.

        Returns:
            The rows; an undefined value is missing, never 0.
        """
        import pandas

        return pandas.DataFrame(self.rows())

    def __str__(self) -> str:
        """Return the summary."""
        return self.summary()

    def _repr_html_(self) -> str:
        """Show the report's own page in a notebook, or the summary where there is no page."""
        from ._shown import page_of

        page = page_of(self.document)
        if page is None:
            return f"<pre>{html.escape(self.summary())}</pre>"
        return _FRAME.format(page=html.escape(page, quote=True))
