"""Primitives of the figures: a picture, a plot with its scales, lines, dots and words, as SVG.

Sizes are in units of the picture, which is 420 wide: at that width a word is 14 pixels high.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WIDTH = 420
LIGHT = {"paper": "#ffffff", "ink": "#222222", "axis": "#666666", "first": "#0b62a8", "second": "#a84300"}  # fmt: skip
DARK = {"paper": "#1e2129", "ink": "#dddddd", "axis": "#a0a4ad", "first": "#6cb6ff", "second": "#ff9d5c"}  # fmt: skip
"""Colours by use; `paper` is drawn, because a page may be light where the system asks for dark."""

Point = tuple[float, float]


def picture(title: str, body: Iterable[str], height: float = 224) -> str:
    """Put a figure together.

    Args:
        title: What is seen, for a reader who does not see it.
        body: Elements, the lowest first.
        height: Of the picture.

    Returns:
        The file's text.
    """
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="480" height="{480 / WIDTH * height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_style(LIGHT)}"
        f"@media(prefers-color-scheme:dark){{{_style(DARK)}}}</style>\n"
        f'<rect class="paper" width="{WIDTH}" height="{height:g}" rx="6"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _style(colours: Mapping[str, str]) -> str:
    paper, ink, axis, first, second = colours.values()
    return (
        f".paper{{fill:{paper}}}text{{font:14px sans-serif;fill:{ink};stroke:{paper};stroke-width:4px;"
        f"stroke-linejoin:round;paint-order:stroke}}.axis{{fill:none;stroke:{axis}}}"
        f".first,.second,.limit,.open{{fill:none;stroke-width:2.5;stroke:{first}}}"
        f".second,.limit{{stroke:{second}}}.limit{{stroke-width:2;stroke-dasharray:6 4}}.open{{fill:{paper}}}"
        f".dot,.band{{fill:{first}}}.dot2,.band2{{fill:{second}}}.band,.band2{{fill-opacity:.25}}"
    )


@dataclass(frozen=True)
class Plot:
    """A rectangle with a scale on each side."""

    x_ends: Point = (0.0, 1.0)
    y_ends: Point = (0.0, 1.0)
    left: float = 44
    right: float = 404
    top: float = 34
    bottom: float = 176
    is_log: tuple[bool, bool] = (False, False)
    """Whether the scale across, and the one upwards, is logarithmic."""

    def x(self, value: float) -> float:
        """Place a value across."""
        return self.left + (self.right - self.left) * _share(value, self.x_ends, self.is_log[0])

    def y(self, value: float) -> float:
        """Place a value upwards."""
        return self.bottom - (self.bottom - self.top) * _share(value, self.y_ends, self.is_log[1])

    def at(self, points: Iterable[Point]) -> list[Point]:
        """Place points."""
        return [(self.x(x), self.y(y)) for x, y in points]

    def axes(
        self,
        across: str,
        up: str = "",
        x_ticks: Mapping[float, str] | None = None,
        y_ticks: Mapping[float, str] | None = None,
    ) -> list[str]:
        """Draw both axes with their names and ticks; without `up` the one below alone.

        Args:
            across: Name of the axis below.
            up: Name of the axis on the left.
            x_ticks: Words by value.
            y_ticks: Words by value.

        Returns:
            Elements.
        """
        corner = [(self.left, self.bottom), (self.right, self.bottom)]
        parts = [line([(self.left, self.top), *corner] if up else corner, "axis")]
        for value, words in (x_ticks or {}).items():
            place = self.x(value)
            parts.append(line([(place, self.bottom), (place, self.bottom + 4)], "axis"))
            parts.append(text(place, self.bottom + 18, words, "middle"))
        for value, words in (y_ticks or {}).items():
            place = self.y(value)
            parts.append(line([(self.left - 4, place), (self.left, place)], "axis"))
            parts.append(text(self.left - 7, place + 5, words, "end"))
        drop = 36 if x_ticks else 20
        return [*parts, text(self.right, self.bottom + drop, across, "end"), text(8, 20, up)]

    def level(self, value: float, words: str) -> str:
        """Draw a limit from the left to the right, with its name above its left end."""
        place = self.y(value)
        ends = [(self.left, place), (self.right, place)]
        return line(ends, "limit") + text(self.left + 6, place - 7, words)

    def wall(self, value: float, style: str = "axis") -> str:
        """Draw a line from the bottom to the top."""
        return line([(self.x(value), self.bottom), (self.x(value), self.top)], style)


def _share(value: float, ends: Point, is_log: bool) -> float:
    low, high = ends
    if is_log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return min(1.0, max(0.0, (value - low) / (high - low)))


def line(points: Sequence[Point], style: str, *, is_closed: bool = False) -> str:
    """Join points by straight lines."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{style}" d="M{path}{"Z" if is_closed else ""}"/>'


def arrow(start: Point, end: Point, style: str) -> str:
    """Draw an arrow."""
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    barbs = [
        (end[0] - 11 * math.cos(angle + turn), end[1] - 11 * math.sin(angle + turn))
        for turn in (0.45, -0.45)
    ]
    return line([start, end], style) + line([barbs[0], end, barbs[1]], style)


def dot(place: Point, style: str = "dot", radius: float = 5) -> str:
    """Draw a dot."""
    return f'<circle class="{style}" cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius:g}"/>'


def box(corner: Point, size: Point, style: str) -> str:
    """Draw a rectangle from its upper left corner."""
    (x, y), (width, height) = corner, size
    return (
        f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Write words on one line.

    Args:
        x: Of the end that `anchor` names.
        y: Of the line below the letters.
        words: Nothing is drawn without any.
        anchor: `start`, `middle` or `end`.

    Returns:
        The element.
    """
    if not words.strip():
        return ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{where}>{html.escape(words, quote=False)}</text>'
