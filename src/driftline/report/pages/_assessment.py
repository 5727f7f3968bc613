"""An assessment as one HTML file: no script, no address to load from, all user text escaped."""

import json
from collections.abc import Iterator

from ...results import Assessment
from ...results.readings import (
    NOT_SHOWN,
    belief_lines,
    clean,
    cost_sentence,
    explanation_sentences,
    fall,
    forecast_losses,
    held_losses,
    held_margins,
    in_points,
    module_ranks,
    number,
    percent,
    probability,
    protected_by_role,
    protected_share,
    row_gain_sentences,
    target_sentence,
    verdict_word,
)
from ..tables import ReportTable, minus_sentence, table
from ..terminal import assessment_screen
from ._assessment_figures import assessment_figures
from ._assessment_tables import bounds_table, path_table, radius_table, region_summary, region_table
from ._model_tables import explained_scores, model_provenance
from ._page import Head, page

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
_GROUPS = (
    ("Lost", "lost"),
    ("Undecided", "inconclusive"),
    ("Preserved", "retained"),
    (NOT_SHOWN.capitalize(), "not_shown"),
)
NUM_TOLD = 4
NUM_NAMED = 5


def render_html(assessment: Assessment) -> str:
    """Write an assessment as a page: the decision, then V1 observed phenomenon to V4 decision in detail.

    Args:
        assessment: The document to show. A part that it lacks is named with the command that computes it.

    Returns:
        One HTML document that needs nothing beside it; equal for equal assessments.
    """
    assessment = in_points(assessment)
    shown = dict(assessment_figures(assessment))
    p = assessment.provenance
    head = Head(
        assessment,
        title=TITLES[assessment.schema_],
        screen=assessment_screen(assessment),
        facts=tuple(_facts(assessment)),
        tiles=tuple(_tiles(assessment)),
        cost=(cost_sentence(assessment.cost),),
        provenance=model_provenance(p, assessment.schema_),
        footer="A forecast is a prediction interval, not a proof.",
    )
    return page(
        "_assessment.html.j2",
        head,
        a=assessment,
        word=verdict_word(assessment.verdict),
        forecasts=[f for name, f in shown.items() if name.startswith("forecast")],
        figure=shown,
        scores=explained_scores(assessment.scores),
        target=minus_sentence(target_sentence(assessment) or ""),
        row_gains=[minus_sentence(text) for text in row_gain_sentences(assessment)],
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
        config_values=_config_table(assessment),
        clean=clean,
    )


def _facts(assessment: Assessment) -> Iterator[tuple[str, str]]:
    p = assessment.provenance
    revision = f", revision {clean(p.model.revision)}" if p.model.revision else ""
    yield "model", clean(p.model.source) + revision
    yield "config", _config_line(assessment) or "– none was given"
    yield "data", "– none was given" if p.data is None else clean(p.data.name)


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
    losses = [loss for loss in held_losses(assessment) if loss.required]
    if losses:
        lost = sum(loss.verdict == "lost" for loss in losses)
        open_ = sum(loss.verdict == "inconclusive" for loss in losses)
        yield "forecast to be lost", f"{lost} of {len(losses)}", f"{open_} undecided"
    if (chance := assessment.probability_any_lost) is not None and assessment.risk is not None:
        yield "P of any loss", probability(chance), f"accepted: {assessment.risk:g}"
    used = [m for m in held_margins(assessment, "path") if m.used_fraction is not None]
    if used:
        yield "margin used", percent(used[0].used_fraction), clean(used[0].capability)
    ranks = module_ranks(assessment)
    if ranks:
        yield "most fragile", ranks[0].label, f"mean rank {ranks[0].mean_rank:.1f}"
    if (target := assessment.target) is not None:
        gain = minus_sentence(number(fall(target.predicted_change), signed=True))
        yield "gain on its own task", f"{gain} {clean(target.unit)}", clean(target.metric)


def _first_to_break(assessment: Assessment) -> list[tuple[str, str]]:
    pairs = [
        (clean(name), rank.label) for rank in module_ranks(assessment) for name in rank.first_for
    ]
    return sorted(pairs)


def _belief_lines(assessment: Assessment) -> list[str]:
    space = assessment.belief_space
    return [] if space is None else [minus_sentence(line) for line in belief_lines(space)]


def _groups(assessment: Assessment) -> Iterator[tuple[str, str, list[str]]]:
    losses = forecast_losses(assessment)
    for title, verdict in _GROUPS:
        names = [
            clean(loss.capability) + ("" if loss.required else " (watched)")
            for loss in losses
            if loss.verdict == verdict
        ]
        if names or verdict != "not_shown":
            yield title, verdict, names


def _config_table(assessment: Assessment) -> ReportTable:
    values = assessment.provenance.config_values
    rows = [(key, _plain(value)) for key, value in values.items()]
    return table([("config key", "text"), ("value", "code")], rows)
