"""A plan as plain text."""

from collections import Counter
from dataclasses import replace

from ...results import Plan, PlanBudget
from ...results.readings import clean, duration, fall, in_points, interval, number, percent
from ..tables import (
    ablation_table,
    margins_table,
    protocol_table,
    state_word,
    trial_order,
    trials_table,
)
from ._columns import caveat_lines, table_lines, wrapped

_SHOWN_TRIALS = 12
"""In a terminal; the report has all."""


def plan_summary(document: Plan) -> str:
    """Render a plan for a terminal, without colour.

    Returns:
        Text of lines up to about 100 characters, but for long names: the verdict, the protocol, what it
        keeps, what each lever gained, the best trials, the files, the cost, numbered caveats. It ends
        in a newline.
    """
    document = in_points(document)
    blocks = [
        wrapped(f"{document.verdict.upper()}: {plan_headline(document)}"),
        _protocol(document),
        _forecast(document),
        ["On items that chose nothing", *table_lines(margins_table(document))]
        if document.margins_left
        else [],
        _ablation(document),
        ["Trials, the best first, on the items that choose", *_trials(document)],
        _closing(document),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def plan_headline(document: Plan) -> str:
    """Say in one line what the protocol gains and keeps, and what its verdict rests on."""
    target = document.target
    parts = []
    if document.protocol is not None:
        limits = interval(target.low, target.high, signed=True)
        parts.append(
            f"target gain {number(target.gain, signed=True)} {target.unit} ({limits}, "
            f"{target.num_items:,} unseen rows)"
        )
    return clean("; ".join((*parts, *document.reasons)))


def budget_words(budget: PlanBudget) -> str:
    """Say how much of the budget was spent."""
    used = (
        f"{budget.used_tokens:,.0f} of {budget.limit:,.0f} tokens"
        if budget.unit == "tokens"
        else f"{budget.used_minutes:.1f} of {budget.limit:g} minutes"
    )
    words = f"{used} (your own run trains {budget.planned_run_tokens:,.0f}); {clean(budget.ended)}"
    if budget.estimated_minutes is not None:
        words += (
            f"; took {budget.used_minutes:.1f} minutes, estimated after the first trial as "
            f"{budget.estimated_minutes:.1f}"
        )
    if budget.needed_tokens is not None:
        words += f"; a whole search needs about {budget.needed_tokens:,.0f} tokens"
        if budget.needed_minutes is not None:
            words += f" or {max(0.1, budget.needed_minutes):.1f} minutes"
    return words


def trial_counts(document: Plan) -> str:
    """Say how many trials ran, and how each ended."""
    counts = Counter(state_word(trial) for trial in document.trials)
    words = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{len(document.trials)} trials" + (f" ({words})" if words else "")


def forecast_words(document: Plan) -> str | None:
    """Say the forecast of the user's own config; None where it was not made."""
    own = next((t for t in document.trials if not t.settings and t.forecast), None)
    if own is None:
        return None
    worst = max(own.forecast, key=lambda each: each.probability_lost)
    return clean(
        f"Your own config, forecast from a fifth of it: {worst.capability} changes by "
        f"{number(fall(worst.loss), signed=True)} {worst.unit} "
        f"({interval(fall(worst.high) or 0.0, fall(worst.low) or 0.0, signed=True)}), beyond what is accepted with a probability of "
        f"{percent(worst.probability_lost)}."
    )


def _protocol(document: Plan) -> list[str]:
    made = protocol_table(document)
    if document.protocol is None or made is None:
        return wrapped("Protocol: none; the base is the best that was found")
    lines = wrapped(f"Protocol: {document.protocol.num_steps:,} steps")
    return [*lines, *table_lines(made)]


def _forecast(document: Plan) -> list[str]:
    words = forecast_words(document)
    return [] if words is None else wrapped(words)


def _ablation(document: Plan) -> list[str]:
    if not document.ablation:
        return []
    head = "What each lever gained, nats per token on the items that choose"
    return [head, *table_lines(ablation_table(document))]


def _trials(document: Plan) -> list[str]:
    ordered = sorted(document.trials, key=trial_order)
    made = trials_table(document)
    lines = table_lines(replace(made, cells=made.cells[:_SHOWN_TRIALS]))
    for trial in ordered[:_SHOWN_TRIALS]:
        if trial.best is None and trial.reason:
            lines += wrapped(clean(f"  trial {trial.number}, {state_word(trial)}: {trial.reason}"))
    if len(ordered) > _SHOWN_TRIALS:
        lines.append(f"  and {len(ordered) - _SHOWN_TRIALS} more, in the report")
    return lines


def _closing(document: Plan) -> list[str]:
    lines = []
    for file in document.files:
        lacks = f" (not supported: {', '.join(file.lacks)})" if file.lacks else ""
        lines += wrapped(f"Written: {clean(file.name)}{clean(lacks)}")
    cost = document.cost
    lines += wrapped(
        f"Cost: {duration(cost.wall_seconds)}, {trial_counts(document)}, "
        f"{cost.tokens_backward:,} tokens trained, {cost.tokens_forward:,} scored"
    )
    lines += wrapped(f"Budget: {budget_words(document.budget)}")
    lines += caveat_lines(document.caveats)
    return lines
