"""The document of `verify`, and how it reads."""

from driftline.report.terminal import verification_summary
from driftline.results import Verification, VerificationCheck

PASSED = VerificationCheck(name="signature", status="passed", message="by key abc")
SKIPPED = VerificationCheck(name="tuned", status="skipped", message="no files were given")
FAILED = VerificationCheck(
    name="claims", status="failed", message="2 faults, below", faults=("one\x1b[2J", "two")
)


def found(*checks, verdict="pass"):
    return Verification(
        verdict=verdict,
        certified_verdict="pass",
        key_id="ab" * 32,
        issued="2026-06-01T12:00:00+00:00",
        expires="2026-07-01T12:00:00+00:00",
        checks=checks,
    )


def test_it_is_read_back_as_it_was_written():
    one = found(PASSED, FAILED, verdict="fail")
    assert '"schema": "driftline/verification/1"' in one.to_json()
    assert Verification.from_json(one.to_json()) == one


def test_a_pass_says_whether_the_weights_were_looked_at():
    text = " ".join(verification_summary(found(PASSED, SKIPPED)).split())
    assert text.startswith("PASS: certified as non-inferior to its base; signed by abababab")
    assert "which weights these are was not checked" in text
    tuned = SKIPPED.model_copy(update={"status": "passed"})
    assert "not checked" not in verification_summary(found(PASSED, tuned))


def test_a_failed_check_comes_first_with_all_its_faults():
    text = verification_summary(found(PASSED, FAILED, SKIPPED, verdict="fail"))
    assert text.startswith("REFUSED: claims: one")
    assert "- two" in text
    assert "\x1b" not in text


def test_other_verdicts_are_not_called_a_pass():
    assert verification_summary(found(PASSED, verdict="fail")).startswith("FAIL: certified")
    assert verification_summary(found(PASSED, verdict="inconclusive")).startswith("INCONCLUSIVE:")
