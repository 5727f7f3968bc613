"""Scores in words."""

import pytest

from driftline.report.terminal import scores_summary
from driftline.results import Scores


@pytest.fixture
def scores(assessment):
    return Scores(
        scores=assessment.scores,
        cost=assessment.cost,
        caveats=("The first caveat.", "The second \x1b[31mcaveat."),
        provenance=assessment.provenance,
    )


def test_each_capability_has_a_row(scores):
    lines = scores_summary(scores).splitlines()
    assert lines[0].startswith(f"Scores of {scores.provenance.model.source}: mean over items with")
    names = [line.split()[0] for line in lines[2 : 2 + len(scores.scores)]]
    assert names == [score.capability for score in scores.scores]
    assert max(map(len, lines)) <= 110


def test_a_row_says_which_way_is_better_and_leaves_out_what_is_not_there(scores):
    first = scores.scores[0].model_copy(
        update={"higher_is_better": False, "accuracy": None, "chance": None, "num_items": 1234}
    )
    text = scores_summary(scores.model_copy(update={"scores": (first,)}))
    row = text.splitlines()[2].split()
    assert row[-4:] == ["lower", "–", "–", "1,234"]


def test_caveats_are_numbered_and_cannot_steer_the_terminal(scores):
    text = scores_summary(scores)
    assert "\n[1] The first caveat.\n" in text
    assert "\n[2] The second" in text
    assert "\x1b" not in text
    assert "tokens forward\n" in text
    assert text.endswith(".\n")
