"""Items that changed sides, with what either model preferred."""

import pytest

from driftline.analyses.comparison._flip_list import flip_list, with_answers
from driftline.analyses.comparison._paired import Paired
from driftline.capabilities import (
    Alternatives,
    Capability,
    Cloze,
    Generation,
    MinimalPair,
    MultipleChoice,
)
from driftline.models import BASE, NoiseDirection, Point, Term

FOUR = tuple(
    MultipleChoice(id=str(i), prompt="?", choices=("a", "b", "c", "d"), answer=2) for i in range(8)
)


def shares(*right):
    return [{"accuracy": float(r)} for r in right]


def preferring(*options, right=2):
    return [{"accuracy": float(o == right), "preferred_option": float(o)} for o in options]


def listed(items, base, tuned, scorer="multiple_choice", metric="accuracy"):
    return flip_list(Paired(Capability("c", scorer, metric, 0.1, items), base, tuned))


def test_of_many_options_the_one_that_was_preferred_is_named():
    base, tuned = preferring(2, 2, 2, 2, 2, 2, 0, 1), preferring(3, 2, 2, 2, 2, 2, 2, 0)
    found = listed(FOUR, base, tuned)
    assert [(f.id, f.right, f.wrong) for f in found.lost] == [("0", "c", "d")]
    assert [(f.id, f.right, f.wrong) for f in found.gained] == [("6", "c", "a")]
    # Two wrong before, two after, of eight; three wrong options.
    assert found.chance_adjusted_loss == pytest.approx(1 / 8 - (2 / 8) / 3 * (2 / 8))


def test_scores_that_do_not_say_what_was_preferred_name_none():
    found = listed(FOUR, shares(*[1] * 8), shares(0, *[1] * 7))
    assert [(f.right, f.wrong) for f in found.lost] == [("c", None)]


def test_of_two_options_the_other_one_was_preferred():
    items = tuple(MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}") for i in range(80))
    before, after = [1] * 60 + [0] * 20, [0] * 30 + [1] * 30 + [1] * 2 + [0] * 18
    found = listed(items, shares(*before), shares(*after), scorer="minimal_pair")
    assert [f.id for f in found.lost] == [str(i) for i in range(30)]
    assert [f.id for f in found.gained] == ["60", "61"]
    assert (found.lost[0].right, found.lost[0].wrong) == ("good 0", "bad 0")
    # Two options: 1 / (k - 1) = 1.
    assert found.chance_adjusted_loss == pytest.approx(30 / 80 - 20 / 80 * 48 / 80)


def test_alternatives_are_named_with_their_prompts():
    options = [{"prompt": "Ann", "completion": " won"}, {"prompt": "Eve", "completion": " lost"}]
    items = tuple(
        Alternatives.model_validate({"id": str(i), "alternatives": options, "answer": 0})
        for i in range(2)
    )
    found = listed(items, shares(1, 1), shares(1, 0), scorer="alternatives")
    assert [(f.id, f.right, f.wrong) for f in found.lost] == [("1", "Ann won", "Eve lost")]


def test_a_generated_answer_has_a_right_one_and_texts_have_no_flips():
    items = tuple(Generation(id=str(i), prompt="1 + 1 =", answer=" 2") for i in range(2))
    right, wrong = {"exact_match": 1.0}, {"exact_match": 0.0}
    found = listed(items, [right, right], [right, wrong], scorer="generate", metric="exact_match")
    assert [(f.right, f.wrong) for f in found.lost] == [(" 2", None)]
    assert found.chance_adjusted_loss is None
    clozes = tuple(Cloze(id=str(i), prompt="a", completion="b") for i in range(2))
    nll = [{"nll_nats": 1.0}] * 2
    assert listed(clozes, nll, nll, scorer="cloze", metric="nll_nats") is None


def test_generated_answers_are_asked_of_the_model_that_is_wrong():
    items = tuple(Generation(id=str(i), prompt=f"{i} + 1 =", answer=f" {i + 1}") for i in range(4))
    scores = [[{"exact_match": float(r)} for r in side] for side in ((1, 1, 0, 1), (0, 1, 1, 0))]
    paired = Paired(Capability("sums", "generate", "exact_match", 0.1, items), *scores)
    asked = []

    def answers(point, some):
        asked.append((point.label, [item.id for item in some]))
        return [f"{point.label} {item.id}" for item in some]

    tuned = Point("tuned", (Term(NoiseDirection(1), 0.1),))
    found = with_answers(flip_list(paired), paired, answers, tuned)
    assert [(f.id, f.right, f.wrong) for f in found.lost] == [
        ("0", " 1", "tuned 0"),
        ("3", " 4", "tuned 3"),
    ]
    assert [(f.id, f.wrong) for f in found.gained] == [("2", f"{BASE.label} 2")]
    assert asked == [("tuned", ["0", "3"]), (BASE.label, ["2"])]
    same = Paired(paired.capability, scores[0], scores[0])
    asked.clear()
    assert with_answers(flip_list(same), same, answers, tuned) == flip_list(same)
    assert asked == []


def test_where_nothing_is_generated_nobody_is_asked():
    paired = Paired(
        Capability("c", "multiple_choice", "accuracy", 0.1, FOUR),
        shares(*[1] * 8),
        shares(*[0] * 8),
    )
    flips = flip_list(paired)
    assert with_answers(flips, paired, None, BASE) is flips
    assert with_answers(None, paired, None, BASE) is None
