"""The fragility map as small heat maps, layer by role: one a capability, one for how they differ.

Drawn by hand and not by the chart library, so that every cell can carry its numbers in a title that
a browser shows on pointing, without a script.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from ...results import Assessment, ModuleFragility
from ...results.readings import (
    clean,
    fall,
    forecast_losses,
    interval,
    module_columns,
    module_labels,
    number,
    percent,
)
from ._drawing import FONT, WIDE, Canvas
from ._palette import BLUE, GREY, GRID, INK, VERMILION

_CELL, _ROW, _LEFT, _TOP, _GAP = 19, 9, 34, 62, 22
MAX_PANELS = 4
"""Capabilities that are drawn; the table has them all."""
_UNSURE_INSET = 2.2
"""A cell whose interval includes no effect is drawn smaller."""
_FULL_AT = 0.98
"""Colour is full at this quantile of the sizes, so that one module does not whiten the rest."""
_MIN_RATED = 2
_LIMIT = 26
"""Characters of a word that is drawn; titles hold it whole."""
TITLE = "where capabilities differ"
NOISE_TITLE = "moving at all"


@dataclass(frozen=True)
class _Cell:
    """One module in one panel."""

    place: tuple[int | None, str]
    share: float
    is_sure: bool
    words: str


def has_module_maps(assessment: Assessment) -> bool:
    """Tell whether layers come apart into modules, so that a map can be laid out by role."""
    return any(f.layer is not None and f.role != "layer" for f in assessment.fragility)


def shown_capabilities(assessment: Assessment) -> list[str]:
    """Choose the capabilities that get a panel: those that the forecast puts nearest to their limit.

    Args:
        assessment: With a map.

    Returns:
        Names as they are shown, at most `MAX_PANELS`.
    """
    mapped = list(dict.fromkeys(clean(f.capability) for f in assessment.fragility))
    order = [clean(loss.capability) for loss in forecast_losses(assessment)]
    ranked = sorted(mapped, key=lambda name: order.index(name) if name in order else len(order))
    return ranked[:MAX_PANELS]


def module_maps(assessment: Assessment, canvas: Canvas = WIDE, *, label: str) -> str:
    """Draw all panels as one SVG element."""
    columns = module_columns(assessment.fragility)
    # One name may stand inside layers and outside: a layer's only norm, and the last norm.
    inside = list(
        dict.fromkeys(columns[f.module] for f in assessment.fragility if f.layer is not None)
    )
    layers = sorted({f.layer for f in assessment.fragility if f.layer is not None})
    outside = list(
        dict.fromkeys(columns[f.module] for f in assessment.fragility if f.layer is None)
    )
    panels = _panels(assessment, columns)
    width = _LEFT + _CELL * len(inside) + _GAP
    height = _TOP + _ROW * (len(layers) + 2 * len(outside)) + _GAP
    per_line = max(1, min(len(panels), canvas.width // width))
    num_lines = math.ceil(len(panels) / per_line)
    size = (width * per_line, height * num_lines)
    root = _element("svg", None, viewBox=f"0 0 {size[0]} {size[1]}", width=size[0], height=size[1])
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        "aria-label": label,
        "font-family": FONT,
    }
    for index, (title, cells) in enumerate(panels.items()):
        x, y = width * (index % per_line), height * (index // per_line)
        panel = _element("g", root, transform=f"translate({x},{y})")
        _frame(panel, title, inside, layers, outside)
        # A telephone has no pointer to show a title with.
        _squares(panel, cells, inside, layers, outside, has_titles=canvas.columns > 1)
    return ElementTree.tostring(root, encoding="unicode")


def _panels(assessment: Assessment, columns: Mapping[str, str]) -> dict[str, list[_Cell]]:
    """Map titles to cells; sensitivities are shares of what is nearly the panel's largest."""
    labels = module_labels(assessment.fragility)
    by_name: dict[str, list[ModuleFragility]] = {}
    for f in assessment.fragility:
        by_name.setdefault(clean(f.capability), []).append(f)
    drawn = set(shown_capabilities(assessment))
    shares: dict[str, list[float]] = {}
    panels = {}
    for name, rows in by_name.items():
        largest = _quantile([abs(f.sensitivity) for f in rows])
        cells = [
            _Cell(
                (f.layer, columns[f.module]),
                f.sensitivity / largest if largest else 0.0,
                not f.low <= 0 <= f.high,
                _words(f, labels[f.module]),
            )
            for f in rows
        ]
        for f, cell in zip(rows, cells, strict=True):
            shares.setdefault(f.module, []).append(cell.share)
        if name in drawn:
            panels[name] = cells
    if len(by_name) >= _MIN_RATED:
        panels[TITLE] = _difference(assessment, columns, shares)
    if assessment.noise:
        panels[NOISE_TITLE] = _noise(assessment, columns)
    return panels


def _noise(assessment: Assessment, columns: Mapping[str, str]) -> list[_Cell]:
    """Make cells of the expected divergence per parameter, since protecting is paid in parameters."""
    labels = module_labels(assessment.fragility)
    rows = [row for row in assessment.noise if row.module in columns]
    densities = [row.expected_kl_nats / row.num_parameters for row in rows]
    largest = _quantile(densities)
    return [
        _Cell(
            (row.layer, columns[row.module]),
            density / largest if largest else 0.0,
            row.low > 0,
            f"{labels[row.module]}: {number(row.expected_kl_nats)} nats per token of KL if its "
            f"{row.num_parameters:,} weights moved at random as far as the probe moved them, interval "
            f"{interval(row.low, row.high)}",
        )
        for row, density in zip(rows, densities, strict=True)
    ]


def _difference(
    assessment: Assessment, columns: Mapping[str, str], shares: Mapping[str, Sequence[float]]
) -> list[_Cell]:
    """Make cells of the standard deviation of each module's shares over capabilities; largest is 1."""
    labels = module_labels(assessment.fragility)
    modules = {f.module: f for f in assessment.fragility}
    spreads = {}
    for module, values in shares.items():
        mean = math.fsum(values) / len(values)
        spreads[module] = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    largest = _quantile(list(spreads.values()))
    return [
        _Cell(
            (modules[module].layer, columns[module]),
            spread / largest if largest else 0.0,
            True,
            f"{labels[module]}: standard deviation {number(spread)} over capabilities, of "
            "sensitivities as shares of each capability's largest",
        )
        for module, spread in spreads.items()
    ]


def _quantile(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(_FULL_AT * len(values)) - 1]


def _words(f: ModuleFragility, label: str) -> str:
    text = (
        f"{label}: {number(f.sensitivity, signed=True)} {clean(f.unit)}, interval "
        f"{interval(f.low, f.high, signed=True)}, rank {f.rank}"
    )
    if f.loss is None:
        return text
    moved = percent(f.relative_norm)
    return f"{text}; moved by {moved}: change {number(fall(f.loss), signed=True)}"


def _frame(
    panel: ElementTree.Element,
    title: str,
    inside: Sequence[str],
    layers: Sequence[int],
    outside: Sequence[str],
) -> None:
    _text(panel, title, 0, 12, **{"font-size": "12", "font-weight": "bold", "fill": INK})
    for number_, name in enumerate(inside):
        x = _LEFT + _CELL * (number_ + 0.5)
        at = {"transform": f"rotate(-55 {x:.1f} {_TOP - 4})"}
        _text(panel, name.replace("_layernorm", " norm").replace("_", " "), x, _TOP - 4, **at)
    for row, layer in enumerate(layers):
        if layer % 5 == 0 or layer == layers[-1]:
            y = _TOP + _ROW * (row + 0.85)
            _text(panel, str(layer), _LEFT - 5, y, **{"text-anchor": "end"})
    for row, name in enumerate(outside):
        y = _TOP + _ROW * (len(layers) + 2 * row + 2) - 1
        _text(panel, name.rpartition(".")[2], _LEFT + 2 * _CELL + 4, y)


def _squares(
    panel: ElementTree.Element,
    cells: Sequence[_Cell],
    inside: Sequence[str],
    layers: Sequence[int],
    outside: Sequence[str],
    *,
    has_titles: bool,
) -> None:
    # A colour is written once and not in every square: there may be thousands.
    groups = [
        _element("g", panel, fill=colour, stroke=GRID, **{"stroke-width": "0.5"})
        for colour in (VERMILION, BLUE)
    ]
    for cell in cells:
        layer, column = cell.place
        if layer is not None:
            x, y = _LEFT + _CELL * inside.index(column), _TOP + _ROW * layers.index(layer)
            wide = _CELL
        else:
            row = len(layers) + 2 * outside.index(column) + 1
            x, y, wide = _LEFT, _TOP + _ROW * row, 2 * _CELL
        inset = 0.5 if cell.is_sure else _UNSURE_INSET
        square = _element(
            "rect",
            groups[cell.share < 0],
            x=f"{x + inset:g}",
            y=f"{y + inset:g}",
            width=f"{wide - 2 * inset:g}",
            height=f"{_ROW - 2 * inset:g}",
            **{"fill-opacity": f"{min(abs(cell.share), 1.0):.2g}"},
        )
        if has_titles:
            _element("title", square).text = cell.words


def _text(parent: ElementTree.Element, words: str, x: float, y: float, **more: str) -> None:
    shown = words if len(words) <= _LIMIT else f"{words[: _LIMIT - 1]}…"
    attributes = {"x": f"{x:g}", "y": f"{y:g}", "font-size": "9", "fill": GREY, **more}
    _element("text", parent, **attributes).text = shown


def _element(
    tag: str, parent: ElementTree.Element | None, **attributes: object
) -> ElementTree.Element:
    result = {key: str(value) for key, value in attributes.items()}
    if parent is None:
        return ElementTree.Element(tag, result)
    return ElementTree.SubElement(parent, tag, result)
