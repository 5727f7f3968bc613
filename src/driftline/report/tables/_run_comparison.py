"""Two finished runs side by side."""

from ...results import RunComparison, RunReading
from ...results.readings import DASH, interval, number
from ._report_table import Column, ReportTable, TableCell, table

_LONGEST = 28
"""Characters of a setting in a row of the terminal; the page has all of them."""


def readings_table(comparison: RunComparison) -> ReportTable:
    """Tabulate every capability in both runs, with the difference."""
    heads = [
        Column(comparison.quantity),
        Column(comparison.first.name, "number"),
        Column("interval", "number"),
        Column(comparison.second.name, "number"),
        Column("interval", "number"),
        Column("difference", "number"),
        Column("unit"),
    ]
    return table(
        heads,
        (
            (
                pair.capability,
                *reading_cells(pair.first),
                *reading_cells(pair.second),
                number(pair.difference, signed=True),
                pair.unit,
            )
            for pair in comparison.readings
        ),
    )


def settings_table(comparison: RunComparison) -> ReportTable:
    """Tabulate the settings and inputs that differ."""
    heads = [
        Column("setting or input", "code", brief="differs"),
        Column(comparison.first.name, "code"),
        Column(comparison.second.name, "code"),
    ]
    rows = ((s.name, setting_cell(s.first), setting_cell(s.second)) for s in comparison.settings)
    return table(heads, rows)


def reading_cells(reading: RunReading | None) -> tuple[str, str]:
    """Format a value and its interval."""
    if reading is None:
        return DASH, DASH
    return number(reading.value, signed=True), interval(reading.low, reading.high, signed=True)


def setting_cell(value: str | None) -> TableCell:
    """Format a setting; a terminal shows the beginning of a long one."""
    if not value:
        return TableCell(DASH, DASH)
    return TableCell(value if len(value) <= _LONGEST else f"{value[: _LONGEST - 2]} …", value)
