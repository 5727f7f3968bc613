"""An answer: its document as text, Markdown, HTML and rows."""

from ._answer import Answer as Answer
