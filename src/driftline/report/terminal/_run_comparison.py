"""Two finished runs side by side, as the first screen and as plain text."""

from ...results import ReadingPair, RunComparison
from ...results.readings import clean, in_points, number
from ..tables import reading_cells, readings_table, setting_cell, settings_table
from ._columns import aligned, caveat_lines, table_lines, wrapped
from .screens import Screen

_MOST_ROWS = 4


def run_comparison_screen(comparison: RunComparison) -> Screen:
    """Put two runs side by side in at most twelve lines.

    Returns:
        Both verdicts, the largest fall from one run to the other, and the first rows.
    """
    shown = in_points(comparison)
    largest = largest_difference(shown)
    told = [
        f"{s.name}: {setting_cell(s.first).text} and {setting_cell(s.second).text}"
        for s in shown.settings[:3]
    ]
    return Screen(
        verdict=None,
        statement=run_sentence(shown),
        loss=None if largest is None else difference_sentence(shown, largest),
        action=None,
        rows=(*_short_rows(shown), *(f"  {clean(line)}" for line in told)),
        caveats=shown.caveats,
    )


def run_comparison_summary(comparison: RunComparison) -> str:
    """Render two runs side by side for a terminal, without colour.

    Returns:
        Text that ends in a newline: both verdicts, every capability, every setting that differs.
    """
    shown = in_points(comparison)
    lines = wrapped(run_sentence(shown))
    for run in (shown.first, shown.second):
        lines += [
            each
            for reason in run.reasons
            for each in wrapped(f"  {clean(run.name)}: {clean(reason)}", indent="    ")
        ]
    lines += ["", *table_lines(readings_table(shown))]
    if shown.settings:
        lines += ["", *table_lines(settings_table(shown))]
    else:
        lines += ["", "No setting and no input differs."]
    return "\n".join([*lines, "", *caveat_lines(shown.caveats)]) + "\n"


def run_sentence(comparison: RunComparison) -> str:
    """Name both runs with their verdicts."""
    first, second = comparison.first, comparison.second
    kind = first.schema_.removeprefix("driftline/").partition("/")[0]
    words = [
        f"{clean(run.name)} is {(run.verdict or 'not judged').replace('_', ' ')}"
        for run in (first, second)
    ]
    return f"Two runs of {kind}: {words[0]}, {words[1]}."


def largest_difference(comparison: RunComparison) -> ReadingPair | None:
    """Find the capability whose value falls most from one run to the other, whichever is lower.

    Args:
        comparison: In the units that are shown.

    Returns:
        The pair, by differences in tolerances where both have one; None where nothing differs. What the
        base of either is not shown to have does not count.
    """
    known = [pair for pair in comparison.readings if pair.difference and _is_shown(pair)]
    return max(known, key=_size, default=None)


def _is_shown(pair: ReadingPair) -> bool:
    return all(each is None or each.verdict != "not_shown" for each in (pair.first, pair.second))


def difference_sentence(comparison: RunComparison, pair: ReadingPair) -> str:
    """Say how far one capability is apart in the two runs."""
    assert pair.first is not None
    assert pair.second is not None
    return (
        f"Largest difference: {clean(pair.capability)}, {number(pair.first.value, signed=True)} in "
        f"{clean(comparison.first.name)} and {number(pair.second.value, signed=True)} in "
        f"{clean(comparison.second.name)} ({clean(pair.unit)})."
    )


def _size(pair: ReadingPair) -> float:
    accepted = pair.first.accepted if pair.first is not None else None
    return abs(pair.difference or 0.0) / (accepted or 1.0)


def _short_rows(comparison: RunComparison) -> list[str]:
    """Return the largest differences, without intervals."""
    ordered = sorted(comparison.readings, key=_size, reverse=True)[:_MOST_ROWS]
    rows = [
        (
            str(comparison.quantity),
            clean(comparison.first.name),
            clean(comparison.second.name),
            "difference",
            "unit",
        )
    ]
    rows += [
        (
            clean(pair.capability),
            reading_cells(pair.first)[0],
            reading_cells(pair.second)[0],
            number(pair.difference, signed=True),
            clean(pair.unit),
        )
        for pair in ordered
    ]
    return aligned(rows, numeric=(1, 2, 3))
