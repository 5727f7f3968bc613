"""The tables of a plan."""

from collections.abc import Sequence

from ...results import LeverSetting, Plan, PlanLook, PlanTrial
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    fall,
    items_in_groups,
    number,
    percent,
    sign_notes,
    with_error,
)
from ._report_table import Column, ReportTable, TableCell, columns, risen, table, watched

_STATE_WORDS = {
    "finished": "finished",
    "stopped": "dropped early",
    "failed": "failed",
    "out of budget": "out of budget",
}


def protocol_table(document: Plan) -> ReportTable | None:
    """Tabulate the levers that the protocol sets; None where the base was chosen."""
    if document.protocol is None:
        return None
    rows = [(s.lever, s.value, s.plain) for s in document.protocol.settings]
    rows = rows or [("nothing", "as your config has it", "")]
    return table(columns("lever; value; your config"), rows)


def margins_table(document: Plan) -> ReportTable:
    """Tabulate the change of each capability under the protocol, and how much of the tolerance is left."""
    heads = [
        *columns(
            "capability; items in groups #; change #; limit by standard error #; accepted #; margin left #; unit",
            page_only=("unit",),
        ),
        Column("claim", "verdict"),
    ]
    claims = {claim.capability: claim for claim in document.claims}
    rows = []
    for row in document.margins_left:
        claim = claims[row.capability]
        change = with_error(number(fall(row.loss), signed=True), row.standard_error)
        rows.append((
            watched(row.capability, required=row.required),
            items_in_groups(claim.num_items, claim.num_groups),
            risen(change, row.unit, row.loss),
            risen(number(fall(row.loss_limit), signed=True), row.unit, row.loss_limit),
            risen(number(fall(row.tolerance), signed=True), row.unit, row.tolerance),
            percent(row.left),
            row.unit,
            CLAIM_WORDS[claim.verdict],
        ))  # fmt: skip
    return table(heads, rows, sign_notes(row.unit for row in document.margins_left))


def ablation_table(document: Plan) -> ReportTable:
    """Tabulate what each lever gained, by the trials without it."""
    heads = columns(
        "lever; value; plain; gain with #; gain without = without #; gained #; "
        "worst change with #; worst change without #; note",
        page_only=("worst change with", "worst change without"),
    )
    return table(
        heads,
        (
            (
                row.lever,
                row.value,
                row.plain,
                number(row.gain_with),
                number(row.gain_without),
                number(row.bought, signed=True),
                number(fall(row.worst_loss_with), signed=True),
                number(fall(row.worst_loss_without), signed=True),
                TableCell("dropped", "dropped: no worse without it")
                if row.was_dropped
                else row.reason or "",
            )
            for row in document.ablation
        ),
    )


def trials_table(document: Plan) -> ReportTable:
    """Tabulate the trials, the best first."""
    heads = columns(
        "trial #; steps #; gain #; worst change #; of; scale #; state; why; tokens #; seconds #; protocol",
        page_only=("steps", "of", "why", "tokens", "seconds"),
    )
    return table(
        heads,
        (
            (
                f"{trial.number}",
                f"{trial.num_steps:,}",
                *_best(trial.best),
                _state(trial),
                trial.reason or ("" if trial.purpose == "search" else f"without: {trial.purpose}"),
                f"{trial.tokens_trained:,}",
                number(trial.wall_seconds),
                setting_words(trial.settings),
            )
            for trial in sorted(document.trials, key=trial_order)
        ),
    )


def _best(best: PlanLook | None) -> tuple[str, str, str, str]:
    if best is None:
        return DASH, DASH, DASH, DASH
    return (
        number(best.target_gain),
        number(fall(best.worst_loss), signed=True),
        best.worst_capability or DASH,
        scale_word(best),
    )


def _state(trial: PlanTrial) -> str | TableCell:
    word = state_word(trial)
    if trial.best is None or trial.best.meets_constraint:
        return word
    return TableCell("over a tolerance", f"{word}, over a tolerance")


def state_word(trial: PlanTrial) -> str:
    """Say how a trial ended."""
    return _STATE_WORDS[trial.state]


def setting_words(settings: Sequence[LeverSetting]) -> str:
    """List the levers that a protocol sets, in one line."""
    if not settings:
        return "as your config has it"
    return clean(", ".join(f"{s.lever} {s.value}" for s in settings))


def trial_order(trial: PlanTrial) -> tuple[bool, float, float]:
    """Return a sort key: the best trials first, incomplete ones last."""
    best = trial.best
    if best is None:
        return (True, 0.0, 0.0)
    return (False, best.excess, -(best.target_gain if best.merit is None else best.merit))


def scale_word(look: PlanLook) -> str:
    """Format the scale of an update."""
    return "in parts" if look.parts else f"{look.scale:g}"
