"""Does a certificate hold, and for these files? What `verify` returns and writes."""

from typing import Literal

from pydantic import Field

from ._document import Document, Value
from ._readings import clean
from ._summary import aligned, wrapped

CheckName = Literal[
    "envelope", "signature", "payload", "validity", "tuned", "base", "manifest", "suites",
    "policy", "claims",
]  # fmt: skip
"""In the order in which they are made. The first three must pass before anything else is read."""


class VerificationCheck(Value):
    """One check of a certificate."""

    name: CheckName
    status: Literal["passed", "failed", "skipped"]
    message: str
    """What was found, or why it was not looked at."""
    faults: tuple[str, ...] = ()
    """Every reason for which it failed."""


class Verification(Document):
    """The document of `verify`."""

    schema_: Literal["driftline/verification/1"] = Field(
        default="driftline/verification/1", alias="schema"
    )
    verdict: Literal["pass", "fail", "inconclusive"]
    """fail: a check failed, or so the model was certified. Else what was certified."""
    certified_verdict: Literal["pass", "fail", "inconclusive"] | None
    """None where the certificate is not authentic, so that nothing it says counts."""
    key_id: str
    """SHA-256 of the public key that was trusted, in DER, in hex."""
    issued: str | None
    """ISO 8601, UTC; None likewise."""
    expires: str | None
    checks: tuple[VerificationCheck, ...]


def verification_summary(found: Verification) -> str:
    """A verification for a terminal, without colour.

    Args:
        found: What to put in words.

    Returns:
        Text of lines up to about 100 characters, ending in a newline.
    """
    failed = [check for check in found.checks if check.status == "failed"]
    lines = wrapped(clean(_headline(found, failed)))
    rows = [(check.name, check.status, clean(check.message)) for check in found.checks]
    lines += ["", *aligned(rows, numeric=())]
    for check in failed:
        lines += ["", f"{check.name}:"]
        for fault in check.faults:
            lines += wrapped(f"- {clean(fault)}")
    return "\n".join(lines) + "\n"


def _headline(found: Verification, failed: list[VerificationCheck]) -> str:
    if failed:
        also = f"; {len(failed) - 1} more checks failed" if len(failed) > 1 else ""
        return f"REFUSED: {failed[0].name}: {failed[0].faults[0]}{also}"
    signed = f"signed by {found.key_id[:16]}, expires {found.expires}"
    said = {
        "pass": "PASS: certified as non-inferior to its base",
        "fail": "FAIL: certified as inferior to its base",
        "inconclusive": "INCONCLUSIVE: certified as neither retained nor lost",
    }[found.verdict]
    are_known = any(c.name == "tuned" and c.status == "passed" for c in found.checks)
    weights = "" if are_known else "; which weights these are was not checked"
    return f"{said}; {signed}{weights}"
