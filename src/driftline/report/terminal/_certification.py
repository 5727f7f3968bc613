"""A certification as plain text."""

from ...results import CapabilityClaim, Certification, Flip, RecoveryProbe
from ...results.readings import (
    CLAIM_WORDS,
    DASH,
    PerplexityRow,
    clean,
    duration,
    in_points,
    number,
    percent,
    perplexity_lines,
)
from ..tables import claims_table, pvalue_text
from ._columns import caveat_lines, table_lines, wrapped

NUM_FLIPS = 5
"""Items that are named of each kind; the document has all."""


def certification_summary(document: Certification) -> str:
    """Render a certification for a terminal, without colour.

    Returns:
        Text of lines up to about 100 characters, but for long names: the verdict, both claims, a
        row a capability, why what is inconclusive is so, the items that flipped, what was checked,
        the cost, numbered caveats. It ends in a newline.
    """
    document = in_points(document)
    blocks = [
        wrapped(f"{document.verdict.upper()}: {_headline(document)}"),
        _table(document),
        _claims(document),
        [
            line
            for claim in document.claims
            if claim.reason
            for line in wrapped(f"{clean(claim.capability)} is inconclusive: {clean(claim.reason)}")
        ],
        [line for claim in document.claims for line in _flips(claim)],
        _probes(document),
        _closing(document),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def outcome_sentence(document: Certification) -> str:
    """State the outcome in one sentence, without the verdict's word and names of models."""
    if document.verdict == "pass" and document.guards.tuned_is_base:
        return "identical: the tuned weights are the base's, bit for bit"
    if document.verdict == "pass":
        return f"all {document.suite_claim.num_required} required capabilities are retained"
    return clean(document.suite_claim.reason or "")


def _headline(document: Certification) -> str:
    base, tuned = (clean(s.source) for s in (document.provenance.base, document.provenance.tuned))
    return f"{outcome_sentence(document)} ({tuned}, tuned from {base})"


def _table(document: Certification) -> list[str]:
    said = perplexity_lines(
        PerplexityRow(c.capability, c.unit, c.base, c.change, high=c.loss_limit, tolerance=c.margin)
        for c in document.claims
    )
    lines = table_lines(claims_table(document.claims))
    return [*lines, *(part for line in said for part in wrapped(f"  {line}", indent="    "))]


def _claims(document: Certification) -> list[str]:
    suite, alpha = document.suite_claim, document.provenance.alpha
    kept = [clean(c.capability) for c in document.claims if c.adjusted_verdict == "non_inferior"]
    lines = wrapped(
        f"Claim 1, {suite.claim}: {CLAIM_WORDS[suite.verdict]}, p = {pvalue_text(suite.pvalue)}; each of "
        f"{suite.num_required} at alpha = {alpha:g} (intersection-union)"
    )
    policy = document.provenance.policy
    if policy is not None:
        lines += wrapped(f"Policy: {clean(policy.name)}, {policy.digest}")
    return lines + wrapped(
        f"Claim 2, each capability by itself: {', '.join(kept) or 'none'} retained; Holm over "
        f"{len(document.claims)} claims at alpha = {alpha:g}"
    )


def _items_used(claim: CapabilityClaim) -> str:
    use = claim.sequential
    assert use is not None
    return f"{claim.num_items:,}, {use.num_scored:,}, {use.num_available:,}"


def _flips(claim: CapabilityClaim) -> list[str]:
    flips = claim.flips
    if flips is None or not (flips.lost or flips.gained):
        return []
    head = f"{clean(claim.capability)}: {len(flips.lost)} lost, {len(flips.gained)} gained"
    if flips.chance_adjusted_loss is not None:
        head += f"; lost beyond guessing {_points(flips.chance_adjusted_loss)}"
    lines = wrapped(head)
    for kind, items in (("lost", flips.lost), ("gained", flips.gained)):
        for flip in items[:NUM_FLIPS]:
            lines += wrapped(f"  {kind} {_flip(flip, kind)}", indent="      ")
        if len(items) > NUM_FLIPS:
            lines.append(f"  {kind} {len(items) - NUM_FLIPS:,} more, in the document")
    return lines


def _flip(flip: Flip, kind: str) -> str:
    text = clean(flip.id)
    if flip.right is None:
        return text
    right = repr(clean(flip.right))
    wrong = "a wrong one" if flip.wrong is None else repr(clean(flip.wrong))
    before, after = (right, wrong) if kind == "lost" else (wrong, right)
    return f"{text}: {before} became {after}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


def _probes(document: Certification) -> list[str]:
    """Say what the recovery probe found for each loss."""
    return [
        line
        for probe in document.recovery or ()
        for line in wrapped(f"Recovery probe, {recovery_sentence(probe)}", indent="  ")
    ]


def recovery_sentence(probe: RecoveryProbe) -> str:
    """Describe the recovery probe of one lost capability."""
    name, shots = clean(probe.capability), probe.num_shots
    if probe.finding == "inconclusive":
        return f"{name}: inconclusive: {clean(probe.reason or '')}"
    moved = f"{number(probe.base)} to {number(probe.tuned)} behind {shots} solved examples"
    plain = f"{number(probe.base_plain)} to {number(probe.tuned_plain)} without"
    if probe.finding == "access":
        return f"{name}: within the margin again ({moved}; {plain}): a loss of access or format"
    return f"{name}: lost there too ({moved}; {plain}): not a matter of format alone"


def _closing(document: Certification) -> list[str]:
    guards, cost = document.guards, document.cost
    floors = [n.largest_difference for n in guards.noise if n.largest_difference is not None]
    noise = f"at most {number(max(floors))}" if floors else DASH
    lines = wrapped(
        f"Checked: scores of {guards.num_items_moved:,} of {guards.num_items:,} items moved; base "
        f"scored again in other batches, an item moved {noise}; tokenizer: {guards.tokenizer}"
    )
    used = [c for c in document.claims if c.sequential is not None]
    if used:
        said = (f"{clean(c.capability)} {_items_used(c)}" for c in used)
        lines += wrapped(f"Items until the decision, scored, of all: {', '.join(said)}")
    flips = [c for c in document.claims if c.base_accuracy is not None and c.chance is not None]
    if flips:
        said = (
            f"{clean(c.capability)} {percent(c.base_accuracy)} ({percent(c.chance)})" for c in flips
        )
        lines += wrapped(f"Base accuracy (chance): {', '.join(said)}")
    lines += wrapped(f"Cost: {duration(cost.wall_seconds)}, {cost.tokens_forward:,} tokens forward")
    lines += caveat_lines(document.caveats)
    return lines
