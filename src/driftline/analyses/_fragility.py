"""The fragility map: how fast each capability falls when one layer alone moves.

Each layer is moved by itself along the probe's own update, all by the same relative norm, so that
what differs is the layer and not the size of the step.
"""

from ..models import BASE, Point, Term, Weight, relative_norm
from ..results import ModuleFragility
from ..stats import mean_interval
from ._study import CONFIDENCE_LEVEL, Study


def fragility_map(study: Study) -> tuple[ModuleFragility, ...]:
    """Measure every layer, the embedding and the head.

    Cost: one evaluation of a sample of the items per layer.

    Args:
        study: The planned run.

    Returns:
        One row a layer and capability, in the model's order.
    """
    blocks = _blocks(study)
    capabilities = study.sampled(study.effort.num_map_items)
    points = {module: _point(study, module, weights) for module, weights in blocks.items()}
    table = study.engine.evaluate((BASE, *points.values()), capabilities)
    rows: list[ModuleFragility] = []
    for capability in capabilities:
        measured = []
        for module, point in points.items():
            losses = table.item_losses(point, capability, base=BASE) / study.effort.map_norm
            interval = mean_interval(
                losses, groups=capability.groups(), confidence_level=CONFIDENCE_LEVEL
            )
            measured.append((module, interval))
        order = sorted(range(len(measured)), key=lambda i: -measured[i][1].value)
        ranks = {index: rank for rank, index in enumerate(order, start=1)}
        for index, (module, interval) in enumerate(measured):
            layer, role = _place(blocks[module])
            rows.append(
                ModuleFragility(
                    module=module,
                    layer=layer,
                    role=role,
                    capability=capability.name,
                    sensitivity=interval.value,
                    unit=f"{capability.unit} per unit of relative update",
                    low=interval.low,
                    high=interval.high,
                    rank=ranks[index],
                )
            )
    return tuple(rows)


def _blocks(study: Study) -> dict[str, list[Weight]]:
    """The matrices that the update moves, by layer; those outside the layers by module."""
    blocks: dict[str, list[Weight]] = {}
    for weight in study.engine.opened.weights:
        if weight.name in study.update_norms:
            module = weight.name.rpartition(".")[0]
            key = module if weight.layer is None else f"layer {weight.layer}"
            blocks.setdefault(key, []).append(weight)
    return blocks


def _point(study: Study, module: str, weights: list[Weight]) -> Point:
    """The base with one block moved along the update, to the map's relative norm."""
    norms = [study.update_norms[weight.name] for weight in weights]
    scale = study.effort.map_norm / relative_norm(norms)
    return Point(f"{module} alone", (Term(study.update, {w.name: scale for w in weights}),))


def _place(weights: list[Weight]) -> tuple[int | None, str]:
    first = weights[0]
    return first.layer, first.role if first.layer is None else "layer"
