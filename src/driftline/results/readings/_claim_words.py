"""The verdict of a claim in one word."""

from ...verdicts import ClaimVerdict

CLAIM_WORDS: dict[ClaimVerdict, str] = {
    "non_inferior": "retained",
    "inferior": "LOST",
    "inconclusive": "inconclusive",
}
