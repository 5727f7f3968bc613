"""A certification as one HTML file: claims, flips, digests, and how to verify it."""

from collections.abc import Iterator

from ...results import Certification, Subject
from ...results.readings import DASH, clean, duration, fall, in_points, number, percent
from ..tables import ReportTable, columns, pvalue_text, table
from ..terminal import certification_screen, recovery_sentence
from ._claims import claim_figures, claims_with_reasons, flip_table, ways_out
from ._page import Head, page
from ._provenance import provenance_table


def render_certification(document: Certification) -> str:
    """Write a certification as a page in the order of every page."""
    shown = in_points(document)
    p = shown.provenance
    head = Head(
        shown,
        title="Certification of a tuned model",
        screen=certification_screen(document),
        facts=(
            ("tuned", _subject(p.tuned)),
            ("base", _subject(p.base)),
            ("suites", ", ".join(clean(suite.name) for suite in p.suites)),
        ),
        tiles=tuple(_tiles(shown)),
        cost=(
            f"{duration(shown.cost.wall_seconds)}, {shown.cost.tokens_forward:,} tokens forward",
        ),
        provenance=_provenance_table(shown),
    )
    return page(
        "_certification.html.j2",
        head,
        figures=tuple(claim_figures(shown.claims)),
        claims=claims_with_reasons(shown.claims),
        suite_claim=_suite_claim(shown),
        flips=[
            (_flip_words(claim.capability, made, claim.flips.chance_adjusted_loss), made)
            for claim in shown.claims
            if claim.flips is not None and (made := flip_table(claim)) is not None
        ],
        recovery=[recovery_sentence(probe) for probe in shown.recovery or ()],
        left=_left_table(shown),
        checks=_checks_table(shown),
        ways=ways_out(shown.claims, shown.provenance.alpha),
        digests=_digest_table(shown),
        is_log=p.tuned.kind == "log",
    )


def _tiles(document: Certification) -> Iterator[tuple[str, str, str]]:
    required = [claim for claim in document.claims if claim.required]
    for word, verdict in (
        ("retained", "non_inferior"),
        ("lost", "inferior"),
        ("undecided", "inconclusive"),
    ):
        count = sum(claim.verdict == verdict for claim in required)
        yield word, f"{count} of {len(required)}", "required capabilities"
    yield "alpha", f"{document.provenance.alpha:g}", "largest chance that a lost capability passes"


def _subject(subject: Subject) -> str:
    revision = f", revision {clean(subject.revision)}" if subject.revision else ""
    return f"{clean(subject.source)} ({subject.kind}{revision})"


def _suite_claim(document: Certification) -> str:
    claim = document.suite_claim
    if claim.pvalue is None:
        return (
            f"All {claim.num_required} required capabilities together: no p-value, because "
            "at least one of them has none; the notes below say why"
        )
    return (
        f"All {claim.num_required} required capabilities together: p = {pvalue_text(claim.pvalue)} "
        f"(intersection-union, alpha {document.provenance.alpha:g})"
    )


def _flip_words(name: str, made: ReportTable, beyond: float | None) -> str:
    lost = sum(row[0] == "lost" for row in made.rows)
    text = f"{clean(name)}: {lost} lost, {len(made.rows) - lost} gained"
    return text if beyond is None else f"{text} (lost beyond guessing: {100 * beyond:+.1f} points)"


def _left_table(document: Certification) -> ReportTable:
    return table(
        columns("capability; at worst #; accepted #; unit; margin left #"),
        (
            (
                claim.capability,
                number(fall(claim.loss_limit), signed=True),
                number(fall(claim.margin), signed=True),
                claim.unit,
                percent(None if claim.loss_limit is None else 1 - claim.loss_limit / claim.margin),
            )
            for claim in document.claims
        ),
    )


def _checks_table(document: Certification) -> ReportTable:
    guards = document.guards
    floors = [n.largest_difference for n in guards.noise if n.largest_difference is not None]
    rows = [
        ("weights", "equal, bit for bit" if guards.tuned_is_base else "different"),
        ("items whose scores moved", f"{guards.num_items_moved:,} of {guards.num_items:,}"),
        (
            "base scored again in other batches",
            f"an item moved {number(max(floors))} at most" if floors else DASH,
        ),
        ("tokenizer", guards.tokenizer),
        ("copies left out", f"{sum(len(e.left_out) for e in guards.equal_items):,}"),
    ]
    rows += [
        (
            f"base accuracy of {c.capability}",
            f"{percent(c.base_accuracy)}, a guess {percent(c.chance)}",
        )
        for c in document.claims
        if c.base_accuracy is not None and c.chance is not None
    ]
    return table([("check", "text"), ("finding", "text")], rows)


def _digest_table(document: Certification) -> ReportTable:
    p = document.provenance
    rows = [
        (f"{side}: {file.name}", file.digest)
        for side, subject in (("tuned", p.tuned), ("base", p.base))
        for file in subject.files
    ]
    if p.tuned_digest is not None:
        rows.append(("tuned weights as they were scored", p.tuned_digest))
    rows += [(f"suite: {suite.name}", suite.digest) for suite in p.suites]
    if p.policy is not None:
        rows.append((f"policy: {p.policy.name}", p.policy.digest))
    return table([("file", "text"), ("digest", "code")], rows)


def _provenance_table(document: Certification) -> ReportTable:
    p = document.provenance
    numerics = (
        "none: logs of another tool"
        if p.numerics is None
        else f"{p.numerics.compute_dtype} on {p.numerics.device}"
    )
    rows = [
        ("command", f"{p.command}, alpha {p.alpha:g}, seed {p.seed}"),
        ("numerics", numerics),
    ]
    return provenance_table(rows, p, document.schema_)
