"""A repair in words."""

from driftline.report.tables._repair import scale_lines
from driftline.report.terminal import repair_summary
from driftline.results import CellScale

from ...results.repair_sample import build_repair, look


def test_the_verdict_comes_first_with_what_came_back_and_what_it_cost():
    text = repair_summary(build_repair())
    assert text.startswith(
        "INCONCLUSIVE: 75% of the lost capability given back, 96% of the target's gain kept; "
    )
    assert "Chosen: groups, layers 0-1 MLP by -0.25" in text
    assert "scale 0.750: layer 0 MLP, layer 0 attention" in text
    assert "Written: repaired (adapter of the same rank)" in text
    assert "3 points, 1,204,311 tokens forward, no gradients" in text
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 110


def test_a_row_holds_both_changes_and_the_claim():
    (row,) = (
        line for line in repair_summary(build_repair()).splitlines() if line.startswith("  facts")
    )
    assert row.split() == ["facts", "60", "-1.50", "-0.375", "75%", "-0.250", "retained"]


def test_a_share_is_shown_only_of_what_tuning_lost():
    lines = repair_summary(build_repair()).splitlines()
    (row,) = (line for line in lines if line.startswith("  bad"))
    assert row.split()[-3:] == ["–", "-0.250", "inconclusive"]


def test_a_family_that_misses_the_constraint_says_so():
    best = look(meets_constraint=False, excess=2.0)
    found = build_repair()
    families = (found.families[0], found.families[1].model_copy(update={"best": best}))
    text = repair_summary(build_repair(families=families))
    assert text.count("missed") == 1


def test_what_cannot_be_said_is_said():
    recovery = build_repair().recovery.model_copy(
        update={"lost": (), "given_back": None, "reason": "nothing was lost"}
    )
    text = repair_summary(build_repair(recovery=recovery, target=None, output=None))
    assert "nothing to give back (nothing was lost)" in text
    assert "Written" not in text
    assert "Target" not in text


def test_nothing_unprintable_reaches_a_terminal():
    text = repair_summary(build_repair("\x1b[31m"))
    assert "\x1b" not in text


def test_one_scale_for_all_is_said_so():
    scales = tuple(CellScale(cell=n, scale=0.5, num_weights=1) for n in ("a", "b"))
    assert scale_lines(scales) == [("every part", "0.500")]
