"""A training run as plain text."""

from ...results import TrainingRun
from ...results.readings import clean, duration, gain_sentence, in_points, percent, verdict_word
from ..tables import courses_table
from ._columns import caveat_lines, table_lines, wrapped

_NUM_NAMED = 6


def training_run_summary(run: TrainingRun) -> str:
    """Render a training run for a terminal, without colour.

    Returns:
        Text of lines up to about 100 characters: the verdict word and the reasons, a row a capability,
        alarms with their evidence, the cost, numbered caveats. It ends in a newline.
    """
    run = in_points(run)
    first = clean(run.reasons[0]) if run.reasons else ""
    lines = wrapped(f"{verdict_word(run.verdict)}: {first}")
    for reason in run.reasons[1:]:
        lines += wrapped(f"also: {clean(reason)}", indent="  ")
    lines += [
        "",
        f"Capabilities after {run.num_steps} of {run.planned_steps} steps; below 0 is worse",
    ]
    lines += table_lines(courses_table(run))
    for alarm in run.alarms:
        when = f"before step {alarm.step}, averted" if alarm.averted else f"step {alarm.step}"
        told = "; ".join(clean(sentence) for sentence in alarm.evidence)
        lines += ["", *wrapped(f"{when}: {alarm.detector} ({alarm.action}): {told}")]
    cost = run.cost
    if run.target is not None:
        lines += ["", *wrapped(f"Gain: {gain_sentence(run.target)}")]
    lines += [
        "",
        *wrapped(f"Checked: {checks_sentence(run)}"),
        *wrapped(
            f"Cost: {duration(cost.wall_seconds)}, of which the monitor "
            f"{duration(cost.monitor_seconds)} ({percent(cost.monitor_share)})"
        ),
    ]
    lines += caveat_lines(run.caveats)
    return "\n".join(lines) + "\n"


def checks_sentence(run: TrainingRun) -> str:
    """Describe how often a run was checked, in one line."""
    steps = sorted({point.step for point in run.checks})
    if not steps:
        return "never"
    named = ", ".join(map(str, steps[:_NUM_NAMED]))
    more = f" and {len(steps) - _NUM_NAMED} more" if len(steps) > _NUM_NAMED else ""
    return f"{len(run.checks)} times, at step {named}{more}"
