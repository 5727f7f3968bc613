"""A repair as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator
from dataclasses import replace

from ...results import Repair
from ...results.readings import DASH, clean, duration, fall, in_points, interval, number, percent
from ..tables import (
    ReportTable,
    chosen_words,
    columns,
    families_table,
    minus_sentence,
    recovery_table,
    scales_table,
    table,
)
from ..terminal import repair_screen
from ._claims import claim_figures, claims_with_reasons, search_figure, ways_out
from ._page import Head, page
from ._provenance import provenance_table, subject_rows


def render_repair(document: Repair) -> str:
    """Write a repair as a page: what came back, what each part is scaled by, claims, how it was found."""
    document = in_points(document)
    p = document.provenance
    head = Head(
        document,
        title="Repair of a tuned model",
        screen=repair_screen(document),
        facts=(
            ("tuned", f"{clean(p.tuned.source)} ({p.tuned.kind})"),
            ("base", clean(p.base.source)),
        ),
        tiles=tuple(_tiles(document)),
        cost=(
            f"{duration(document.cost.wall_seconds)}, {len(document.looks)} points, "
            f"{document.cost.tokens_forward:,} tokens forward, no gradients",
        ),
        provenance=_provenance_table(document),
    )
    points = "Every point of the search, on the items that choose"
    return page(
        "_repair.html.j2",
        head,
        recovery=_recovery(document),
        target=_target_line(document),
        claims=claims_with_reasons(document.claims),
        claim_charts=tuple(claim_figures(document.claims)),
        ways=ways_out(document.claims, document.provenance.alpha),
        families=families_table(document),
        figure=search_figure(document, _front_table(document), points=points),
        chosen=minus_sentence(chosen_words(document.chosen)),
        scales=scales_table(document),
    )


def _tiles(document: Repair) -> Iterator[tuple[str, str, str]]:
    recovery = document.recovery
    noun = "capability" if len(recovery.lost) == 1 else "capabilities"
    lost = f"of {len(recovery.lost)} lost {noun}" if recovery.lost else "nothing was lost"
    yield "given back", percent(recovery.given_back), lost
    if document.target is not None:
        more = (
            "of what tuning gained" if document.target.reason is None else "tuning gained nothing"
        )
        yield "target's gain kept", percent(document.target.gain_share), more
    retained = sum(claim.verdict == "non_inferior" for claim in document.claims)
    yield "capabilities retained", f"{retained} of {len(document.claims)}", "on unseen items"
    yield "size of the update", percent(document.chosen.kept_change), "of what it was"


def _recovery(document: Repair) -> ReportTable:
    made = recovery_table(document)
    notes = (*made.notes, "Lost capabilities were named by other items: those that choose.")
    reason = document.recovery.reason
    if reason is not None:
        notes += (f"No share in all: {clean(reason)}.",)
    return replace(made, notes=notes)


def _target_line(document: Repair) -> str | None:
    target = document.target
    if target is None:
        return None
    return (
        f"The target, {target.num_items:,} examples that chose nothing: {number(target.base)} {target.unit} in "
        f"the base, {number(target.tuned)} tuned, {number(target.repaired)} repaired. Its gain of "
        f"{number(target.repaired_gain)} has the one-sided {percent(target.confidence_level)} limits "
        f"{interval(target.low, target.high)}."
    )


def _front_table(document: Repair) -> ReportTable:
    points = [look for look in document.looks if look.is_on_front]
    return table(
        columns("point; gain #; gain kept #; update kept #; worst change #; of; damage #"),
        (
            (
                chosen_words(look),
                number(look.target_gain),
                percent(look.gain_share),
                percent(look.kept_change),
                number(fall(look.worst_loss), signed=True),
                look.worst_capability or DASH,
                number(look.damage),
            )
            for look in points
        ),
    )


def _provenance_table(document: Repair) -> ReportTable:
    p = document.provenance
    limit = "no limit" if p.max_cost is None else percent(p.max_cost)
    rows = [
        *subject_rows("base", p.base),
        *subject_rows("tuned", p.tuned),
        *((f"suite {suite.name}", suite.digest) for suite in p.suites),
        *([("data", f"{p.data.name} {p.data.digest}")] if p.data is not None else []),
        *_output_rows(document),
        (
            "command",
            f"{p.command}, alpha {p.alpha:g}, gain to give up: {limit}, {p.num_search_items} items "
            f"a capability choose, seed {p.seed}",
        ),
        ("numerics", f"{p.numerics.compute_dtype} on {p.numerics.device}"),
    ]
    return provenance_table(rows, p, document.schema_)


def _output_rows(document: Repair) -> Iterator[tuple[str, str]]:
    if document.output is None:
        yield "repaired", "not written"
        return
    yield "repaired", f"{document.output.folder} ({document.output.kind})"
    yield "repaired digest", document.output.digest or DASH
    for file in document.output.files:
        yield "repaired digest", f"{file.name} {file.digest}"
