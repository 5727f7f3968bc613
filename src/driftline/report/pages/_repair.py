"""A repair as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

from ...results import CapabilityRecovery, Repair
from ...results.readings import (
    DASH,
    clean,
    duration,
    fall,
    in_points,
    interval,
    number,
    percent,
    shown_change,
    sign_notes,
    with_error,
    with_rise,
)
from ..charts import repair_front, repair_key
from ..terminal import chosen_words, repair_screen, scale_lines
from ._claims import claim_figures, claims_table, ways_out
from ._page import BADGES, Head, drawn, page
from ._provenance import provenance_table, subject_rows
from ._tables import Table, columns, table


def render_repair(document: Repair) -> str:
    """Write a repair as a page: what came back, what each part is scaled by, claims, how it was found.

    Args:
        document: The document to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal repairs.
    """
    screen = repair_screen(document)
    document = in_points(document)
    p = document.provenance
    head = Head(
        document,
        title="What scaling the update gave back",
        badge=BADGES[document.verdict],
        screen=screen,
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
        footer="A claim is statistical, about items drawn like these.",
    )
    figure = drawn(
        lambda canvas: repair_front(document, canvas),
        "front",
        label="Target gain against the worst capability's change; the numbers are in the table.",
        key=repair_key(document),
        caption="Every point of the search, on the items that choose. Up is more gain, right is less loss "
        "of the capability that lost most.",
        numbers=_front_table(document),
    )
    return page(
        "_repair.html.j2",
        head,
        recovery=_recovery_table(document),
        target=_target_line(document),
        claims=claims_table(document.claims),
        claim_charts=tuple(claim_figures(document.claims)),
        ways=ways_out(document.claims),
        families=_families_table(document),
        figure=figure,
        chosen=chosen_words(document.chosen),
        scales=table([("part", "text"), ("scale", "number")], scale_lines(document.scales)),
    )


def _tiles(document: Repair) -> Iterator[tuple[str, str, str]]:
    recovery = document.recovery
    lost = f"of {len(recovery.lost)} lost capabilities" if recovery.lost else "nothing was lost"
    yield "given back", percent(recovery.given_back), lost
    if document.target is not None:
        more = (
            "of what tuning gained" if document.target.reason is None else "tuning gained nothing"
        )
        yield "target's gain kept", percent(document.target.gain_share), more
    retained = sum(claim.verdict == "non_inferior" for claim in document.claims)
    yield "capabilities retained", f"{retained} of {len(document.claims)}", "on unseen items"
    yield "size of the update", percent(document.chosen.kept_change), "of what it was"


def _shown(
    change: float, error: float | None, row: CapabilityRecovery, lower: frozenset[str]
) -> str:
    turned = shown_change(change, higher_is_better=row.capability not in lower)
    return with_rise(with_error(number(turned, signed=True), error), row.unit, fall(turned))


def _recovery_table(document: Repair) -> Table:
    lower = frozenset(c.capability for c in document.claims if not c.higher_is_better)
    made = table(
        columns(
            "capability; items #; change when tuned #; change when repaired #; "
            "given back #; accepted #; unit; "
        ),
        (
            (
                row.capability,
                f"{row.num_items:,}",
                _shown(row.tuned_change, row.tuned_standard_error, row, lower),
                _shown(row.repaired_change, row.repaired_standard_error, row, lower),
                percent(row.given_back) if row.was_lost else DASH,
                with_rise(number(fall(row.tolerance), signed=True), row.unit, row.tolerance),
                row.unit,
                "lost by tuning" if row.was_lost else "" if row.required else "watched",
            )
            for row in document.recovery.capabilities
        ),
    )
    notes = sign_notes((r.unit for r in document.recovery.capabilities), any_lower=bool(lower))
    notes += ("What tuning lost was named by other items, those that choose.",)
    reason = document.recovery.reason
    if reason is not None:
        notes += (f"No share in all: {clean(reason)}.",)
    return Table(made.titles, made.kinds, made.rows, notes)


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


def _families_table(document: Repair) -> Table:
    return table(
        columns("family; points #; best; gain kept #; damage #; worst change #; of; "),
        (
            (
                f.family,
                f"{f.num_points}",
                f.best.label,
                percent(f.best.gain_share),
                number(f.best.damage),
                number(fall(f.best.worst_loss), signed=True),
                f.best.worst_capability,
                "" if f.best.meets_constraint else "misses the constraint",
            )
            for f in document.families
        ),
    )


def _front_table(document: Repair) -> Table:
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
                look.worst_capability,
                number(look.damage),
            )
            for look in points
        ),
    )


def _provenance_table(document: Repair) -> Table:
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
