"""A diff as one HTML file: no script, no address to load from, all text of files escaped."""

from collections.abc import Iterator
from dataclasses import replace

from ...results import WeightDiff
from ...results.readings import clean, cost_line, count_lines, movers, percent
from ..charts import Canvas, Chart, Key, has_weight_diff_charts, modules_key, weight_diff_charts
from ..tables import ReportTable, group_table, merge_table, movers_table
from ..terminal import weight_diff_screen
from ._page import Figure, Head, drawn, page
from ._provenance import provenance_table, subject_rows

MAX_MOVERS = 40
"""Weights that the page lists; the JSON has them all."""


def render_weight_diff(diff: WeightDiff) -> str:
    """Write a diff as a page: where the update went, what moved farthest, caveats, provenance."""
    screen = weight_diff_screen(diff)
    p = diff.provenance
    head = Head(
        diff,
        title="Changes of the weights",
        own_badge=_badge(diff, screen.verdict or ""),
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
        movers=_movers(diff),
        counts=count_lines(diff),
        bad=[f"{clean(bad.name)} ({bad.side})" for bad in diff.not_finite],
    )


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
    texts = {
        "modules": (
            "Relative change of every module, layer by role",
            modules_key([g for g in cells if g.relative_change is not None]),
            "Norm of the change over the norm of the weights, role by role in each layer. Full colour is "
            "the 98th percentile.",
            group_table(cells, first="module"),
        ),
        "layers": (
            "Share of the squared change, layer by layer",
            (Key("blue", "area", "share of the squared change of all weights"),),
            "Where the update went; embedding and head are not shown.",
            group_table(diff.by_layer, first="layer"),
        ),
    }
    for name, (label, key, caption, numbers) in texts.items():
        label = f"{label}; the numbers are in the table."

        def draw(canvas: Canvas, name: str = name) -> Chart:
            return weight_diff_charts(diff, canvas)[name]

        yield name, drawn(draw, name, label=label, key=key, caption=caption, numbers=numbers)


def _movers(diff: WeightDiff) -> ReportTable:
    made = movers_table(diff, movers(diff)[:MAX_MOVERS])
    notes = list(made.notes)
    if any(c.spectrum and not c.spectrum.is_exact for c in diff.changes):
        notes.append("~ An estimate from a random subspace.")
    if len(diff.changes) > MAX_MOVERS:
        notes.append(f"{len(diff.changes) - MAX_MOVERS} more are in the JSON.")
    return replace(made, notes=tuple(notes))


def _provenance_table(diff: WeightDiff) -> ReportTable:
    p = diff.provenance
    rows = [
        *subject_rows("base", p.base),
        *subject_rows("tuned", p.tuned),
        *(subject_rows("adapter", diff.merge.adapter) if diff.merge else ()),
        ("command", f"{p.command}, spectra {diff.spectra}, seed {p.seed}"),
    ]
    return provenance_table(rows, p, diff.schema_)
