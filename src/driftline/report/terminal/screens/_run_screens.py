"""First screens of planned and of finished training runs."""

import math
from collections.abc import Sequence

from ....metrics import has_perplexity
from ....results import Assessment, Plan, PlanBudget, TrainingRun
from ....results.readings import (
    CapabilityLoss,
    caveats_of_run,
    clean,
    fall,
    fall_interval,
    gain_sentence,
    held_losses,
    held_margins,
    in_points,
    in_tolerances,
    interval,
    loss_lead,
    metric_sign,
    module_ranks,
    number,
    percent,
    probability,
    rise_text,
    standing_caveats,
    verdict_word,
)
from ._screen import Screen

_NUM_NAMED = 3


def assessment_screen(assessment: Assessment) -> Screen:
    """Say what a planned run will lose, and what to do about it.

    Args:
        assessment: Of `assess` or of one of its parts.

    Returns:
        The screen, without a command.
    """
    shown = in_points(assessment)
    losses = held_losses(shown)
    return Screen(
        verdict_word(shown.verdict),
        _statement(shown, losses),
        _worst(losses) if losses else _tightest(shown),
        _advice(assessment),
        caveats=caveats_of_run(shown.caveats),
        num_standing=len(standing_caveats(shown.caveats)),
    )


def loss_sentence(loss: CapabilityLoss) -> str:
    """Say a forecast as a fall, with its interval and as a multiple of what is accepted."""
    unit = clean(loss.unit)
    text = (
        f"{clean(loss.capability)} changes by {number(fall(loss.loss), signed=True)} {unit} "
        f"({percent(loss.confidence_level)} interval {fall_interval(loss.low, loss.high)})"
    )
    if has_perplexity(loss.unit):
        text += f", perplexity {rise_text(loss.loss)}"
    times = in_tolerances(loss.loss, loss.tolerance)
    accepted = f"the {number(loss.tolerance)} that you accept to lose"
    if loss.loss <= 0 or times is None:
        return f"{text}; you accept {number(fall(loss.tolerance), signed=True)}"
    text = f"{text}: {times} {accepted}"
    return f"{text} (0.7 nats less halve a probability)" if unit.startswith("nats") else text


def _statement(assessment: Assessment, losses: Sequence[CapabilityLoss]) -> str:
    required = [loss for loss in losses if loss.required]
    lost = sum(loss.verdict == "lost" for loss in required)
    kept = sum(loss.verdict == "retained" for loss in required)
    undecided, num = len(required) - lost - kept, len(required)
    first = clean(assessment.reasons[0]) if assessment.reasons else ""
    if assessment.verdict == "safe" and required:
        return f"all {num} required capabilities are forecast to stay within what you accept{_odds(assessment)}"
    if lost:
        more = f"; {undecided} undecided" if undecided else ""
        return (
            f"{lost} of {num} required capabilities are forecast to lose more than you accept{more}"
        )
    if assessment.verdict == "unsafe":
        return f"some required capability will lose more than you accept{_odds(assessment)}"
    if assessment.verdict == "at_risk":
        return f"a required capability may lose more than you accept{_odds(assessment)}"
    ranks = module_ranks(assessment)
    if first or not ranks:
        return first or "nothing was judged"
    named = ", ".join(rank.label for rank in ranks[:_NUM_NAMED])
    return f"most fragile of {len(ranks)} modules: {named}"


def _odds(assessment: Assessment) -> str:
    """Say the probability of any loss, and the accepted one."""
    if assessment.probability_any_lost is None or assessment.risk is None:
        return ""
    chance = probability(assessment.probability_any_lost)
    return f" (P of any loss = {chance}, accepted {assessment.risk:g})"


def _worst(losses: Sequence[CapabilityLoss]) -> str:
    required = [loss for loss in losses if loss.required] or list(losses)
    worst = required[0]
    lead = "Worst: " if worst.loss > worst.tolerance else "Nearest to its limit: "
    return f"{lead}{loss_sentence(worst)}."


def _tightest(assessment: Assessment) -> str | None:
    paths = held_margins(assessment, "path")
    if not paths or paths[0].used_fraction is None:
        return None
    first = paths[0]
    at = (
        ""
        if first.critical_steps is None
        else f"; its limit comes at step {number(first.critical_steps)}"
    )
    used = percent(first.used_fraction)
    return f"Least margin: {clean(first.capability)}, of which the run uses {used}{at}."


def _advice(assessment: Assessment) -> str | None:
    """Say the one thing to do; the document has it, and the next step where it is safe."""
    advice = assessment.advice
    if advice is None:
        return None
    if advice.action == "train":
        return "train it, with the monitor on."
    return advice.sentence


def _needed(budget: PlanBudget) -> str:
    """Name the option that holds the whole search."""
    if budget.unit == "minutes" and budget.needed_minutes is not None:
        return f"--budget-minutes {math.ceil(max(1.0, budget.needed_minutes))}"
    return f"--budget-tokens {math.ceil(budget.needed_tokens or 0)}"


def plan_screen(document: Plan) -> Screen:
    """Say what a protocol gains and keeps.

    Returns:
        The screen, without a command.
    """
    document = in_points(document)
    # A margin that is not known has no limit: the base is not shown to have the capability.
    rows = [row for row in document.margins_left if row.left is not None]
    target, required = document.target, [row for row in rows if row.required]
    kept = sum(c.verdict == "non_inferior" for c in document.claims if c.required)
    needed = sum(c.required for c in document.claims)
    statement = "no protocol improved the target within the tolerances; keep the base model"
    if document.verdict == "inconclusive":
        statement = "; ".join(document.reasons)
    if document.protocol is not None:
        limits = interval(target.low, target.high, signed=True).strip("[]").replace(", ", " to ")
        statement = (
            f"the protocol gains {number(target.gain, signed=True)} {target.unit} on its own task "
            f"(limits {limits}) "
            f"and is shown to keep {kept} of {needed} required capabilities"
        )
    loss = None
    if document.protocol is not None and required:
        worst = max(
            required, key=lambda row: row.loss / row.tolerance if row.tolerance else row.loss
        )
        times = in_tolerances(worst.loss, worst.tolerance)
        more = (
            f", {times} the {number(worst.tolerance)} that you accept"
            if times and worst.loss > 0
            else ""
        )
        # The claim decides, and its limit is the wider one.
        at_worst = next(
            (c.loss_limit for c in document.claims if c.capability == worst.capability), None
        )
        limit = "" if at_worst is None else f" (at worst {number(fall(at_worst), signed=True)})"
        loss = (
            f"{loss_lead(worst.loss)}: {clean(worst.capability)} changes by {number(fall(worst.loss), signed=True)} "
            f"{clean(worst.unit)}{limit}{more}."
        )
    actions = {
        "pass": "train the protocol, then certify what comes out.",
        "fail": "keep the base, or accept more loss in the suite.",
        "inconclusive": "train the protocol and certify it on more items.",
    }
    action: str | None = actions[document.verdict]
    if document.budget.needed_tokens is not None and document.verdict != "pass":
        action = f"plan again with {_needed(document.budget)}."
    elif document.protocol is None and document.verdict == "inconclusive":
        action = "plan again with more items in the suite."
    return Screen(
        document.verdict.upper(), clean(statement), loss, action,
        caveats=caveats_of_run(document.caveats), num_standing=len(standing_caveats(document.caveats)),
    )  # fmt: skip


def training_screen(run: TrainingRun) -> Screen:
    """Say how a training run ended."""
    run = in_points(run)
    signs = {c.capability: metric_sign(c.metric) for c in run.capabilities}
    # Of a capability at which the base only guesses it is not known whether it is within.
    known = [
        (signs[c.capability] * c.change, c)
        for c in run.capabilities
        if c.change is not None and c.within_tolerance is not None
    ]
    known.sort(key=lambda pair: -pair[0] / pair[1].tolerance if pair[1].tolerance else -pair[0])
    loss = None
    if known:
        lost, course = known[0]
        times = in_tolerances(lost, course.tolerance) if lost > 0 else None
        more = f", {times} the {number(course.tolerance)} that you accept" if times else ""
        loss = (
            f"{loss_lead(lost)} at its end: {clean(course.capability)} changes by "
            f"{number(fall(lost), signed=True)} {clean(course.unit)}{more}."
        )
    if run.target is not None:
        loss = f"{loss or ''} Its gain: {gain_sentence(run.target)}.".strip()
    actions = {
        "no_alarm": "certify the model before you ship it; the monitor's items are few.",
        "unsafe": "do not ship it; plan a milder protocol, or repair this one.",
        "inconclusive": "read the alarms, then certify what was kept."
        if run.alarms
        else "certify it before you use it; plan a milder protocol for what is lost.",
    }
    first = clean(run.reasons[0]) if run.reasons else f"{run.num_steps} steps"
    return Screen(
        verdict_word(run.verdict), first, loss, actions.get(run.verdict),
        caveats=caveats_of_run(run.caveats), num_standing=len(standing_caveats(run.caveats)),
    )  # fmt: skip
