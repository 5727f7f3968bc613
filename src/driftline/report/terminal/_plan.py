"""A plan as plain text."""

from collections import Counter
from collections.abc import Sequence

from ...results import LeverSetting, Plan, PlanBudget, PlanLook, PlanTrial
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    clean,
    duration,
    fall,
    in_points,
    interval,
    number,
    percent,
)
from ._columns import aligned, caveat_lines, wrapped

_STATE_WORDS = {
    "finished": "finished",
    "stopped": "dropped early",
    "failed": "failed",
    "out of budget": "out of budget",
}
_SHOWN_TRIALS = 12
"""In a terminal; the report has all."""


def plan_summary(document: Plan) -> str:
    """Render a plan for a terminal, without colour.

    Args:
        document: Document to describe.

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
        ["On items that chose nothing", *_margins(document)] if document.margins_left else [],
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


def setting_words(settings: Sequence[LeverSetting]) -> str:
    """List the levers that a protocol sets, in one line."""
    if not settings:
        return "as your config has it"
    return clean(", ".join(f"{s.lever} {s.value}" for s in settings))


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
    counts = Counter(trial.state for trial in document.trials)
    words = ", ".join(f"{count} {_STATE_WORDS[state]}" for state, count in counts.items())
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


def trial_order(trial: PlanTrial) -> tuple[bool, float, float]:
    """Return a sort key: the best trials first, incomplete ones last."""
    best = trial.best
    if best is None:
        return (True, 0.0, 0.0)
    return (False, best.excess, -(best.target_gain if best.merit is None else best.merit))


def scale_word(look: PlanLook) -> str:
    """Format the scale of an update."""
    return "in parts" if look.parts else f"{look.scale:g}"


def _protocol(document: Plan) -> list[str]:
    if document.protocol is None:
        return wrapped("Protocol: none; the base is the best that was document")
    lines = wrapped(f"Protocol: {document.protocol.num_steps:,} steps")
    rows = [
        (f"{s.lever}", s.value, f"(your config: {s.plain})") for s in document.protocol.settings
    ]
    if not rows:
        return [*lines, "  as your config has it"]
    return [*lines, *aligned([tuple(map(clean, row)) for row in rows], numeric=())]


def _forecast(document: Plan) -> list[str]:
    words = forecast_words(document)
    return [] if words is None else wrapped(words)


def _margins(document: Plan) -> list[str]:
    verdicts = {claim.capability: claim.verdict for claim in document.claims}
    rows = [("capability", "change", "at worst", "accepted", "margin left", "claim")]
    rows += [
        (
            clean(row.capability) + ("" if row.required else " (watched)"),
            number(fall(row.loss), signed=True),
            number(fall(row.loss_limit), signed=True),
            number(fall(row.tolerance), signed=True),
            percent(row.left),
            CLAIM_WORDS[verdicts[row.capability]],
        )
        for row in document.margins_left
    ]
    return aligned(rows, numeric=range(1, 5))


def _ablation(document: Plan) -> list[str]:
    if not document.ablation:
        return []
    rows = [("lever", "value", "plain", "gain with", "without", "bought", "")]
    rows += [
        (
            clean(row.lever),
            clean(row.value),
            clean(row.plain),
            number(row.gain_with),
            number(row.gain_without),
            number(row.bought, signed=True),
            "dropped" if row.was_dropped else clean(row.reason or ""),
        )
        for row in document.ablation
    ]
    head = "What each lever gained, nats per token on the items that choose"
    return [head, *aligned(rows, numeric=(3, 4, 5))]


def _trials(document: Plan) -> list[str]:
    ordered = sorted(document.trials, key=trial_order)
    rows = [("trial", "gain", "worst change", "scale", "state", "protocol")]
    for trial in ordered[:_SHOWN_TRIALS]:
        best = trial.best
        state = trial.state if best is None or best.meets_constraint else "over a tolerance"
        rows.append((
            str(trial.number),
            DASH if best is None else number(best.target_gain),
            DASH if best is None else number(fall(best.worst_loss), signed=True),
            DASH if best is None else scale_word(best),
            state,
            setting_words(trial.settings),
        ))  # fmt: skip
    lines = aligned(rows, numeric=(0, 1, 2, 3))
    for trial in ordered[:_SHOWN_TRIALS]:
        if trial.best is None and trial.reason:
            lines += wrapped(clean(f"  trial {trial.number}, {trial.state}: {trial.reason}"))
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
