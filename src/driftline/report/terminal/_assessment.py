"""An assessment as plain text."""

import textwrap
from collections.abc import Sequence

from ...results import Assessment, StabilityMargin
from ...results.readings import (
    DASH,
    NOT_SHOWN,
    PerplexityRow,
    belief_rows,
    clean,
    cost_sentence,
    explanation_sentences,
    forecast_losses,
    in_points,
    module_ranks,
    number,
    ordered_margins,
    percent,
    perplexity_lines,
    protected_by_role,
    protected_share,
    row_gain_sentences,
    target_sentence,
    verdict_word,
)
from ..tables import forecast_table
from ._columns import WIDTH, aligned, caveat_lines, table_lines, wrapped

NUM_NAMED = 5
NUM_REASONS = 3


def summary(assessment: Assessment) -> str:
    """Render an assessment for a terminal, without colour.

    Returns:
        Text of lines up to about 100 characters: the verdict word and the first reason, what is at
        risk and why, the margins, the most fragile modules, the belief space, the target, the cost,
        numbered caveats. A part that was not computed is left out. It ends in a newline.
    """
    assessment = in_points(assessment)
    blocks = [
        _verdict_lines(assessment),
        _forecast_lines(assessment),
        [line for text in explanation_sentences(assessment) for line in wrapped(text)],
        _margin_lines(assessment),
        _fragility_lines(assessment),
        _belief_lines(assessment),
        _closing_lines(assessment),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _verdict_lines(assessment: Assessment) -> list[str]:
    word = verdict_word(assessment.verdict)
    first = clean(assessment.reasons[0]) if assessment.reasons else None
    lines = [": ".join(part for part in (word, first) if part)]
    lines += [f"  also: {clean(reason)}" for reason in assessment.reasons[1:NUM_REASONS]]
    if len(assessment.reasons) > NUM_REASONS:
        lines.append(f"  and {len(assessment.reasons) - NUM_REASONS} more in the report")
    return [line for line in lines if line]


def _forecast_lines(assessment: Assessment) -> list[str]:
    losses = forecast_losses(assessment)
    if not losses:
        return []
    level = percent(losses[0].confidence_level)
    head = f"Forecast of the planned run with its {level} interval; below 0 is worse; P: beyond what is accepted"
    said = perplexity_lines(
        PerplexityRow(
            loss.capability,
            loss.unit,
            loss.base_value,
            loss.loss,
            loss.low,
            loss.high,
            loss.tolerance,
        )
        for loss in losses
    )
    table = table_lines(forecast_table(losses))
    return [head, *table, *(part for line in said for part in wrapped(f"  {line}", indent="    "))]


def _margin_lines(assessment: Assessment) -> list[str]:
    if not assessment.margins:
        return []
    margins = ordered_margins(assessment)
    names = dict.fromkeys(m.capability for m in margins)
    directions = list(dict.fromkeys(m.direction for m in margins if m.kind == "radius"))
    tightest: dict[tuple[str, str], StabilityMargin] = {}
    for m in margins:
        tightest.setdefault((m.capability, m.direction if m.kind == "radius" else ""), m)
    has_path = any(m.kind == "path" for m in margins)
    path_titles = ["steps", "used", "learning rate"] if has_path else []
    rows = [["capability", *path_titles, *map(clean, directions)]]
    for name in names:
        row = [clean(name)]
        if has_path:
            path = tightest.get((name, ""))
            row += [_critical(path), percent(path.used_fraction if path else None)]
            row.append(number(path.critical_learning_rate if path else None))
        row += [_critical(tightest.get((name, direction))) for direction in directions]
        rows.append(row)
    head = "Margins: "
    if has_path:
        head += "steps until the tolerance is passed, the share the run uses, rate that reaches it"
    if directions:
        head += ("; " if has_path else "") + "norm relative to the base weights, by direction"
    lines = wrapped(head)
    lacking = [clean(name) for name in names if name in assessment.not_shown]
    said = wrapped(f"  {NOT_SHOWN}: {', '.join(lacking)}", indent="    ") if lacking else []
    table = aligned(rows, numeric=range(1, len(rows[0])))
    return [*lines, *table, *said, *_dash_lines(margins)]


def _critical(margin: StabilityMargin | None) -> str:
    if margin is None:
        return DASH
    critical = margin.critical_relative_norm if margin.kind == "radius" else margin.critical_steps
    if critical is None and margin.low is not None:
        return f"{DASH} (>={number(margin.low)})"
    return number(critical)


def _dash_lines(margins: Sequence[StabilityMargin]) -> list[str]:
    reasons: dict[str, dict[str, None]] = {}
    for m in margins:
        if m.reason is not None:
            reasons.setdefault(clean(m.reason), {})[clean(m.capability)] = None
    lines = [
        f"{DASH} {reason} ({', '.join(names)})"
        for reason, names in sorted(reasons.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]
    shown = [textwrap.shorten(line, WIDTH - 2, placeholder=" …") for line in lines[:NUM_REASONS]]
    if len(lines) > NUM_REASONS:
        shown.append(f"{DASH} {len(lines) - NUM_REASONS} more reasons in the report")
    return [f"  {line}" for line in shown]


def _fragility_lines(assessment: Assessment) -> list[str]:
    ranks = module_ranks(assessment)
    if assessment.map_failure is not None:
        return wrapped(f"No map: it failed: {clean(assessment.map_failure)}")
    if not ranks:
        return []
    named = ", ".join(f"{r.label} ({r.mean_rank:.1f})" for r in ranks[:NUM_NAMED])
    firsts = "; ".join(f"{clean(name)}: {r.label}" for r in ranks for name in sorted(r.first_for))
    lines = [f"Most fragile of {len(ranks)} modules, with mean rank: {named}"]
    if firsts:
        lines.append(textwrap.shorten(f"First to break: {firsts}", WIDTH, placeholder=" …"))
    if protected := protected_by_role(assessment):
        lines.append(f"Protect first ({protected_share(assessment)}): {protected}")
    return [part for line in lines for part in wrapped(line)]


def _belief_lines(assessment: Assessment) -> list[str]:
    space = assessment.belief_space
    if space is None:
        return []
    threshold = number(space.threshold)
    head = f"Belief space: where output and representation drift past {threshold}; each path's end"
    return [*wrapped(head), *aligned(belief_rows(space), numeric=(4, 5, 6, 7))]


def _closing_lines(assessment: Assessment) -> list[str]:
    target = target_sentence(assessment)
    lines = wrapped(f"Target: {target}") if target else []
    lines += [line for text in row_gain_sentences(assessment) for line in wrapped(text)]
    lines += wrapped(f"Cost: {cost_sentence(assessment.cost)}")
    lines += caveat_lines(assessment.caveats)
    return lines
