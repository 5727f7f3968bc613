"""The numbers of an assessment as tables: those that charts show, and those that none shows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from ...results import Assessment, LayerRegion, StabilityMargin
from ...results.readings import (
    DASH,
    NOT_SHOWN,
    CapabilityLoss,
    clean,
    fall,
    forecast_losses,
    held_margins,
    interval,
    loss_sign,
    module_labels,
    module_ranks,
    number,
    ordered_margins,
    percent,
    with_rise,
)
from ..charts import curve_margins, path_margins, used_interval
from ..tables import ReportTable, columns, table


def fragility_table(assessment: Assessment) -> ReportTable:
    """Tabulate the sensitivity of every module, a column a capability, in the order of the forward pass."""
    labels = module_labels(assessment.fragility)
    names = list(dict.fromkeys(f.capability for f in assessment.fragility))
    result = {(f.module, f.capability): number(f.sensitivity) for f in assessment.fragility}
    ranks = {rank.module: f"{rank.mean_rank:.1f}" for rank in module_ranks(assessment)}
    made = table(
        [("module", "text"), ("mean rank", "number"), *((name, "number") for name in names)],
        (
            (label, ranks.get(module, DASH), *(result.get((module, name), DASH) for name in names))
            for module, label in labels.items()
        ),
    )
    units = ", ".join(sorted({clean(f.unit) for f in assessment.fragility}))
    note = f"Loss per unit of relative update in that module alone ({units}); intervals: the JSON."
    return replace(made, notes=(note,))


def region_table(assessment: Assessment) -> ReportTable:
    """Tabulate the region of each capability in the hidden states, layer by layer."""
    made = table(
        columns(
            "capability; layer #; participation ratio #; dimension #; own gradients #; "
            "planned data's gradients #; by chance #; where a number is missing"
        ),
        (
            (
                r.capability,
                str(r.layer),
                number(r.participation_ratio),
                DASH if r.dimension is None else f"{r.dimension} of {r.width}",
                percent(r.own_share),
                percent(r.data_share),
                percent(r.random_share),
                r.reason or "",
            )
            for r in assessment.regions
        ),
    )
    note = (
        "A region is spanned by the gradients of a capability's losses with respect to the states "
        "that leave a layer; its dimension is their participation ratio, rounded. Shares are of "
        "energy (squared gradients) inside it: of the capability's own gradients on items that the "
        "region was not made from, and of the planned data's."
    )
    return replace(made, notes=(note,))


def region_summary(assessment: Assessment) -> ReportTable:
    """Tabulate, a line a capability, its region at the layer where the planned data touch it most."""
    best: dict[str, LayerRegion] = {}
    for r in assessment.regions:
        known = best.get(r.capability)
        if _touch(r) >= 0 and (known is None or _touch(r) > _touch(known)):
            best[r.capability] = r
    return table(
        columns(
            "capability; layer of the strongest overlap #; dimension #; "
            "own gradients #; planned data's gradients #; by chance #"
        ),
        (
            (
                name,
                str(r.layer),
                f"{r.dimension} of {r.width}",
                percent(r.own_share),
                percent(r.data_share),
                percent(r.random_share),
            )
            for name, r in best.items()
        ),
    )


def path_table(assessment: Assessment) -> ReportTable:
    """Tabulate path margins in the config's own units."""
    margins = path_margins(assessment)
    levels = " and ".join(sorted({percent(m.confidence_level) for m in margins}))
    return table(
        [
            ("capability", "text"),
            ("direction", "text"),
            ("critical steps", "number"),
            (f"{levels} interval of the steps", "number"),
            ("used by the run", "number"),
            ("range of the use", "number"),
            ("learning rate that reaches the tolerance", "number"),
            ("range of the rate", "number"),
            ("tolerance", "number"),
        ],
        (
            (
                m.capability,
                m.direction,
                number(m.critical_steps),
                interval(m.low, m.high),
                percent(m.used_fraction),
                _shares(used_interval(m)),
                number(m.critical_learning_rate),
                interval(m.critical_learning_rate_low, m.critical_learning_rate_high),
                with_rise(f"{number(m.tolerance)} {m.unit}", m.unit, m.tolerance),
            )
            for m in margins
        ),
        _gaps(assessment, margins),
    )


def _gaps(assessment: Assessment, margins: Sequence[StabilityMargin]) -> tuple[str, ...]:
    """Say why numbers are missing, each reason once, and what the base is not shown to have."""
    names: dict[str, list[str]] = {}
    for m in margins:
        if reason := _missing(assessment, m):
            names.setdefault(reason, []).append(clean(m.capability))
    return tuple(f"{DASH} {', '.join(own)}: {reason}." for reason, own in names.items())


def radius_table(assessment: Assessment) -> ReportTable:
    """Tabulate critical relative norms, the smallest first, those that the base is not shown to have last."""
    margins = ordered_margins(assessment, "radius")
    levels = " and ".join(sorted({percent(m.confidence_level) for m in margins}))
    return table(
        [
            ("capability", "text"),
            ("direction", "text"),
            ("critical relative norm", "number"),
            (f"{levels} interval", "number"),
            ("passed by one direction in ten, from", "number"),
            ("tolerance", "number"),
            ("note", "text"),
        ],
        (
            (
                m.capability,
                m.direction,
                number(m.critical_relative_norm),
                interval(m.low, m.high),
                number(m.tail.critical_relative_norm) if m.tail else DASH,
                with_rise(f"{number(m.tolerance)} {m.unit}", m.unit, m.tolerance),
                _missing(assessment, m),
            )
            for m in margins
        ),
    )


def envelope_table(assessment: Assessment) -> ReportTable:
    """Tabulate every contour, at the planned number of steps, half and twice of it."""
    rows = []
    assert assessment.envelope is not None
    planned = assessment.envelope.planned_steps
    lacking = assessment.not_shown
    for contour in sorted(assessment.envelope.contours, key=lambda c: c.capability in lacking):
        reason = NOT_SHOWN if contour.capability in lacking else contour.reason or ""
        for point in contour.points:
            if any(abs(point.steps / planned / m - 1) < 1e-6 for m in (0.5, 1, 2)):
                rows.append(
                    (
                        contour.capability,
                        number(point.steps),
                        number(point.learning_rate),
                        interval(point.low, point.high),
                        reason,
                    )
                )
    return table(
        columns(
            "capability; steps #; peak learning rate that reaches the tolerance #; range #; note"
        ),
        rows,
    )


def curve_table(assessment: Assessment, *, kind: Literal["path", "radius"]) -> ReportTable:
    """Tabulate every measured point of the curves of one kind."""
    rows = []
    for m in curve_margins(assessment, kind=kind):
        sign = loss_sign(assessment, m.capability)
        rows += [
            (
                m.capability,
                m.direction,
                number(p.scale),
                number(fall(sign * p.value), signed=True),
                m.unit,
            )
            for p in m.curve
        ]
    scale = "steps" if kind == "path" else "relative norm"
    return table(
        [
            ("capability", "text"),
            ("direction", "text"),
            (scale, "number"),
            ("change", "number"),
            ("unit", "text"),
        ],
        rows,
    )


def bounds_table(assessment: Assessment) -> ReportTable:
    """Tabulate the tightest bound of each kind over the required capabilities that the base has."""
    return table(
        columns("bound; reached at #; keep below #; set by"),
        _bounds(assessment),
    )


def _bounds(assessment: Assessment) -> Iterable[tuple[str, str, str, str]]:
    required = {s.capability for s in assessment.scores if s.required}
    required |= {f.capability for f in assessment.forecast if f.required}
    margins = [m for m in held_margins(assessment) if m.capability in required or not required]
    paths = [m for m in margins if m.kind == "path"]
    # The safe side is the least of all lower ends, whosever they are.
    if result := [(m.critical_steps, m) for m in paths if m.critical_steps is not None]:
        steps, m = min(result, key=lambda pair: pair[0])
        safe = min((m.low for m in paths if m.low is not None), default=None)
        yield "optimiser steps at this learning rate", number(steps), number(safe), m.capability
    if result := [(m.critical_learning_rate, m) for m in paths if m.critical_learning_rate]:
        rate, m = min(result, key=lambda pair: pair[0])
        safe = None if assessment.advice is None else assessment.advice.learning_rate
        yield "learning rate for these steps", number(rate), number(safe), m.capability
    for direction in dict.fromkeys(m.direction for m in margins if m.kind == "radius"):
        own = [m for m in margins if m.kind == "radius" and m.direction == direction]
        if result := [(m.critical_relative_norm, m) for m in own if m.critical_relative_norm]:
            norm, m = min(result, key=lambda pair: pair[0])
            # An upper bound has no safe side.
            low = DASH if direction == "worst_case" else number(m.low)
            yield f"relative norm along {direction}", number(norm), low, m.capability


def _shares(ends: tuple[float | None, float | None]) -> str:
    low, high = ends
    if low is None or high is None:
        return DASH if low is None and high is None else f"{percent(low)} to {percent(high)}"
    return f"[{percent(low)}, {percent(high)}]"


def _missing(assessment: Assessment, margin: StabilityMargin) -> str:
    if margin.capability in assessment.not_shown:
        return NOT_SHOWN
    return clean(margin.reason) if margin.reason is not None else ""


def _touch(region: LayerRegion) -> float:
    """Divide the data's share by that of chance; -1 where it is not known."""
    if region.data_share is None or not region.random_share:
        return -1.0
    return region.data_share / region.random_share


def losses_of_unit(assessment: Assessment, unit: str) -> list[CapabilityLoss]:
    """List the forecast's losses in one unit, the worst first."""
    return [loss for loss in forecast_losses(assessment) if loss.unit == unit]
