"""A verification in words, for a terminal."""

from ...results import Verification
from ...results.readings import clean
from ._columns import aligned, wrapped


def verification_summary(document: Verification) -> str:
    """Render a verification for a terminal, without colour."""
    failed = [check for check in document.checks if check.status == "failed"]
    lines = wrapped(clean(verification_headline(document)))
    rows = [(check.name, check.status, clean(check.message)) for check in document.checks]
    lines += ["", *aligned(rows, numeric=())]
    for check in failed:
        lines += ["", f"{check.name}:"]
        for fault in check.faults:
            lines += wrapped(f"- {clean(fault)}")
    return "\n".join(lines) + "\n"


def verification_headline(document: Verification) -> str:
    """Write the first line: the verdict's word, a colon, and why."""
    failed = [check for check in document.checks if check.status == "failed"]
    if failed:
        also = f"; {len(failed) - 1} more checks failed" if len(failed) > 1 else ""
        return f"REFUSED: {failed[0].name}: {failed[0].faults[0]}{also}"
    signed = f"signed by {document.key_id[:16]}, expires {document.expires}"
    said = {
        "pass": "PASS: certified as non-inferior to its base",
        "fail": "FAIL: certified as inferior to its base",
        "inconclusive": "INCONCLUSIVE: certified as neither retained nor lost",
    }[document.verdict]
    are_known = any(c.name == "tuned" and c.status == "passed" for c in document.checks)
    weights = "" if are_known else "; which weights these are was not checked"
    num = document.num_left_out
    left = f"; {num:,} items that chose the model are in no claim" if num else ""
    return f"{said}; {signed}{left}{weights}"
