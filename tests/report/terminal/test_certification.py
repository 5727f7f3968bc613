"""A certification in words."""

from driftline.report.terminal import certification_summary
from driftline.report.terminal._certification import recovery_sentence
from driftline.results import CertificationPolicy, PolicyRule, RecoveryProbe, SequentialUse

from ...results.certification_sample import KEPT, build_certification


def test_the_verdict_comes_first_and_both_claims_are_named():
    text = certification_summary(build_certification())
    assert text.startswith("INCONCLUSIVE: neither retained nor lost: bad")
    assert "Claim 1, all required capabilities retained: inconclusive, p = –" in text
    assert "Claim 2, each capability by itself: facts retained; Holm over 2 claims" in text
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 110


def test_a_row_says_the_largest_loss_beside_the_margin():
    (row,) = (
        line
        for line in certification_summary(build_certification()).splitlines()
        if line.startswith("  facts")
    )
    cells = row.split()
    assert cells[1:] == ["1,200", "0.900", "0.895", "-0.00500", "-0.0140", "-0.0200", "0.0040",
                         "0.0080", "retained"]  # fmt: skip


def test_what_is_only_watched_is_marked():
    watched = KEPT.model_copy(update={"required": False})
    assert "facts (watched)" in certification_summary(build_certification(watched))


def test_flips_are_named_and_capped():
    text = certification_summary(build_certification())
    assert "facts: 9 lost, 1 gained; lost beyond guessing +0.4 points" in text
    assert "lost item-0: ' Paris' became a wrong one" in text
    assert "lost 4 more, in the document" in text
    assert "item-7" not in text
    assert "gained won: ' Bern' became ' Rome'" in text


def test_nothing_in_it_can_steer_a_terminal():
    text = certification_summary(build_certification())
    assert "bad\N{REPLACEMENT CHARACTER}[31mname is inconclusive: 12 independent items" in text
    assert not any(not c.isprintable() for line in text.splitlines() for c in line)


def test_caveats_are_numbered():
    text = certification_summary(build_certification())
    assert "[1] The first caveat." in text
    assert "[2] The second" in text


def probe(**changes):
    fields = {
        "capability": "facts\x1b[2J", "finding": "access", "reason": None, "num_shots": 4,
        "num_items": 90, "unit": "share of items", "base_plain": 0.9, "tuned_plain": 0.5,
        "base": 0.88, "tuned": 0.87, "low": -0.05, "high": 0.01, "margin": 0.1, **changes,
    }  # fmt: skip
    return RecoveryProbe(**fields)


def test_a_recovery_probe_is_said_in_words():
    assert recovery_sentence(probe()) == (
        "facts\N{REPLACEMENT CHARACTER}[2J: within the margin again (0.880 to 0.870 behind 4 solved "
        "examples; 0.900 to 0.500 without): a loss of access or format"
    )
    assert ": lost there too (" in recovery_sentence(probe(finding="persists"))
    unasked = probe(finding="inconclusive", reason="too\x07 long", base=None, tuned=None)
    assert recovery_sentence(unasked).endswith(": inconclusive: too\N{REPLACEMENT CHARACTER} long")
    found = build_certification().model_copy(update={"recovery": (probe(),)})
    assert "Recovery probe, facts" in certification_summary(found)


def test_what_a_sequential_claim_took_is_said():
    use = SequentialUse(
        num_scored=1344, num_available=5000, num_looks=7, evidence_non_inferior=21.0,
        evidence_inferior=0.1,
    )  # fmt: skip
    text = certification_summary(
        build_certification(KEPT.model_copy(update={"sequential": use, "method": "sequential"}))
    )
    assert "Items until the decision, scored, of all: facts 1,200, 1,344, 5,000" in text


def test_a_policy_is_named_with_its_digest():
    found = build_certification()
    policy = CertificationPolicy(
        name="release\x07.yaml",
        digest="sha256:12",
        alpha=0.05,
        capabilities=(PolicyRule(name="facts", tier="critical"),),
    )
    provenance = found.provenance.model_copy(update={"policy": policy})
    text = certification_summary(found.model_copy(update={"provenance": provenance}))
    assert "Policy: release\N{REPLACEMENT CHARACTER}.yaml, sha256:12" in text
