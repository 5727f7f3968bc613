"""The document of scores, and its lines."""

import json

import pytest

from driftline.errors import InputError
from driftline.results import ItemScore, Scores, item_lines


@pytest.fixture
def scores(assessment):
    return Scores(
        scores=assessment.scores,
        cost=assessment.cost,
        caveats=("one",),
        provenance=assessment.provenance,
    )


def test_it_survives_json(scores):
    text = scores.to_json()
    assert Scores.from_json(text) == scores
    assert json.loads(text)["schema"] == "driftline/score/1"
    assert json.loads(text)["verdict"] is None


def test_another_document_is_refused(assessment, scores):
    with pytest.raises(InputError, match="it is not a scores that this version"):
        Scores.from_json(assessment.to_json())
    judged = scores.to_json().replace('"verdict": null', '"verdict": "safe"')
    with pytest.raises(InputError, match="verdict"):
        Scores.from_json(judged)


def test_each_item_is_a_line_of_its_own():
    items = (
        ItemScore(capability="a", id="1", group=None, values={"margin_nats": 0.5, "accuracy": 1.0}),
        ItemScore(capability="a", id="zwei\u2028\n", group="g", values={"nll_nats": 2.0}),
    )
    text = item_lines(items)
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    assert tuple(ItemScore.model_validate_json(line) for line in lines) == items
    assert list(json.loads(lines[0])) == ["capability", "id", "group", "values"]
    assert item_lines(()) == ""
