"""The look of charts, and their conversion to SVG and PNG. No chart can load or run anything."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from xml.etree import ElementTree

from ...extras import require_extra
from ._altair import alt, vl_convert
from ._palette import AXIS, GRID, INK, PAPER

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.ConcatChart

FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
CONTENT_WIDTH = 900
PNG_SCALE = 2.0
SYMLOG_FROM = 20.0
"""A range of more tolerances than this gets an axis that is linear near 0 and logarithmic beyond."""
FEW = 3
NUMBERS = ".6~g"
"""Number format of axes: six digits at most, no trailing zeros."""

_WORDS = {
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "labelColor": INK,
    "titleColor": INK,
}
_LINES = {"gridColor": GRID, "domainColor": AXIS, "tickColor": AXIS}
_LOOK = {
    "font": FONT,
    "background": PAPER,
    "padding": 6,
    "aria": False,
    "axis": {**_WORDS, **_LINES, "titlePadding": 8, "labelFlush": False, "labelSeparation": 10},
    "legend": {**_WORDS, "aria": False},
    "view": {"stroke": None},
}
_SVG = "http://www.w3.org/2000/svg"
_FRAMES = {"svg", "g", "defs", "clipPath", "linearGradient", "stop"}
_DRAWN = _FRAMES | {"path", "rect", "line", "circle", "text", "tspan"}
_LONG = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_IDLE = {"pointer-events", "font-family", "font-style", "cursor"}
_PLACES = {"d", "fill-opacity", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height"}
"""Attributes whose numbers need no more than two digits."""
_DEFAULTS = {
    ("opacity", "1"),
    ("stroke-width", "1"),
    ("fill-opacity", "1"),
    ("stroke-opacity", "1"),
}


@dataclass(frozen=True)
class Canvas:
    """The room that a chart has in the page."""

    width: int
    label: int
    """Part of the width that names of rows may take."""
    columns: int
    """Panels side by side."""

    @property
    def plot(self) -> int:
        """Width of a plot with names of rows beside it."""
        return self.width - self.label - 40


WIDE = Canvas(CONTENT_WIDTH, 230, 4)
NARROW = Canvas(344, 112, 1)
"""The room on the screen of a telephone."""


@dataclass(frozen=True)
class Key:
    """The meaning of one mark of a chart, in words."""

    colour: str
    """A name of the palette."""
    shape: Literal[
        "dot", "diamond", "square", "ring", "line", "dash", "dots", "tick", "area", "tint", "pale",
        "cross",
    ]  # fmt: skip
    """The mark; `tint` and `pale` are areas through which the page is seen."""
    words: str


def data(rows: Iterable[Mapping[str, str | float | bool | None]]) -> alt.InlineData:
    """Make the data of a chart from rows."""
    return alt.InlineData(values=[dict(row) for row in rows])


def change_axis(values: Sequence[float], tolerance: float) -> tuple[alt.Scale, list[float] | None]:
    """Choose a scale on which both a tolerance and a collapse can be read.

    Args:
        values: Every change that is to be shown; negative is worse.
        tolerance: The loss that is accepted, which stays visible below 0.

    Returns:
        The scale, and where its ticks go: None to leave that to the chart.
    """
    lowest, highest = min(0.0, -tolerance, *values), max(0.0, -tolerance, *values)
    pad = 0.04 * (highest - lowest or 1.0)
    extent = max(-lowest, highest)
    if tolerance <= 0 or extent <= SYMLOG_FROM * tolerance:
        return alt.Scale(domain=[lowest - pad, highest + pad], nice=False, zero=False), None
    powers = range(math.ceil(math.log10(tolerance)), 1 + math.floor(math.log10(extent)))
    steps = (1, 3) if len(powers) < FEW else (1,)
    sizes = [float(f"{step}e{power}") for power in powers for step in steps]
    ticks = [-size for size in reversed(sizes) if size <= -lowest] + [0.0]
    ticks += [size for size in sizes if size <= highest]
    grown = [min(1.2 * lowest, -tolerance), max(1.2 * highest, tolerance / 4)]
    return alt.Scale(type="symlog", constant=tolerance, domain=grown, nice=False), ticks


def styled(chart: Chart) -> Chart:
    """Give a chart the common look."""
    return chart.properties(config=alt.Config.from_dict(_LOOK))


def to_svg(chart: Chart, *, prefix: str = "figure", label: str | None = None) -> str:
    """Write a chart as one SVG element that may stand in a page with others.

    Args:
        chart: The chart.
        prefix: What its ids begin with, so that two charts of a page do not share one.
        label: A text alternative for who does not see it.

    Returns:
        The element's text: shapes and words only, equal for equal charts.

    Raises:
        ValueError: The converter drew something that is neither a shape nor a word.
        MissingPackageError: The extra `charts` is not installed.
    """
    require_extra("charts")
    text = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
    root = ElementTree.fromstring(text)  # noqa: S314  (made here, by the converter)
    ids: dict[str, str] = {}
    for element in root.iter():
        name = element.tag.removeprefix(f"{{{_SVG}}}")
        if name not in _DRAWN:
            raise ValueError(f"a chart holds <{name}>")
        if (own := element.get("id")) is not None:
            ids[own] = f"{prefix}-{len(ids) + 1}"
    for element in root.iter():
        element.attrib = dict(_attributes(element, ids))
    _drop_unseen(root)
    root.set("font-family", FONT)
    if label is not None:
        root.attrib |= {"role": "img", "aria-label": label}
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _short(result: re.Match[str]) -> str:
    """Round a number: a hundredth of a pixel, or of an opacity, is not seen."""
    return f"{float(result[0]):.2f}"


def _attributes(element: ElementTree.Element, ids: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for key, value in element.attrib.items():
        if key.startswith(("aria-", "on", "{")) or key in {"role", "class", "href", "style"}:
            continue
        if key in _IDLE or (key, value) in _DEFAULTS:
            continue
        if key == "id":
            yield key, ids[value]
        elif key in _PLACES:
            yield key, _LONG.sub(_short, value)
        else:
            yield key, _REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", value)


def _drop_unseen(root: ElementTree.Element) -> None:
    """Remove what draws nothing: hidden shapes, and groups that hold nothing."""
    for child in list(root):
        _drop_unseen(child)
        is_hidden = child.get("display") == "none" or child.get("d") in ("", "M0,0h0v0h0Z")
        if is_hidden or (child.tag == f"{{{_SVG}}}g" and not len(child)):
            root.remove(child)


def to_png(chart: Chart) -> bytes:
    """Write a chart as a PNG file, at twice its size in pixels."""
    require_extra("charts")
    png = vl_convert.vegalite_to_png(chart.to_dict(), scale=PNG_SCALE, allowed_base_urls=[])
    return bytes(png)
