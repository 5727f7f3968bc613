"""What pages about a search share of its claims."""

from driftline.report.pages._search_claims import claim_reasons

from ...results.plan_sample import build_plan


def test_a_sentence_stands_once_and_a_claim_without_a_reason_says_nothing():
    claim = build_plan().claims[0]
    with_reason = claim.model_copy(update={"capability": "code", "reason": "too few"})
    without = claim.model_copy(update={"reason": None})
    assert claim_reasons([with_reason, without, with_reason]) == ("code: too few",)
