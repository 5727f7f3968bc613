"""The capabilities of a training run."""

from ...results import TrainingRun
from ...results.readings import (
    DASH,
    fall,
    items_in_groups,
    metric_sign,
    number,
    shown_change,
    sign_notes,
    with_error,
)
from ._report_table import ReportTable, columns, risen, table

_COLUMNS = columns(
    "capability; items in groups #; change #; accepted #; unit; lowest #; at step #; "
    "alarm at step = alarm #; at the end",
    page_only=("items in groups",),
)
_STATES = {True: "within", False: "beyond", None: "not known"}


def courses_table(run: TrainingRun) -> ReportTable:
    """Tabulate the change of each capability at the end of a run, and its lowest along it."""
    rows = []
    for course in run.capabilities:
        change = shown_change(course.change, higher_is_better=metric_sign(course.metric) < 0)
        told = with_error(number(change, signed=True), course.standard_error)
        state = _STATES[course.within_tolerance]
        rows.append((
            course.capability,
            items_in_groups(course.num_items, course.num_groups),
            risen(told, course.unit, fall(change)),
            risen(number(fall(course.tolerance), signed=True), course.unit, course.tolerance),
            course.unit,
            risen(number(fall(course.largest_loss), signed=True), course.unit, course.largest_loss),
            DASH if course.largest_loss_step is None else str(course.largest_loss_step),
            DASH if course.alarm_step is None else str(course.alarm_step),
            state if course.required else f"{state}, watched only",
        ))  # fmt: skip
    lower = any(metric_sign(course.metric) > 0 for course in run.capabilities)
    return table(_COLUMNS, rows, sign_notes((c.unit for c in run.capabilities), any_lower=lower))
