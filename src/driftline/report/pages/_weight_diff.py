"""A diff as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator, Sequence

from ...results import ChangeGroup, WeightDiff
from ...results.readings import (
    DASH,
    MERGE_TITLES,
    clean,
    cost_line,
    count_lines,
    gaps,
    merge_lines,
    merge_rows,
    movers,
    number,
    percent,
    rank_cells,
)
from ..charts import Key, has_weight_diff_charts, modules_key, weight_diff_charts
from ..terminal import weight_diff_screen
from ._page import Figure, Head, drawn, page
from ._provenance import provenance_table, subject_rows
from ._tables import Kind, Table, columns, table

MAX_MOVERS = 40
"""Weights that the page lists; the JSON has them all."""

_GROUP: list[tuple[str, Kind]] = columns(
    "relative change #; share #; weights moved #; parameters #"
)


def render_weight_diff(diff: WeightDiff) -> str:
    """Write a diff as a page: where the update went, what moved farthest, caveats, provenance."""
    screen = weight_diff_screen(diff)
    p = diff.provenance
    head = Head(
        diff,
        title="What tuning moved",
        badge=_badge(diff, screen.verdict or ""),
        screen=screen,
        facts=(
            ("tuned", f"{clean(p.tuned.source)} ({p.tuned.kind})"),
            ("base", clean(p.base.source)),
        ),
        tiles=tuple(_tiles(diff)),
        cost=(cost_line(diff),),
        provenance=_provenance_table(diff),
        footer="Weights alone do not say what the change costs.",
    )
    return page(
        "_weight_diff.html.j2",
        head,
        merge=merge_table(diff),
        figure=dict(_figures(diff)),
        roles=group_table(diff.by_role, first="role"),
        movers=movers_table(diff),
        counts=count_lines(diff),
        bad=[f"{clean(bad.name)} ({bad.side})" for bad in diff.not_finite],
    )


def merge_table(diff: WeightDiff) -> Table | None:
    """Tabulate the weights that an adapter changes, by layer; None where no adapter was given."""
    if diff.merge is None:
        return None
    titles: list[tuple[str, Kind]] = [(MERGE_TITLES[0], "text")]
    titles += [(title, "number") for title in MERGE_TITLES[1:]]
    made = table(titles, merge_rows(diff.merge))
    return Table(made.titles, made.kinds, made.rows, tuple(merge_lines(diff.merge)))


def _badge(diff: WeightDiff, word: str) -> str:
    """Choose the colour of the first word."""
    if diff.merge is not None:
        return {"pass": "safe", "fail": "unsafe"}.get(diff.merge.verdict, "inconclusive")
    if diff.not_finite:
        return "unsafe"
    return "safe" if word in ("IDENTICAL", "UNCHANGED") else "inconclusive"


def _tiles(diff: WeightDiff) -> Iterator[tuple[str, str, str]]:
    total = diff.total
    yield "relative change", percent(total.relative_change), "over all weights together"
    yield "weights that moved", f"{total.num_changed} of {total.num_weights}", ""
    if diff.changes:
        first = movers(diff)[0]
        yield "moved farthest", percent(first.relative_change), clean(first.name)
    looked = [c.intruders for c in diff.changes if c.intruders is not None]
    if looked:
        result = sum(intruders.num_intruders for intruders in looked)
        yield "intruder dimensions", str(result), f"in {len(looked)} matrices"


def _figures(diff: WeightDiff) -> Iterator[tuple[str, Figure]]:
    if not has_weight_diff_charts(diff):
        return
    cells = [g for g in diff.by_module if g.layer is not None]
    yield (
        "modules",
        drawn(
            lambda canvas: weight_diff_charts(diff, canvas)["modules"],
            "modules",
            label="Relative change of every module, layer by role; the numbers are in the table.",
            key=modules_key([g for g in cells if g.relative_change is not None]),
            caption="Norm of the change over the norm of the weights, role by role in each layer. Full "
            "colour is the 98th percentile.",
            numbers=group_table(cells, first="module"),
        ),
    )
    yield (
        "layers",
        drawn(
            lambda canvas: weight_diff_charts(diff, canvas)["layers"],
            "layers",
            label="Share of the squared change, layer by layer; the numbers are in the table.",
            key=(Key("blue", "area", "share of the squared change of all weights"),),
            caption="Where the update went; embedding and head are not shown.",
            numbers=group_table(diff.by_layer, first="layer"),
        ),
    )


def group_table(groups: Sequence[ChangeGroup], *, first: str) -> Table:
    """Tabulate groups of weights, a row each."""
    return table(
        [(first, "text"), *_GROUP],
        (
            (
                _group_name(group),
                percent(group.relative_change),
                percent(group.share),
                f"{group.num_changed} of {group.num_weights}",
                f"{group.num_parameters:,}",
            )
            for group in groups
        ),
    )


def movers_table(diff: WeightDiff) -> Table:
    """Tabulate the weights that moved farthest relative to their own norm, with the ranks of the change."""
    made = table(
        [
            ("weight", "code"),
            ("relative change", "number"),
            ("share", "number"),
            ("largest singular value", "number"),
            ("effective rank", "number"),
            ("stable rank", "number"),
            ("90% energy rank", "number"),
            ("intruders", "number"),
            ("", "text"),
        ],
        (
            (
                c.name,
                percent(c.relative_change),
                percent(c.share),
                number(c.spectrum.largest_singular_values[0]) if c.spectrum else DASH,
                *rank_cells(c),
                "at the level of rounding" if c.at_rounding else "",
            )
            for c in movers(diff)[:MAX_MOVERS]
        ),
    )
    notes = [f"{DASH} {gap}" for gap in gaps(diff)]
    if any(c.spectrum and not c.spectrum.is_exact for c in diff.changes):
        notes.append("~ An estimate from a random subspace.")
    if len(diff.changes) > MAX_MOVERS:
        notes.append(f"{len(diff.changes) - MAX_MOVERS} more are in the JSON.")
    return Table(made.titles, made.kinds, made.rows, tuple(notes))


def _group_name(group: ChangeGroup) -> str:
    if group.role is not None:
        return group.role if group.layer is None else f"{group.layer} {group.role}"
    return "outside the layers" if group.layer is None else str(group.layer)


def _provenance_table(diff: WeightDiff) -> Table:
    p = diff.provenance
    rows = [
        *subject_rows("base", p.base),
        *subject_rows("tuned", p.tuned),
        *(subject_rows("adapter", diff.merge.adapter) if diff.merge else ()),
        ("command", f"{p.command}, spectra {diff.spectra}, seed {p.seed}"),
    ]
    return provenance_table(rows, p, diff.schema_)
