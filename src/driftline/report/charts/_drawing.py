"""How charts look, and how they become SVG and PNG. No chart can load or run anything."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias
from xml.etree import ElementTree

import altair as alt
import vl_convert

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.ConcatChart

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY = "#E69F00", "#CC79A7", "#56B4E9"
"""The palette of Okabe and Ito, which the common colour deficiencies leave apart."""
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
INK, GREY, GRID, PAPER = "#1F2933", "#6B7280", "#E5E7EB", "#F7F5F0"
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
CONTENT_WIDTH = 900
PNG_SCALE = 2.0
SYMLOG_FROM = 20.0
"""A range of more tolerances than this gets an axis that is linear near 0 and logarithmic beyond."""
FEW = 3
NUMBERS = ".6~g"
"""How axes write numbers: six digits at most, no trailing zeros."""

_WORDS = {
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "labelColor": INK,
    "titleColor": INK,
}
_LINES = {"gridColor": GRID, "domainColor": "#9CA3AF", "tickColor": "#9CA3AF"}
_LOOK = {
    "font": FONT,
    "background": "white",
    "padding": 6,
    "aria": False,
    "axis": {**_WORDS, **_LINES, "titlePadding": 8, "labelFlush": False},
    "legend": {**_WORDS, "aria": False},
    "view": {"stroke": None},
}
_SVG = "http://www.w3.org/2000/svg"
_FRAMES = {"svg", "g", "defs", "clipPath", "linearGradient", "stop"}
_DRAWN = _FRAMES | {"path", "rect", "line", "circle", "text", "tspan"}
_REFERENCE = re.compile(r"url\(#([^)]*)\)")


def data(rows: Iterable[Mapping[str, str | float | bool | None]]) -> alt.InlineData:
    """Rows as the data of a chart."""
    return alt.InlineData(values=[dict(row) for row in rows])


def loss_axis(values: Sequence[float], tolerance: float) -> tuple[alt.Scale, list[float] | None]:
    """A scale on which both a tolerance and a collapse can be read.

    Args:
        values: Everything that is to be shown.
        tolerance: The tolerance, which stays visible.

    Returns:
        The scale, and where its ticks go: None to leave that to the chart.
    """
    lowest, highest = min(0.0, tolerance, *values), max(0.0, tolerance, *values)
    pad = 0.04 * (highest - lowest or 1.0)
    extent = max(-lowest, highest)
    if tolerance <= 0 or extent <= SYMLOG_FROM * tolerance:
        return alt.Scale(domain=[lowest - pad, highest + pad], nice=False, zero=False), None
    powers = range(math.ceil(math.log10(tolerance)), 1 + math.floor(math.log10(extent)))
    steps = (1, 3) if len(powers) < FEW else (1,)
    sizes = [float(f"{step}e{power}") for power in powers for step in steps]
    ticks = [-size for size in reversed(sizes) if size <= -lowest] + [0.0]
    ticks += [size for size in sizes if size <= highest]
    grown = [min(1.2 * lowest, lowest - tolerance / 4), max(1.2 * highest, tolerance)]
    return alt.Scale(type="symlog", constant=tolerance, domain=grown, nice=False), ticks


def styled(chart: Chart) -> Chart:
    """The chart with the look of every chart here."""
    return chart.properties(config=alt.Config.from_dict(_LOOK))


def to_svg(chart: Chart, *, prefix: str = "figure", label: str | None = None) -> str:
    """A chart as one SVG element that may stand in a page with others.

    Args:
        chart: The chart.
        prefix: What its ids begin with, so that two charts of a page do not share one.
        label: A text alternative for who does not see it.

    Returns:
        The element's text: shapes and words only, equal for equal charts.

    Raises:
        ValueError: The converter drew something that is neither a shape nor a word.
    """
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
    if label is not None:
        root.attrib |= {"role": "img", "aria-label": label}
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(element: ElementTree.Element, ids: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for key, value in element.attrib.items():
        if key.startswith(("aria-", "on", "{")) or key in {"role", "class", "href", "style"}:
            continue
        if key == "id":
            yield key, ids[value]
        else:
            yield key, _REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", value)


def to_png(chart: Chart) -> bytes:
    """A chart as a PNG file, at twice its size in pixels."""
    png = vl_convert.vegalite_to_png(chart.to_dict(), scale=PNG_SCALE, allowed_base_urls=[])
    return bytes(png)
