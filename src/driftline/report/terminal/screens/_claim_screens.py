"""First screens of what compares two models, and of what judges nothing."""

from collections.abc import Sequence

from ....results import (
    CapabilityClaim,
    CapabilityScore,
    Certification,
    Repair,
    SampleSize,
    Scores,
    SuitePower,
    Verification,
    WeightDiff,
)
from ....results.readings import (
    caveats_of_run,
    clean,
    fall,
    in_points,
    in_tolerances,
    interval,
    loss_lead,
    number,
    percent,
    shown_amount,
    shown_change,
    standing_caveats,
    way_out,
    weight_diff_headline,
)
from .._columns import aligned
from .._repair import repair_headline
from .._verification import verification_headline
from ._screen import Screen

_NUM_ROWS = 6


def claims_sentence(claims: Sequence[CapabilityClaim]) -> str | None:
    """Name the required capability that lost most, relative to what is accepted, of those that were tested.

    Args:
        claims: In the unit that is shown.

    Returns:
        One sentence; None without claims.
    """
    if not claims:
        return None
    request = [c for c in claims if c.required] or list(claims)
    request = [c for c in request if c.low is not None or c.high is not None] or request
    worst = max(request, key=lambda c: _loss(c) / c.margin)
    change = shown_change(worst.change, higher_is_better=worst.higher_is_better)
    limit = (
        ""
        if worst.loss_limit is None
        else f" (at worst {number(fall(worst.loss_limit), signed=True)})"
    )
    text = (
        f"{loss_lead(_loss(worst))}: {clean(worst.capability)} changes by {number(change, signed=True)} "
        f"{clean(worst.unit)}{limit}"
    )
    times = in_tolerances(_loss(worst), worst.margin) if _loss(worst) > 0 else None
    accepted = f"{times} the {number(worst.margin)} that you accept" if times else ""
    return f"{text}{f', {accepted}' if accepted else ''}."


def _loss(claim: CapabilityClaim) -> float:
    return -claim.change if claim.higher_is_better else claim.change


def certification_screen(document: Certification) -> Screen:
    """Say whether a tuned model keeps what its base could do."""
    shown = in_points(document)
    required = [c for c in shown.claims if c.required]
    kept = sum(c.verdict == "non_inferior" for c in required)
    lost = [clean(c.capability) for c in required if c.verdict == "inferior"]
    open_ = [c for c in required if c.verdict == "inconclusive"]
    statement = f"{kept} of {len(required)} required capabilities are retained"
    if document.guards.tuned_is_base:
        statement = "identical: the tuned weights are the base's, bit for bit"
    elif lost:
        statement += f"; lost: {', '.join(lost)}"
    if open_:
        statement += f"; {len(open_)} undecided"
    action = "sign the certificate, and ship it with the model."
    if document.guards.tuned_is_base:
        action = "give the tuned model: this one is the base, so nothing was tested."
    if lost:
        action = "give the loss back with `driftline repair`, or tune again with a milder protocol."
    elif open_:
        action = "settle what is undecided. " + (way_out(open_[0], document.provenance.alpha) or "")
    elif not required:
        action = "mark a capability `required: true`, so that there is something to claim."
    return Screen(
        shown.verdict.upper(), statement, claims_sentence(shown.claims), action,
        caveats=caveats_of_run(shown.caveats), num_standing=len(standing_caveats(shown.caveats)),
    )  # fmt: skip


def repair_screen(document: Repair) -> Screen:
    """Say what scaling the update gave back."""
    shown = in_points(document)
    actions = {
        "pass": "certify the repaired model on the items that did not choose, or on others.",
        "fail": "tune again with a milder protocol: `driftline plan` searches one.",
        "inconclusive": "certify the repaired model on more items.",
    }
    return Screen(
        shown.verdict.upper(), repair_headline(shown), claims_sentence(shown.claims),
        actions[document.verdict],
        caveats=caveats_of_run(shown.caveats), num_standing=len(standing_caveats(shown.caveats)),
    )  # fmt: skip


def weight_diff_screen(diff: WeightDiff) -> Screen:
    """Say where the update went."""
    word, _, rest = weight_diff_headline(diff).partition(": ")
    moved = max(
        (g for g in diff.by_role if g.share is not None), key=lambda g: g.share or 0.0, default=None
    )
    told = None
    if moved is not None and diff.changes:
        told = f"Largest part: {clean(moved.role or '')} holds {percent(moved.share)} of the squared change."
    action = "measure what the change costs: weights alone do not say it."
    if diff.not_finite:
        action = "do not use these weights: some hold NaN or infinity."
    elif diff.merge is not None and diff.merge.verdict == "fail":
        action = "merge the adapter again, into the base that it was trained on."
    return Screen(
        word, rest, told, action if diff.changes or diff.not_finite or diff.merge else None,
        caveats=caveats_of_run(diff.caveats), num_standing=len(standing_caveats(diff.caveats)),
    )  # fmt: skip


def scores_screen(document: Scores) -> Screen:
    """Say what one model can do."""
    shown = in_points(document)
    empty = [s for s in shown.scores if s.nothing_to_lose is not None]
    num = len(shown.scores)
    model = clean(shown.provenance.model.source)
    statement = f"{num} {'capabilities' if num != 1 else 'capability'} of {model} scored"
    action = None
    if empty:
        names = ", ".join(clean(s.capability) for s in empty)
        statement += f"; {len(empty)} with nothing to lose: {names}"
        action = "give items that this model can answer, or mark these `required: false`."
    return Screen(
        None, statement, None, action, rows=_score_rows(shown.scores),
        caveats=caveats_of_run(shown.caveats), num_standing=len(standing_caveats(shown.caveats)),
    )  # fmt: skip


def _score_rows(scores: Sequence[CapabilityScore]) -> tuple[str, ...]:
    rows = [
        (clean(s.capability), number(s.value), interval(s.low, s.high), clean(s.unit))
        for s in scores[:_NUM_ROWS]
    ]
    lines = aligned(rows, numeric=(1, 2)) if rows else []
    left = len(scores) - len(rows)
    if left:
        lines[-1:] = [f"  and {left + 1} more: -v"]
    return tuple(lines)


def suite_power_screen(document: SuitePower) -> Screen:
    """Say which capabilities a certification can settle with these items."""
    shown = in_points(document)
    few = [row for row in shown.capabilities if not row.has_enough]
    num = len(shown.capabilities)
    statement = (
        f"{clean(shown.suite.name)}: {num - len(few)} of {num} capabilities have enough items to be "
        f"certified at their tolerance"
    )
    rows = [
        (
            clean(row.capability),
            f"has {row.num_items:,} items",
            "no number is enough: " + clean(row.reason)[:60]
            if row.reason
            else "needs more than 10,000,000"
            if row.num_items_needed is None
            else f"needs {row.num_items_needed:,}",
        )
        for row in few[:_NUM_ROWS]
    ]
    lines = aligned(rows, numeric=()) if rows else []
    if len(few) > _NUM_ROWS:
        lines.append(f"  and {len(few) - _NUM_ROWS} more: -v")
    action = "add items, or accept more loss, where a capability lacks them." if few else None
    return Screen(
        None, statement, None, action, rows=tuple(lines),
        caveats=caveats_of_run(shown.caveats), num_standing=len(standing_caveats(shown.caveats)),
    )  # fmt: skip


def sample_size_screen(document: SampleSize) -> Screen:
    """Say how many items a certificate needs."""
    largest = max(claim.num_items for claim in document.claims)
    margin = (
        f"{100 * document.margin:g} points"
        if document.discordance is not None
        else shown_amount(document.margin, document.unit)
    )
    names = {
        "one": "one capability is kept",
        "all": "all are kept, in one claim",
        "each": "each is kept",
    }
    rows = aligned(
        [
            (names[c.claim], f"{c.num_items:,} items", f"power {c.power:.1%}")
            for c in document.claims
        ],
        numeric=(1, 2),
    )
    statement = (
        f"{largest:,} items a capability show that {clean(document.metric)} has lost less than {margin}, with a "
        f"chance of {document.power:.0%}{', if items vary as measured on SmolLM2-135M' if document.is_measured else ''}"
    )
    return Screen(
        None, statement, rows=tuple(rows),
        caveats=caveats_of_run(document.caveats), num_standing=len(standing_caveats(document.caveats)),
    )  # fmt: skip


def verification_screen(document: Verification) -> Screen:
    """Say whether a certificate holds for these files."""
    word, _, rest = verification_headline(document).partition(": ")
    by_status = {
        status: [c for c in document.checks if c.status == status]
        for status in ("passed", "failed", "skipped")
    }
    counted = ", ".join(f"{len(checks)} {status}" for status, checks in by_status.items() if checks)
    rows = [f"  {c.name}: {clean(fault)}" for c in by_status["failed"] for fault in c.faults]
    rows += [f"  {c.name}: {clean(c.message)}" for c in by_status["passed"]]
    rows += [f"  {c.name} skipped: {clean(c.message)}" for c in by_status["skipped"]]
    action = "do not rely on this certificate." if by_status["failed"] else None
    return Screen(word, clean(rest), f"Checks: {counted}.", action, rows=tuple(rows))
