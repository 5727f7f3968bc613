"""Modules that the map says to protect first, and the share of the model that it does not cover."""

from ...models import parameters_inside
from ..probing import Study
from ._fragility import FragilityMap
from ._most_fragile import most_fragile

_PROTECTED_SHARE = 0.25


def protected_quarter(study: Study, result: FragilityMap) -> tuple[tuple[str, ...], float | None]:
    """Choose the modules to freeze first, for the required capabilities of the map that the base has.

    Args:
        study: The planned run.

    Returns:
        Module names, and the share of the parameters inside layers that they hold; none without a
        required capability that the base is shown to have, nor under an adapter, which trains a few
        modules only and was not part of the evidence.
    """
    tolerances = {c.name: c.tolerance for c in study.deciding}
    rows = [row for row in result.rows if row.capability in tolerances]
    if not rows or study.trajectory.config.adapter_config() is not None:
        return (), None
    sizes = parameters_inside(study.engine.opened)
    total = sum(sizes.values())
    chosen = most_fragile(
        rows,
        _PROTECTED_SHARE,
        num_parameters=total,
        noise=result.noise,
        tolerances=tolerances,
    )
    return chosen, sum(sizes[module] for module in chosen) / total


def unmapped_share(study: Study, result: FragilityMap) -> float:
    """Return the share of the parameters inside layers that move and were not mapped."""
    sizes = parameters_inside(study.engine.opened)
    return sum(sizes.get(module.name, 0) for module in result.unread) / sum(sizes.values())
