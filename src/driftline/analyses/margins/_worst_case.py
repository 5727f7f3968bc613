"""The worst case: the smallest norm at which some direction takes a capability past its tolerance.

The direction is climbed to on some items of a capability, and its radius is judged on others: on its
own items an ascent finds what breaks those items, and the radius would be too small. What an ascent
finds is one bad direction, so the radius along it is an upper bound of the worst-case radius.
"""

from typing import NamedTuple

from ...capabilities import Capability
from ...engine import (
    GRADIENT_TOKEN,
    Engine,
    Table,
    ascent_direction,
    ascent_obstacle,
    ascent_tokens,
)
from ...models import BASE, GradientDirection
from ...results import StabilityMargin
from ...stats import ScaleGrid
from ..probing import CONFIDENCE_LEVEL, Effort, Line, Study, base_standard_error, scan_lines
from ._radius import radius_margin

DIRECTION = "worst_case"
SMALLEST_NORM, LARGEST_NORM = 1e-8, 1.0
"""float32 weights have seven digits, and a gradient puts most of its norm on few of them."""
_LOOKS = 8
"""At most, for planning time only."""
_LITTLE_GAIN = 1.1
"""Refining ends with the first gradient that raises the loss by a smaller factor than this."""


class _Parts(NamedTuple):
    """The items of a capability that the radius is judged on, and those that are climbed on."""

    measured: Capability
    climbed: Capability | None
    """None where too few are left."""


def has_worst_case(part: str, effort: Effort) -> bool:
    """Return whether a part of the main job has the worst case, which takes as long as the rest."""
    return part == "margin" or (part == "assess" and effort.worst_case_in_assess)


def worst_case_margins(study: Study) -> tuple[StabilityMargin, ...]:
    """Compute an upper bound of every capability's worst-case radius.

    The ascent maximises the loss of the climbed items over changes that move every matrix by the same
    share of its own norm: the gradient at the base, each matrix at its own norm, is the maximiser to
    first order, and a refinement is that of the gradient at base + change. All is computed in this
    process and in float32, since these norms are smaller than bfloat16's own rounding.

    Cost: per capability a gradient (about three forward passes over the climbed items), some six
    looks, and for each refinement another gradient and two looks at the climbed items. Memory: two
    bytes a weight for each gradient of one capability, in addition to the gradient itself.

    Args:
        study: The planned run.

    Returns:
        One margin a capability; without a number, and with its reason, where there is no gradient, no
        item is left to climb on, or the tolerance is not passed.
    """
    engine = study.engine.in_float32()
    parts = [_split(study, capability) for capability in study.capabilities]
    base = engine.evaluate((BASE,), [outcome for outcome, _ in parts])
    # One after the other: what an ascent holds goes before the next begins.
    margins = tuple(_worst_case_margin(study, engine, base, each) for each in parts)
    study.engine.count(engine)
    return margins


def worst_case_tokens(study: Study) -> float:
    """Return the largest cost of `worst_case_margins`, in tokens of one forward pass."""
    engine, total = study.engine, 0.0
    refinements = study.effort.num_ascent_refinements
    for outcome, climbed in (_split(study, capability) for capability in study.capabilities):
        total += engine.num_tokens((outcome,))
        if climbed is not None and ascent_obstacle(engine, climbed) is None:
            gradient = GRADIENT_TOKEN * ascent_tokens(engine, climbed)
            # Each refinement is held against the one before it, and the first against the base too.
            compared = refinements + 2 if refinements else 0
            total += (1 + refinements) * gradient + compared * engine.num_tokens((climbed,))
            total += _LOOKS * engine.num_tokens((outcome,))
    return total


def _split(study: Study, capability: Capability) -> _Parts:
    """Split off items to climb on; the others, of other groups, are judged as on every line."""
    outcome = capability.sample(study.effort.num_line_items, seed=study.seed)
    rest = capability.apart_from(outcome)
    if rest is None:
        return _Parts(outcome, None)
    return _Parts(outcome, rest.sample(study.effort.num_ascent_items, seed=study.seed))


def _worst_case_margin(study: Study, engine: Engine, base: Table, parts: _Parts) -> StabilityMargin:
    outcome, climbed = parts
    obstacle = ascent_obstacle(engine, outcome)
    if obstacle is not None:
        return _undefined(base, outcome, obstacle)
    if climbed is None:
        reason = (
            f"no items to climb on: besides the {len(outcome.items)} that the radius is judged on, it "
            "takes items of 2 more groups"
        )
        return _undefined(base, outcome, reason)
    grid = ScaleGrid(study.effort.worst_case_ratio, SMALLEST_NORM, LARGEST_NORM)
    direction = ascent_direction(engine, climbed)
    if direction.slope == 0:
        return _undefined(
            base, outcome, "its loss has no slope at the base: every margin is clipped"
        )
    # Where the climbed items pass the tolerance, to first order.
    norm = grid.scale(grid.index_of(climbed.tolerance / direction.slope))
    refinements = study.effort.num_ascent_refinements
    direction = climb(engine, climbed, direction, norm=norm, num_refinements=refinements)
    (scan,) = scan_lines(
        engine, [_line(direction)], (outcome,), grid, base=base, guesses={outcome.digest: norm}
    )
    margin = radius_margin(study, outcome, DIRECTION, (scan,))
    # Of an upper bound that was not found there is no lower end either.
    return margin if margin.critical_relative_norm else margin.model_copy(update={"low": None})


def climb(
    engine: Engine,
    capability: Capability,
    start: GradientDirection,
    *,
    norm: float,
    num_refinements: int,
) -> GradientDirection:
    """Refine a direction at a fixed norm, as long as the loss of the climbed items grows there.

    The choice rests on the climbed items alone, so the radius that is judged on others stays free of
    it. It ends early where a refinement gives less than a tenth.

    Args:
        engine: Scores the items.
        start: The direction at the base.
        norm: Relative norm at which the loss is climbed.
        num_refinements: At most.

    Returns:
        The direction with the largest loss at this norm.
    """
    best, highest = start, 0.0
    for number in range(num_refinements):
        if number == 0:
            highest = _mean_loss(engine, capability, best, norm)
        candidate = ascent_direction(engine, capability, _line(best).point(norm))
        loss = _mean_loss(engine, capability, candidate, norm)
        if loss <= highest:
            break
        is_little = loss < _LITTLE_GAIN * highest
        best, highest = candidate, loss
        if is_little:
            break
    return best


def _mean_loss(
    engine: Engine, capability: Capability, direction: GradientDirection, norm: float
) -> float:
    point = _line(direction).point(norm)
    table = engine.evaluate((BASE, point), (capability,))
    return float(table.item_losses(point, capability, base=BASE).mean())


def _line(direction: GradientDirection) -> Line:
    return Line("worst case", direction)


def _undefined(base: Table, capability: Capability, reason: str) -> StabilityMargin:
    return StabilityMargin(
        capability=capability.name,
        kind="radius",
        direction=DIRECTION,
        tolerance=capability.tolerance,
        unit=capability.unit,
        base_value=float(base.values(BASE, capability).mean()),
        base_standard_error=base_standard_error(base, capability),
        num_items=len(capability.items),
        num_groups=len(set(capability.groups())),
        low=None,
        high=None,
        confidence_level=CONFIDENCE_LEVEL,
        reason=reason,
        curve=(),
    )
