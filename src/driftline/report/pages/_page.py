"""What every page has in common: templates that escape all text, and charts with their numbers."""

from dataclasses import dataclass
from importlib.resources import files

import jinja2

from ...escapes import replaced
from ._tables import Table


@dataclass(frozen=True)
class Figure:
    """A chart in the page, with its words and its numbers."""

    svg: str
    caption: str
    numbers: Table
    opened: bool = False


def page(template: str, **values: object) -> str:
    """A page from a template of this room.

    Args:
        template: The template's file name.
        values: What it shows; one that it asks for and that is not there is an error.

    Returns:
        One HTML document.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return replaced(environment.get_template(template).render(**values))


def _part(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
