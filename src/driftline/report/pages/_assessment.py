"""An assessment as one HTML file: no script, no address to load from, all user text escaped."""

import json
from collections.abc import Iterator, Mapping

from ...results import Assessment, BeliefSpace
from ...results.readings import (
    CapabilityLoss,
    belief_lines,
    clean,
    cost_sentence,
    explanation_sentences,
    forecast_losses,
    in_points,
    interval,
    module_ranks,
    number,
    percent,
    protected_by_role,
    protected_share,
    target_sentence,
)
from ..charts import (
    Chart,
    figures,
    forecast_units,
    has_module_maps,
    module_maps,
    path_margins,
    to_svg,
)
from ._belief_table import belief_table
from ._page import Figure, page
from ._tables import (
    Table,
    bounds_table,
    curve_table,
    envelope_table,
    forecast_table,
    fragility_table,
    losses_of_unit,
    minus,
    path_table,
    radius_table,
    region_summary,
    region_table,
    scores_table,
    table,
)

TITLES = {
    "driftline/assess/1": "Fine-tuning risk assessment",
    "driftline/margin/1": "Stability margins",
    "driftline/map/1": "Belief-space fragility map",
    "driftline/forecast/1": "Capability forecast",
}
TOLD_FIRST = (
    "learning_rate",
    "max_steps",
    "num_train_epochs",
    "use_peft",
    "lora_r",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
)
NUM_TOLD = 4
NUM_NAMED = 5


def render_html(assessment: Assessment) -> str:
    """An assessment as a page in the order of a decision: V1 observed phenomenon to V4 decision.

    Args:
        assessment: What to show. A part that it lacks is named with the command that computes it.

    Returns:
        One HTML document that needs nothing beside it; equal for equal assessments.
    """
    assessment = in_points(assessment)
    shown = dict(_figures(assessment))
    return page(
        "_template.html.j2",
        a=assessment,
        title=TITLES[assessment.schema_],
        created=clean(assessment.provenance.created).replace("T", " ").replace("Z", " UTC"),
        config=_config_line(assessment),
        tiles=tuple(_tiles(assessment)),
        forecasts=[f for name, f in shown.items() if name.startswith("forecast")],
        figure=shown,
        scores=scores_table(assessment),
        target=minus_sentence(target_sentence(assessment)),
        named=module_ranks(assessment)[:NUM_NAMED],
        first=_first_to_break(assessment),
        protected=protected_by_role(assessment),
        protected_share=protected_share(assessment),
        regions=region_table(assessment),
        overlaps=region_summary(assessment),
        beliefs=_belief_lines(assessment),
        path=path_table(assessment),
        radius=radius_table(assessment),
        bounds=bounds_table(assessment),
        explanation=explanation_sentences(assessment),
        groups=tuple(_groups(assessment)),
        cost=cost_sentence(assessment.cost),
        provenance=_provenance_table(assessment),
        config_values=_config_table(assessment),
        clean=clean,
    )


def minus_sentence(sentence: str | None) -> str | None:
    """A sentence whose signed numbers have a true minus."""
    if sentence is None:
        return None
    return "".join(
        minus(c) if c == "-" and sentence[i + 1 : i + 2].isdigit() else c
        for i, c in enumerate(sentence)
    )


def _figures(assessment: Assessment) -> Iterator[tuple[str, Figure]]:
    charts = figures(assessment)
    for name, unit in forecast_units(assessment).items():
        yield name, _forecast_figure(losses_of_unit(assessment, unit), charts[name], name=name)
    ranks = module_ranks(assessment)
    if "fragility" in charts:
        told = ", ".join(rank.label for rank in ranks[:NUM_NAMED])
        yield (
            "fragility",
            Figure(
                to_svg(
                    charts["fragility"],
                    prefix="fragility",
                    label=f"Heat map of the sensitivity of {len(ranks)} modules. Most fragile by "
                    f"mean rank: {told}.",
                ),
                "Darker: the capability falls faster per unit of relative update in that module "
                "alone. 1 to 3: its most fragile modules. A dot: the interval includes no effect.",
                fragility_table(assessment),
            ),
        )
    if has_module_maps(assessment):
        told = ", ".join(rank.label for rank in ranks[:NUM_NAMED])
        label = f"Sensitivity by layer and role, a panel a capability. Most fragile: {told}."
        caption = (
            "Layer by role. Vermilion: the capability falls as the probe's update moves that "
            "module; blue: it gains. Full colour is a panel's largest (98th percentile). A small "
            "cell's interval includes no effect. "
            + (
                "The last panel is what a module's parameters cost by moving at random as far as "
                "the probe moved them. "
                if assessment.noise
                else ""
            )
            + "Point at a cell for its numbers."
        )
        maps = module_maps(assessment, label=label)
        yield "module_maps", Figure(maps, caption, fragility_table(assessment))
    if assessment.belief_space is not None:
        yield "belief_space", _belief_figure(assessment.belief_space, charts["belief_space"])
    yield from _margin_figures(assessment, charts)


def _forecast_figure(losses: list[CapabilityLoss], chart: Chart, *, name: str) -> Figure:
    worst = losses[0]
    label = (
        f"Predicted loss of {len(losses)} capabilities. Worst relative to its tolerance: "
        f"{clean(worst.capability)}, {number(worst.loss)} {clean(worst.unit)}, interval "
        f"{interval(worst.low, worst.high)}, tolerance {number(worst.tolerance)}."
    )
    level = percent(worst.confidence_level)
    caption = (
        f"Bar: {level} prediction interval. Black tick: the tolerance. Hollow: watched, not "
        "required. Worst relative to its tolerance first."
    )
    return Figure(
        to_svg(chart, prefix=name, label=label), caption, forecast_table(losses), opened=True
    )


def _belief_figure(space: BeliefSpace, chart: Chart) -> Figure:
    label = f"Drift of output and representation along {len(space.curves)} roads from the base."
    caption = (
        "Drift: solid the output (1 - exp(-KL)), dashed the representation (1 - mean CKA over "
        "layers), horizontal the threshold. KL: solid base || point, dashed point || base. The "
        "other panels have a line a layer, the darker the later."
    )
    return Figure(to_svg(chart, prefix="belief-space", label=label), caption, belief_table(space))


def _margin_figures(
    assessment: Assessment, charts: Mapping[str, Chart]
) -> Iterator[tuple[str, Figure]]:
    if "used_margin" in charts:
        first = path_margins(assessment)[0]
        label = (
            f"Share of the path margin that the planned run uses. Most: {clean(first.capability)}, "
            f"{percent(first.used_fraction)}."
        )
        svg = to_svg(charts["used_margin"], prefix="used-margin", label=label)
        caption = (
            "Line: the range that follows from that of the critical learning rate. Orange: it "
            "includes 100%."
        )
        yield "used_margin", Figure(svg, caption, path_table(assessment))
    if "envelope" in charts:
        label = "Learning rate against steps, with the contour where each capability is lost."
        svg = to_svg(charts["envelope"], prefix="envelope", label=label)
        caption = (
            "Each line: the whole runs that bring a capability to its tolerance on the way. Green: "
            "below the lower ends of the ranges of all required capabilities. Cross: the planned "
            "config. Other rates and lengths are by the powers that finished runs showed, none of "
            "them longer than 60 steps."
        )
        yield "envelope", Figure(svg, caption, envelope_table(assessment))
    if "path_curves" in charts:
        label = "Loss of each capability against optimiser steps of real training."
        svg = to_svg(charts["path_curves"], prefix="path-curves", label=label)
        caption = (
            f"Loss (positive = worse) along real training of this config{_measured(assessment)}. "
            "Dashed: the tolerance. Dotted: the critical steps, where they lie within the run. The "
            "curve's end is not the forecast, which adds to the probe what finished runs did after theirs."
        )
        yield "path_curves", Figure(svg, caption, curve_table(assessment, kind="path"))
    if "radius_curves" in charts:
        label = "Loss of each capability against the relative norm of the change, by direction."
        svg = to_svg(charts["radius_curves"], prefix="radius-curves", label=label)
        caption = (
            "Loss (positive = worse) along straight lines from the base. Dashed: the tolerance. "
            "Dotted: the critical norm. An axis may be logarithmic beyond the tolerance. Lines "
            "overstate the damage of real training."
        )
        yield "radius_curves", Figure(svg, caption, curve_table(assessment, kind="radius"))


def _measured(assessment: Assessment) -> str:
    """How far a path was measured; nothing where nobody wrote it."""
    known = {m.measured_steps for m in assessment.margins if m.measured_steps is not None}
    return f", measured up to step {max(known)} and predicted beyond" if known else ""


def _config_line(assessment: Assessment) -> str:
    values = assessment.provenance.config_values
    order = [key for key in TOLD_FIRST if key in values]
    order += [key for key in values if key not in TOLD_FIRST]
    told = [f"{key} {_plain(values[key])}" for key in order[:NUM_TOLD]]
    if len(order) > NUM_TOLD:
        told.append(f"{len(order) - NUM_TOLD} more below")
    return clean(" · ".join(told))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tiles(assessment: Assessment) -> Iterator[tuple[str, str, str]]:
    losses = forecast_losses(assessment)
    if losses:
        lost = sum(loss.verdict == "lost" for loss in losses)
        open_ = sum(loss.verdict == "inconclusive" for loss in losses)
        yield "forecast to be lost", f"{lost} of {len(losses)}", f"{open_} inconclusive"
    used = [m for m in path_margins(assessment) if m.used_fraction is not None]
    if used:
        yield "margin used", percent(used[0].used_fraction), clean(used[0].capability)
    ranks = module_ranks(assessment)
    if ranks:
        yield "most fragile", ranks[0].label, f"mean rank {ranks[0].mean_rank:.1f}"
    if (target := assessment.target) is not None:
        change = minus(number(target.predicted_change, signed=True))
        yield "own task", f"{change} {clean(target.unit)}", clean(target.metric)


def _first_to_break(assessment: Assessment) -> list[tuple[str, str]]:
    pairs = [
        (clean(name), rank.label) for rank in module_ranks(assessment) for name in rank.first_for
    ]
    return sorted(pairs)


def _belief_lines(assessment: Assessment) -> list[str]:
    space = assessment.belief_space
    return [] if space is None else [minus_sentence(line) or "" for line in belief_lines(space)]


def _groups(assessment: Assessment) -> Iterator[tuple[str, str, list[str]]]:
    losses = forecast_losses(assessment)
    for title, verdict in (("Lost", "lost"), ("Open", "inconclusive"), ("Preserved", "retained")):
        names = [
            clean(loss.capability) + ("" if loss.required else " (watched)")
            for loss in losses
            if loss.verdict == verdict
        ]
        yield title, verdict, names


def _provenance_table(assessment: Assessment) -> Table:
    p = assessment.provenance
    model = f"{p.model.source} ({p.model.architecture}, {p.model.num_parameters:,} parameters, "
    rows = [
        ("model", model + f"{p.model.dtype}, revision {p.model.revision or 'not named'})"),
        ("model digest", p.model.digest),
    ]
    named = [("data", p.data), ("config", p.config), *(("suite", suite) for suite in p.suites)]
    for kind, source in named:
        if source is not None:
            records = "" if source.num_records is None else f" ({source.num_records:,} records)"
            rows += [(kind, source.name + records), (f"{kind} digest", source.digest)]
    packages = ", ".join(f"{name} {version}" for name, version in sorted(p.packages.items()))
    n = p.numerics
    rows += [
        ("command", p.command),
        ("seed", str(p.seed)),
        ("numerics", f"{n.compute_dtype} on {n.device}, {n.num_threads} threads"),
        ("driftline", f"{p.driftline_version}, Python {p.python_version}, torch {n.torch_version}"),
        ("packages", packages),
        ("created", p.created),
        ("schema", assessment.schema_),
    ]
    return table([("", "text"), ("", "code")], rows)


def _config_table(assessment: Assessment) -> Table:
    values = assessment.provenance.config_values
    rows = [(key, _plain(value)) for key, value in values.items()]
    return table([("config key", "text"), ("value", "code")], rows)
