"""The tables of a diff."""

from collections.abc import Sequence

from ...results import ChangeGroup, TensorChange, WeightDiff
from ...results.readings import (
    DASH,
    MERGE_TITLES,
    gaps,
    merge_lines,
    merge_rows,
    number,
    percent,
    rank_cells,
)
from ._report_table import Column, Kind, ReportTable, TableCell, columns, table


def merge_table(diff: WeightDiff) -> ReportTable | None:
    """Tabulate the weights that an adapter changes, by layer; None where no adapter was given."""
    if diff.merge is None:
        return None
    number_kind: Kind = "number"
    heads = [Column(MERGE_TITLES[0]), *(Column(title, number_kind) for title in MERGE_TITLES[1:])]
    return table(heads, merge_rows(diff.merge), merge_lines(diff.merge))


def group_table(groups: Sequence[ChangeGroup], *, first: str) -> ReportTable:
    """Tabulate groups of weights, a row each."""
    heads = columns(
        f"{first}; relative change #; share #; weights moved = moved #; parameters #",
        page_only=("parameters",),
    )
    return table(
        heads,
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


def movers_table(diff: WeightDiff, changes: Sequence[TensorChange]) -> ReportTable:
    """Tabulate weights that moved relative to their own norm, with the ranks of the change.

    Args:
        diff: The whole diff, whose missing numbers the notes explain.
    """
    heads = [
        Column("weight", "code"),
        *columns(
            "relative change = relative #; share #; largest singular value #; effective rank = effective #; "
            "stable rank = stable #; 90% energy rank = 90% energy #; intruders #; note",
            page_only=("largest singular value",),
        ),
    ]
    rows = (
        (
            c.name,
            percent(c.relative_change),
            percent(c.share),
            number(c.spectrum.largest_singular_values[0]) if c.spectrum else DASH,
            *rank_cells(c),
            TableCell("rounding", "at the level of rounding") if c.at_rounding else "",
        )
        for c in changes
    )
    return table(heads, rows, [f"{DASH} {gap}" for gap in gaps(diff)])


def _group_name(group: ChangeGroup) -> str:
    if group.role is not None:
        return group.role if group.layer is None else f"{group.layer} {group.role}"
    return "outside the layers" if group.layer is None else str(group.layer)
