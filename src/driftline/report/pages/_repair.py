"""A repair as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator

from ...results import Repair, Subject
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    duration,
    in_points,
    interval,
    items_in_groups,
    number,
    percent,
    with_error,
    with_rise,
)
from ...results.summaries import chosen_words, repair_headline, scale_lines
from ..charts import repair_front, to_svg
from ._page import Figure, page
from ._search_claims import BADGES, claim_reasons
from ._tables import Table, table


def render_repair(found: Repair) -> str:
    """A repair as a page: what came back, what it cost, how it was found, provenance.

    Args:
        found: What to show.

    Returns:
        One HTML document that needs nothing beside it; equal for equal repairs.
    """
    found = in_points(found)
    label = "Target gain against the worst capability's loss; the numbers are in the table."
    caption = (
        "Every point of the search, on the items that choose. Up is more gain, left is less loss of "
        "the capability that lost most, in its tolerances; the line joins points that none beats."
    )
    chart = to_svg(repair_front(found), prefix="front", label=label)
    return page(
        "_repair.html.j2",
        word=found.verdict.upper(),
        badge=BADGES[found.verdict],
        rest=repair_headline(found),
        base=clean(found.provenance.base.source),
        tuned=clean(found.provenance.tuned.source),
        kind=found.provenance.tuned.kind,
        created=clean(found.provenance.created).replace("T", " "),
        version=clean(found.provenance.driftline_version),
        tiles=tuple(_tiles(found)),
        recovery=_recovery_table(found),
        target=_target_line(found),
        claims=_claims_table(found),
        families=_families_table(found),
        figure=Figure(chart, caption, _front_table(found)),
        chosen=chosen_words(found.chosen),
        scales=table([("part", "text"), ("scale", "number")], scale_lines(found.scales)),
        caveats=[clean(caveat) for caveat in found.caveats],
        cost=(
            f"{duration(found.cost.wall_seconds)}, {len(found.looks)} points, "
            f"{found.cost.tokens_forward:,} tokens forward, no gradients"
        ),
        provenance=_provenance_table(found),
    )


def _tiles(found: Repair) -> Iterator[tuple[str, str, str]]:
    recovery = found.recovery
    lost = f"of {len(recovery.lost)} lost capabilities" if recovery.lost else "nothing was lost"
    yield "given back", percent(recovery.given_back), lost
    if found.target is not None:
        more = "of what tuning gained" if found.target.reason is None else "tuning gained nothing"
        yield "target's gain kept", percent(found.target.gain_share), more
    retained = sum(claim.verdict == "non_inferior" for claim in found.claims)
    yield "capabilities retained", f"{retained} of {len(found.claims)}", "on unseen items"
    yield "size of the update", percent(found.chosen.kept_change), "of what it was"


def _recovery_table(found: Repair) -> Table:
    made = table(
        [
            ("capability", "text"),
            ("items", "number"),
            ("tuned − base", "number"),
            ("repaired − base", "number"),
            ("given back", "number"),
            ("tolerance", "number"),
            ("unit", "text"),
            ("", "text"),
        ],
        (
            (
                row.capability,
                f"{row.num_items:,}",
                with_rise(
                    with_error(number(row.tuned_change, signed=True), row.tuned_standard_error),
                    row.unit,
                    row.tuned_change,
                ),
                with_rise(
                    with_error(
                        number(row.repaired_change, signed=True), row.repaired_standard_error
                    ),
                    row.unit,
                    row.repaired_change,
                ),
                percent(row.given_back) if row.was_lost else DASH,
                with_rise(number(row.tolerance), row.unit, row.tolerance),
                row.unit,
                "lost by tuning" if row.was_lost else "" if row.required else "watched",
            )
            for row in found.recovery.capabilities
        ),
    )
    note = "What tuning lost was named by other items, those that choose."
    reason = found.recovery.reason
    notes = (note,) if reason is None else (note, f"No share in all: {clean(reason)}.")
    return Table(made.titles, made.kinds, made.rows, notes)


def _target_line(found: Repair) -> str | None:
    target = found.target
    if target is None:
        return None
    return (
        f"The target, {target.num_items:,} unseen examples: {number(target.base)} {target.unit} in "
        f"the base, {number(target.tuned)} tuned, {number(target.repaired)} repaired. Its gain of "
        f"{number(target.repaired_gain)} has the one-sided {percent(target.confidence_level)} limits "
        f"{interval(target.low, target.high)}."
    )


def _claims_table(found: Repair) -> Table:
    made = table(
        [
            ("capability", "text"),
            ("items in groups", "number"),
            ("change", "number"),
            ("loss below", "number"),
            ("margin", "number"),
            ("p", "number"),
            ("Holm p", "number"),
            ("", "text"),
        ],
        (
            (
                claim.capability + ("" if claim.required else " (watched)"),
                items_in_groups(claim.num_items, claim.num_groups),
                with_error(number(claim.change, signed=True), claim.standard_error),
                with_rise(number(claim.loss_limit), claim.unit, claim.loss_limit),
                with_rise(number(claim.margin), claim.unit, claim.margin),
                number(claim.pvalue),
                number(claim.adjusted_pvalue),
                CLAIM_WORDS[claim.verdict],
            )
            for claim in found.claims
        ),
    )
    return Table(made.titles, made.kinds, made.rows, claim_reasons(found.claims))


def _families_table(found: Repair) -> Table:
    return table(
        [
            ("family", "text"),
            ("points", "number"),
            ("best", "text"),
            ("gain kept", "number"),
            ("damage", "number"),
            ("worst loss", "number"),
            ("of", "text"),
            ("", "text"),
        ],
        (
            (
                f.family,
                f"{f.num_points}",
                f.best.label,
                percent(f.best.gain_share),
                number(f.best.damage),
                number(f.best.worst_loss),
                f.best.worst_capability,
                "" if f.best.meets_constraint else "misses the constraint",
            )
            for f in found.families
        ),
    )


def _front_table(found: Repair) -> Table:
    points = [look for look in found.looks if look.is_on_front]
    return table(
        [
            ("point", "text"),
            ("gain", "number"),
            ("gain kept", "number"),
            ("update kept", "number"),
            ("worst loss", "number"),
            ("of", "text"),
            ("damage", "number"),
        ],
        (
            (
                chosen_words(look),
                number(look.target_gain),
                percent(look.gain_share),
                percent(look.kept_change),
                number(look.worst_loss),
                look.worst_capability,
                number(look.damage),
            )
            for look in points
        ),
    )


def _provenance_table(found: Repair) -> Table:
    p = found.provenance
    packages = ", ".join(f"{name} {version}" for name, version in sorted(p.packages.items()))
    limit = "no limit" if p.max_cost is None else percent(p.max_cost)
    rows = [
        *_subject_rows("base", p.base),
        *_subject_rows("tuned", p.tuned),
        *((f"suite {suite.name}", suite.digest) for suite in p.suites),
        *([("data", f"{p.data.name} {p.data.digest}")] if p.data is not None else []),
        *_output_rows(found),
        (
            "command",
            f"{p.command}, alpha {p.alpha:g}, gain to give up: {limit}, {p.num_search_items} items "
            f"a capability choose, seed {p.seed}",
        ),
        ("numerics", f"{p.numerics.compute_dtype} on {p.numerics.device}"),
        ("driftline", f"{p.driftline_version}, Python {p.python_version}"),
        ("packages", packages),
        ("created", p.created),
        ("schema", found.schema_),
    ]
    return table([("", "text"), ("", "code")], rows)


def _output_rows(found: Repair) -> Iterator[tuple[str, str]]:
    if found.output is None:
        yield "repaired", "not written"
        return
    yield "repaired", f"{found.output.folder} ({found.output.kind})"
    yield "repaired digest", found.output.digest or DASH
    for file in found.output.files:
        yield "repaired digest", f"{file.name} {file.digest}"


def _subject_rows(side: str, subject: Subject) -> Iterator[tuple[str, str]]:
    revision = f", revision {subject.revision}" if subject.revision else ""
    yield side, f"{subject.source} ({subject.kind}{revision})"
    for file in subject.files:
        yield f"{side} digest", f"{file.name} {file.digest}"
