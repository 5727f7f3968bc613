"""The figures of an assessment's page, each with its key, its caption and its numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ...errors import MissingPackageError
from ...results import Assessment
from ...results.readings import (
    DASH,
    CapabilityLoss,
    clean,
    fall,
    fall_interval,
    held_envelope,
    held_margins,
    module_ranks,
    number,
    percent,
)
from ..charts import (
    NARROW,
    WIDE,
    Chart,
    Key,
    belief_key,
    curve_key,
    decision_key,
    decision_points,
    drawings,
    envelope_key,
    forecast_rows,
    forecast_units,
    fragility_key,
    has_module_maps,
    interval_key,
    module_maps,
    styled,
    to_svg,
    used_key,
)
from ..tables import ReportTable, forecast_table
from ._assessment_tables import (
    curve_table,
    envelope_table,
    fragility_table,
    losses_of_unit,
    path_table,
)
from ._belief_table import belief_table
from ._page import Figure

_NUM_NAMED = 5
_FOLDED = {"belief_space", "path_curves", "radius_curves"}


class _Pictures:
    """All charts of an assessment, for both widths; folded diagnostics for the wide one alone."""

    def __init__(self, assessment: Assessment) -> None:
        # Beside maps of modules the table of all capabilities is a diagnostic too.
        self._folded = _FOLDED | ({"fragility"} if has_module_maps(assessment) else set())
        self._wide = dict(_drawn(drawings(assessment, WIDE)))
        narrow = drawings(assessment, NARROW)
        shown = {name: draw for name, draw in narrow.items() if name not in self._folded}
        self._narrow = dict(_drawn(shown))

    def __contains__(self, name: str) -> bool:
        return name in self._wide

    def figure(
        self, name: str, label: str, key: Sequence[Key], caption: str, numbers: ReportTable | None
    ) -> Figure:
        """Put a chart and its words together."""
        prefix = name.replace("_", "-")
        wide, narrow = self._wide[name], self._narrow.get(name)
        return Figure(
            None if wide is None else to_svg(wide, prefix=prefix, label=label),
            None if narrow is None else to_svg(narrow, prefix=f"{prefix}-narrow", label=label),
            tuple(key),
            caption,
            numbers,
        )


def _drawn(
    functions: Mapping[str, Callable[[], Chart | None]],
) -> Iterator[tuple[str, Chart | None]]:
    """Draw every chart that there are numbers for; None where the extra `charts` is missing."""
    for name, draw in functions.items():
        try:
            chart = draw()
        except MissingPackageError:
            yield name, None
        else:
            if chart is not None:
                yield name, styled(chart)


def assessment_figures(assessment: Assessment) -> Iterator[tuple[str, Figure]]:
    """Draw everything that the assessment has numbers for."""
    charts = _Pictures(assessment)
    yield from _decision_figures(assessment, charts)
    for name, unit in forecast_units(assessment).items():
        yield name, _forecast_figure(losses_of_unit(assessment, unit), charts, name)
    yield from _map_figures(assessment, charts)
    if assessment.belief_space is not None:
        num = len(assessment.belief_space.curves)
        yield (
            "belief_space",
            charts.figure(
                "belief_space",
                f"Drift of output and representation along {num} directions from the base.",
                belief_key(),
                "Six panels a direction: both drifts, both divergences, and four measures with a line a layer.",
                belief_table(assessment.belief_space),
            ),
        )
    yield from _margin_figures(assessment, charts)


def _decision_figures(assessment: Assessment, charts: _Pictures) -> Iterator[tuple[str, Figure]]:
    made = decision_points(assessment)
    if "decision" in charts and made is not None:
        points, _ = made
        told = number(fall(points[0].loss), signed=True)
        yield (
            "decision",
            charts.figure(
                "decision",
                f"This run: gain {number(points[0].gain, signed=True)} on its own task, worst required "
                f"capability {told} tolerances.",
                decision_key(points, chosen="this run", spread="its prediction intervals"),
                "Up is more gain on the run's own task, right is less loss. The worst required capability "
                "counts, in units of what it accepts.",
                None,
            ),
        )
    envelope = held_envelope(assessment)
    if "envelope" in charts and envelope is not None:
        region = any(key.shape == "pale" for key in envelope_key(envelope))
        without = "" if region else " No rate of this chart is safe for all required capabilities. "
        yield (
            "envelope",
            charts.figure(
                "envelope",
                "Learning rate against steps, with the line where each capability reaches what is accepted.",
                envelope_key(envelope),
                "Each line: the whole runs that bring a capability to its tolerance."
                + without
                + " Other rates and lengths are by the powers that finished runs showed.",
                envelope_table(assessment),
            ),
        )


def _forecast_figure(losses: list[CapabilityLoss], charts: _Pictures, name: str) -> Figure:
    worst = losses[0]
    label = f"Predicted change of {len(losses)} capabilities. " + (
        "None is shown by the base."
        if worst.verdict == "not_shown"
        else f"Worst relative to its tolerance: "
        f"{clean(worst.capability)}, {number(fall(worst.loss), signed=True)} {clean(worst.unit)}, interval "
        f"{fall_interval(worst.low, worst.high)}, accepted {number(fall(worst.tolerance), signed=True)}."
    )
    level = percent(worst.confidence_level)
    return charts.figure(
        name,
        label,
        interval_key(forecast_rows(losses), words=f"{level} prediction interval"),
        "Left is worse. The worst relative to what is accepted comes first.",
        forecast_table(losses),
    )


def _map_figures(assessment: Assessment, charts: _Pictures) -> Iterator[tuple[str, Figure]]:
    ranks, num = module_ranks(assessment), len({f.module for f in assessment.fragility})
    told = ", ".join(rank.label for rank in ranks[:_NUM_NAMED]) or DASH
    if "fragility" in charts:
        yield (
            "fragility",
            charts.figure(
                "fragility",
                f"Heat map of the sensitivity of {num} modules. Most fragile by mean rank: {told}.",
                fragility_key(assessment, is_table=True),
                "Fall per unit of relative update in that module alone, as a share of the capability's "
                "largest. 1 to 3: its most fragile modules. A dot: the interval includes no effect.",
                fragility_table(assessment),
            ),
        )
    if has_module_maps(assessment):
        label = f"Sensitivity by layer and role, a panel a capability. Most fragile: {told}."
        noise = (
            " The last panel: the cost of a module's parameters, if they moved at random as far as the probe "
            "moved them."
            if assessment.noise
            else ""
        )
        yield (
            "module_maps",
            Figure(
                module_maps(assessment, WIDE, label=label),
                module_maps(assessment, NARROW, label=label),
                fragility_key(assessment, is_table=False),
                "Layer by role, a panel a capability. Full colour is a panel's largest (98th percentile). A "
                f"small cell's interval includes no effect.{noise}",
                fragility_table(assessment) if "fragility" not in charts else None,
            ),
        )


def _margin_figures(assessment: Assessment, charts: _Pictures) -> Iterator[tuple[str, Figure]]:
    if "used_margin" in charts:
        first = next(iter(held_margins(assessment, "path")), None)
        most = (
            ""
            if first is None
            else (f" Most: {clean(first.capability)}, {percent(first.used_fraction)}.")
        )
        yield (
            "used_margin",
            charts.figure(
                "used_margin",
                f"Share of the path margin that the planned run uses.{most}",
                used_key(assessment),
                "Above 100% the margin is overdrawn.",
                path_table(assessment),
            ),
        )
    if "path_curves" in charts:
        known = {m.measured_steps for m in assessment.margins if m.measured_steps is not None}
        measured = f", measured up to step {max(known)} and predicted beyond" if known else ""
        yield (
            "path_curves",
            charts.figure(
                "path_curves",
                "Change of each capability against optimiser steps of real training.",
                curve_key(assessment, kind="path"),
                f"Change along real training of this config{measured}. The curve's end is not the forecast, "
                "which adds to the probe what finished runs did after theirs.",
                curve_table(assessment, kind="path"),
            ),
        )
    if "radius_curves" in charts:
        yield (
            "radius_curves",
            charts.figure(
                "radius_curves",
                "Change of each capability against the relative norm of the update, by direction.",
                curve_key(assessment, kind="radius"),
                "Change along straight lines from the base. An axis may be logarithmic beyond what is "
                "accepted. Lines overstate the damage of real training.",
                curve_table(assessment, kind="radius"),
            ),
        )
