"""A certification in words."""

from driftline.results import certification_summary

from .certification_sample import KEPT, build_certification


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
    assert cells[1:] == ["1,200", "0.900", "0.895", "-0.00500", "0.0140", "0.0200", "0.0040",
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
