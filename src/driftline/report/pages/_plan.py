"""A plan as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

from ...results import Plan
from ...results.readings import DASH, clean, duration, fall, in_points, interval, number, percent
from ..tables import (
    ReportTable,
    ablation_table,
    columns,
    margins_table,
    protocol_table,
    scale_word,
    table,
    trials_table,
)
from ..terminal import budget_words, forecast_words, plan_screen, trial_counts
from ._claims import claim_figures, claims_with_reasons, search_figure, ways_out
from ._page import Head, page
from ._provenance import provenance_table


def render_plan(document: Plan) -> str:
    """Write a plan as a page: the protocol, what it keeps, what each lever gained, what margin is left."""
    screen = plan_screen(document)
    document = in_points(document)
    p = document.provenance
    head = Head(
        document,
        title="The protocol that adapts most within the tolerances",
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
    )
    points = "Every point of the search, on the items that choose: each trial at some scales of its update"
    return page(
        "_plan.html.j2",
        head,
        protocol=protocol_table(document),
        parts=_parts_table(document) if document.chosen.parts else None,
        files=_files_table(document),
        margins=margins_table(document),
        target=_target_line(document),
        figure=search_figure(document, _front_table(document), points=points),
        claim_charts=tuple(claim_figures(document.claims)),
        claims=claims_with_reasons(document.claims),
        ways=ways_out(document.claims, document.provenance.alpha),
        ablation=ablation_table(document) if document.ablation else None,
        trials=trials_table(document),
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


def _files_table(document: Plan) -> ReportTable | None:
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


def _parts_table(document: Plan) -> ReportTable:
    return table(
        [("part", "text"), ("scale of its update", "number")],
        ((part, f"{scale:g}") for part, scale in document.chosen.parts.items()),
    )


def _front_table(document: Plan) -> ReportTable:
    return table(
        columns("trial; scale #; gain #; worst change #; of; excess #"),
        (
            (
                "base" if look.trial is None else f"{look.trial}",
                scale_word(look),
                number(look.target_gain),
                number(fall(look.worst_loss), signed=True),
                look.worst_capability or DASH,
                number(look.excess),
            )
            for look in document.looks
            if look.is_on_front
        ),
    )


def _provenance_table(document: Plan) -> ReportTable:
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
