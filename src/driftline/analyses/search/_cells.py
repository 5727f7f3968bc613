"""The parts of a model that a repair scales: attention and MLP of every layer, and what lies outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ...models import Weight

EMBEDDING, HEAD = "embedding", "head and final norm"
_ATTENTION = frozenset(("q", "k", "v", "qkv", "o"))
_MLP = frozenset(("gate", "up", "gate_up", "down", "experts", "router"))
_BEFORE_MLP = ("post_attention", "post_feedforward", "pre_feedforward", "ln_2", "mlp")
"""In the names of norms that stand beside an MLP; the others stand beside attention."""


@dataclass(frozen=True)
class Cell:
    """Weights that always move by one scale."""

    name: str
    layer: int | None
    part: str
    """`attention`, `MLP`, or, outside the layers, the cell's own name."""
    weights: tuple[str, ...]


def list_cells(weights: Sequence[Weight], moved: Collection[str]) -> tuple[Cell, ...]:
    """List the blocks of a model that an update moves, from the embedding up.

    Args:
        weights: Weights of the base.
        moved: Names of the matrices that the update moves; a cell without one is left out, and its
            vectors, if any move, stay with the update.

    Returns:
        The cells; norms go with the block that they stand beside.
    """
    named: dict[tuple[int | None, str], list[str]] = {}
    for weight in weights:
        named.setdefault((weight.layer, _part(weight)), []).append(weight.name)
    order = sorted(named, key=lambda key: _height(*key))
    return tuple(
        Cell(
            part if layer is None else f"layer {layer} {part}",
            layer,
            part,
            tuple(named[layer, part]),
        )
        for layer, part in order
        if any(name in moved for name in named[layer, part])
    )


def segments(
    cells: Sequence[Cell], num: int, *, by_part: bool = True
) -> dict[str, tuple[Cell, ...]]:
    """Group blocks into segments of the depth, and the blocks outside the layers.

    Args:
        cells: All of them.
        num: Segments of the depth; no more than there are layers.
        by_part: Attention and MLP apart.

    Returns:
        Name to cells, none empty.
    """
    layers = sorted({cell.layer for cell in cells if cell.layer is not None})
    num = min(num, len(layers))
    result: dict[str, list[Cell]] = {}
    for cell in cells:
        name = cell.part
        if cell.layer is not None:
            segment = layers.index(cell.layer) * num // len(layers)
            own = [layer for layer in layers if layers.index(layer) * num // len(layers) == segment]
            span = f"layer {own[0]}" if len(own) == 1 else f"layers {own[0]}-{own[-1]}"
            name = f"{span} {cell.part}" if by_part else span
        result.setdefault(name, []).append(cell)
    return {name: tuple(members) for name, members in result.items()}


def weight_scales(
    cells: Sequence[Cell], scales: Mapping[str, float], names: Collection[str]
) -> dict[str, float]:
    """Return the scale of every weight.

    Args:
        cells: All of them.
        scales: Cell name to scale.
        names: All weights of the model; one that lies in no cell keeps what tuning made of it,
            unless every cell stands at the base.
    """
    rest = 1.0 if any(scales.values()) else 0.0
    result = dict.fromkeys(names, rest)
    for cell in cells:
        result.update(dict.fromkeys(cell.weights, scales[cell.name]))
    return result


def depths(cells: Sequence[Cell]) -> dict[str, float]:
    """Return each block's depth, from 0 (embedding, first layer) to 1 (last layer, head)."""
    layers = sorted({cell.layer for cell in cells if cell.layer is not None})
    last = max(len(layers) - 1, 1)
    outside = {EMBEDDING: 0.0, HEAD: 1.0}
    return {
        cell.name: outside[cell.part] if cell.layer is None else layers.index(cell.layer) / last
        for cell in cells
    }


def _part(weight: Weight) -> str:
    if weight.layer is None:
        return EMBEDDING if weight.role in ("embedding", "position") else HEAD
    if weight.role in _ATTENTION:
        return "attention"
    if weight.role in _MLP or any(mark in weight.name for mark in _BEFORE_MLP):
        return "MLP"
    return "attention"


def _height(layer: int | None, part: str) -> tuple[float, str]:
    if layer is None:
        return (-1.0 if part == EMBEDDING else float("inf"), part)
    return (float(layer), part)
