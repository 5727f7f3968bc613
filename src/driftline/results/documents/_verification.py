"""Does a certificate hold, and for these files? What `verify` returns and writes."""

from typing import Literal

from pydantic import Field

from ...verdicts import TestVerdict
from ..parts import Document, Value

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
    """Finding, or the reason why this was not checked."""
    faults: tuple[str, ...] = ()
    """Every reason for which it failed."""


class Verification(Document):
    """The document of `verify`."""

    schema_: Literal["driftline/verification/1"] = Field(
        default="driftline/verification/1", alias="schema"
    )
    verdict: Literal["pass", "fail", "inconclusive", "refused"]
    """`refused`: a check failed. Else what was certified."""
    certified_verdict: TestVerdict | None
    """None where the certificate is not authentic, so that nothing it says counts."""
    key_id: str
    """SHA-256 of the public key that was trusted, in DER, in hex."""
    issued: str | None
    """ISO 8601, UTC; None where the certificate is not authentic."""
    expires: str | None
    num_left_out: int = 0
    """Items of the suites that are in no claim, because they chose the model; 0 where it is not authentic."""
    checks: tuple[VerificationCheck, ...]
