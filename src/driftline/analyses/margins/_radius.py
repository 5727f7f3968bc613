"""The radius: how far along straight lines before a capability passes its tolerance.

Random directions say how far most perturbations may go; the probe's own update, prolonged, how far
that one may. A line is not a training run: `_path_margin` has the margin of the run.
"""

import math
from collections.abc import Mapping, Sequence

import numpy

from ...capabilities import Capability
from ...models import BASE, HeldDirection, NoiseDirection, relative_norm
from ...results import CurvePoint, MarginTail, StabilityMargin
from ...stats import Crossing, ScaleGrid, crossing_interval, direction_quantile
from ..probing import CONFIDENCE_LEVEL, Line, LineScan, Study, base_standard_error, scan_lines

SMALLEST_NORM, LARGEST_NORM = 1e-4, 1.0
"""At a relative norm of 1 nothing of a matrix is left to speak of."""
FIRST_GUESS = 0.05
TAIL_SHARE = 0.1


def radius_margins(study: Study, *, ratio: float) -> tuple[StabilityMargin, ...]:
    """Compute every capability's radius, over random directions and along the probe's update.

    Cost: per direction some five to ten looks, each of which moves all weights and scores a sample of
    the items of those capabilities that are still searched for.

    Args:
        study: The planned run.
        ratio: Ratio of two neighbouring norms between which a radius is found to lie.

    Returns:
        One margin a kind of direction and capability.
    """
    effort = study.effort
    grid = ScaleGrid(ratio, SMALLEST_NORM, LARGEST_NORM)
    capabilities = study.sampled(effort.num_line_items)
    seeds = range(study.seed, study.seed + effort.num_noise_seeds)
    noise = [Line(f"noise {seed}", HeldDirection(NoiseDirection(seed))) for seed in seeds]
    update = Line("update", HeldDirection(study.update), relative_norm(study.update_norms.values()))
    guesses = dict.fromkeys((c.digest for c in capabilities), FIRST_GUESS)
    base = study.engine.evaluate((BASE,), capabilities)

    def scan(lines: Sequence[Line], guesses: Mapping[str, float]) -> tuple[LineScan, ...]:
        return scan_lines(study.engine, lines, capabilities, grid, base=base, guesses=guesses)

    # Random directions are much alike, so the first one tells the others where to begin.
    first = scan(noise[:1], guesses)
    told = {c.digest: first[0].crossing(c) or grid.scale(grid.top) for c in capabilities}
    others = scan(noise[1:], told)
    along = scan([update], guesses)
    kinds = {"noise": (*first, *others), "update": along}
    return tuple(
        radius_margin(study, capability, kind, scans)
        for kind, scans in kinds.items()
        for capability in capabilities
    )


def radius_margin(
    study: Study, capability: Capability, kind: str, scans: Sequence[LineScan]
) -> StabilityMargin:
    crossing = _crossing(study, capability, scans, share=0.5)
    tail = _crossing(study, capability, scans, share=TAIL_SHARE) if len(scans) > 1 else None
    return StabilityMargin(
        capability=capability.name,
        kind="radius",
        direction=kind,
        tolerance=capability.tolerance,
        unit=capability.unit,
        base_value=float(scans[0].base.values(BASE, capability).mean()),
        base_standard_error=base_standard_error(scans[0].base, capability),
        num_items=len(capability.items),
        num_groups=len(set(capability.groups())),
        low=crossing.low,
        high=crossing.high,
        confidence_level=CONFIDENCE_LEVEL,
        critical_relative_norm=crossing.value,
        reason=_reason(crossing, scans[0].grid),
        num_directions=len(scans),
        tail=None
        if tail is None
        else MarginTail(
            share_of_directions=TAIL_SHARE,
            critical_relative_norm=tail.value,
            low=tail.low,
            high=tail.high,
        ),
        curve=_curve(capability, scans),
    )


def _crossing(
    study: Study, capability: Capability, scans: Sequence[LineScan], *, share: float
) -> Crossing:
    """Estimate a quantile over several directions; for a single one, return its crossing."""
    curves = [scan.curve(capability) for scan in scans]
    groups = capability.groups()
    if len(curves) == 1:
        # Linear in the squared norm, as `direction_quantile` has it.
        result = crossing_interval(
            curves[0].scales ** 2,
            curves[0].item_losses,
            capability.tolerance,
            confidence_level=CONFIDENCE_LEVEL,
            groups=groups,
            seed=study.seed,
        )
        return Crossing(*(None if square is None else math.sqrt(square) for square in result))
    return direction_quantile(
        curves,
        capability.tolerance,
        share=share,
        confidence_level=CONFIDENCE_LEVEL,
        groups=groups,
        seed=study.seed,
    )


def _curve(capability: Capability, scans: Sequence[LineScan]) -> tuple[CurvePoint, ...]:
    """Return the mean over the evaluated directions, norm by norm."""
    seen: dict[float, list[float]] = {}
    for scan in scans:
        scales, losses = scan.curve(capability)
        for scale, loss in zip(scales.tolist(), losses.mean(axis=1).tolist(), strict=True):
            seen.setdefault(scale, []).append(loss)
    sign = -1.0 if capability.higher_is_better else 1.0
    return tuple(
        CurvePoint(scale=scale, value=sign * float(numpy.mean(seen[scale])))
        for scale in sorted(seen)
    )


def _reason(crossing: Crossing, grid: ScaleGrid) -> str | None:
    largest = grid.scale(grid.top)
    if crossing.value is None:
        return f"the tolerance is not passed up to the largest norm tried, {largest:.3g}"
    if crossing.high is None:
        return f"some resamples do not pass the tolerance up to the largest norm, {largest:.3g}"
    return None
