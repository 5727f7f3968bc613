"""A plan as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

from ...results import Plan, PlanLook
from ...results.readings import (
    DASH,
    clean,
    duration,
    fall,
    in_points,
    interval,
    items_in_groups,
    number,
    percent,
    sign_notes,
    with_error,
    with_rise,
)
from ..charts import plan_front, plan_key
from ..terminal import (
    budget_words,
    forecast_words,
    plan_screen,
    scale_word,
    setting_words,
    trial_counts,
    trial_order,
)
from ._claims import claim_figures, claims_table, ways_out
from ._page import BADGES, Head, drawn, page
from ._provenance import provenance_table
from ._tables import Table, columns, table


def render_plan(document: Plan) -> str:
    """Write a plan as a page: the protocol, what it keeps, what each lever gained, what margin is left.

    Args:
        document: The document to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal plans.
    """
    screen = plan_screen(document)
    document = in_points(document)
    p = document.provenance
    head = Head(
        document,
        title="The protocol that adapts most within the tolerances",
        badge=BADGES[document.verdict],
        screen=screen,
        facts=(
            ("model", clean(p.base_model.source)),
            ("data", clean(p.data.name)),
        ),
        tiles=tuple(_tiles(document)),
        cost=(
            f"{duration(document.cost.wall_seconds)}, {trial_counts(document)}, "
            f"{document.cost.tokens_backward:,} tokens trained, {document.cost.tokens_forward:,} scored",
            f"Budget: {budget_words(document.budget)}",
        ),
        provenance=_provenance_table(document),
        footer="A claim is statistical, about items drawn like these.",
    )
    figure = drawn(
        lambda canvas: plan_front(document, canvas),
        "front",
        label="Target gain against the worst capability's change; the numbers are in the table.",
        key=plan_key(document),
        caption="Every point of the search, on the items that choose: each trial at some scales of its "
        "update. Up is more gain, right is less loss of the capability that lost most.",
        numbers=_front_table(document),
    )
    return page(
        "_plan.html.j2",
        head,
        protocol=_protocol_table(document),
        parts=_parts_table(document) if document.chosen.parts else None,
        files=_files_table(document),
        margins=_margins_table(document),
        target=_target_line(document),
        figure=figure,
        claim_charts=tuple(claim_figures(document.claims)),
        claims=claims_table(document.claims),
        ways=ways_out(document.claims),
        ablation=_ablation_table(document) if document.ablation else None,
        trials=_trials_table(document),
        forecast=forecast_words(document),
        reasons=tuple(clean(reason) for reason in document.reasons),
    )


def _tiles(document: Plan) -> Iterator[tuple[str, str, str]]:
    target = document.target
    spread = interval(target.low, target.high, signed=True)
    yield "target gain", number(target.gain, signed=True), f"{target.unit}, {spread}"
    required = [row for row in document.margins_left if row.required]
    least = next((row for row in required if row.left is not None), None)
    yield "least margin left", percent(least.left if least else None), (
        clean(least.capability) if least else "no limit"
    )  # fmt: skip
    kept = sum(claim.verdict == "non_inferior" for claim in document.claims)
    share = f"{kept} of {len(document.claims)}" if document.claims else DASH
    yield "capabilities retained", share, "on items that chose nothing"
    finished = sum(trial.state == "finished" for trial in document.trials)
    yield "trials", f"{len(document.trials)}", f"{finished} trained to their end"


def _protocol_table(document: Plan) -> Table | None:
    if document.protocol is None:
        return None
    rows = [(s.lever, s.value, s.plain) for s in document.protocol.settings]
    rows = rows or [("nothing", "as your config has it", "")]
    return table([("lever", "text"), ("value", "text"), ("your config", "text")], rows)


def _files_table(document: Plan) -> Table | None:
    if not document.files:
        return None
    return table(
        [("file", "text"), ("not supported", "text"), ("digest", "code")],
        ((f.name, ", ".join(f.lacks) or DASH, f.digest) for f in document.files),
    )


def _target_line(document: Plan) -> str:
    target = document.target
    if document.protocol is None:
        return "The base itself was chosen, so nothing is claimed."
    return clean(
        f"The target on {target.num_items:,} rows that were neither trained on nor chose: "
        f"{number(target.base)} {target.unit} in the base, {number(target.tuned)} after; gain "
        f"{number(target.gain, signed=True)}, one-sided {percent(target.confidence_level)} limits "
        f"{interval(target.low, target.high, signed=True)}."
    )


def _margins_table(document: Plan) -> Table:
    claims = {claim.capability: claim for claim in document.claims}
    made = table(
        columns(
            "capability; items in groups #; change #; at worst #; accepted #; margin left #; unit; "
        ),
        (
            (
                row.capability,
                items_in_groups(
                    claims[row.capability].num_items, claims[row.capability].num_groups
                ),
                with_rise(
                    with_error(number(fall(row.loss), signed=True), row.standard_error),
                    row.unit,
                    row.loss,
                ),
                with_rise(number(fall(row.loss_limit), signed=True), row.unit, row.loss_limit),
                with_rise(number(fall(row.tolerance), signed=True), row.unit, row.tolerance),
                percent(row.left),
                row.unit,
                "" if row.required else "watched",
            )
            for row in document.margins_left
        ),
    )
    return Table(
        made.titles, made.kinds, made.rows, sign_notes(r.unit for r in document.margins_left)
    )


def _ablation_table(document: Plan) -> Table:
    return table(
        columns(
            "lever; value; plain; gain with #; gain without #; bought #; "
            "worst change with #; worst change without #; "
        ),
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
                "dropped: no worse without it" if row.was_dropped else row.reason or "",
            )
            for row in document.ablation
        ),
    )


def _parts_table(document: Plan) -> Table:
    return table(
        [("part", "text"), ("scale of its update", "number")],
        ((part, f"{scale:g}") for part, scale in document.chosen.parts.items()),
    )


def _trials_table(document: Plan) -> Table:
    return table(
        columns(
            "trial #; protocol; steps #; gain #; worst change #; of; scale #; state; "
            "why; tokens #; seconds #"
        ),
        (
            (
                f"{trial.number}",
                setting_words(trial.settings),
                f"{trial.num_steps:,}",
                *_best(trial.best),
                trial.state,
                trial.reason or ("" if trial.purpose == "search" else f"without: {trial.purpose}"),
                f"{trial.tokens_trained:,}",
                number(trial.wall_seconds),
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
        best.worst_capability,
        scale_word(best),
    )


def _front_table(document: Plan) -> Table:
    return table(
        columns("trial; scale #; gain #; worst change #; of; excess #"),
        (
            (
                "base" if look.trial is None else f"{look.trial}",
                scale_word(look),
                number(look.target_gain),
                number(fall(look.worst_loss), signed=True),
                look.worst_capability,
                number(look.excess),
            )
            for look in document.looks
            if look.is_on_front
        ),
    )


def _provenance_table(document: Plan) -> Table:
    p = document.provenance
    config = "TRL's defaults" if p.config is None else f"{p.config.name} {p.config.digest}"
    rows = [
        ("base", f"{p.base_model.source} {p.base_model.digest}"),
        ("data", f"{p.data.name} {p.data.digest}, {p.held_out} rows held out"),
        ("config", config),
        *((f"suite {suite.name}", suite.digest) for suite in p.suites),
        ("required", ", ".join(p.required)),
        ("fragile modules", ", ".join(p.protected_modules) or "none"),
        (
            "command",
            f"{p.command}, alpha {p.alpha:g}, {p.num_search_items} items a capability choose, seed "
            f"{p.seed}",
        ),
        ("numerics", f"{p.numerics.compute_dtype} on {p.numerics.device}"),
    ]
    return provenance_table(rows, p, document.schema_)
