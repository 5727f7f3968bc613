"""Each kind of item refuses what cannot be scored, in words."""

import pytest
from pydantic import ValidationError

from driftline.capabilities import (
    Alternatives,
    Cloze,
    Generation,
    MinimalPair,
    MultipleChoice,
    Passage,
    right_text,
)

TURNS = [{"role": "user", "content": "Hello"}]


def _good(kind, **changes):
    fields = {
        MultipleChoice: {"prompt": "1 + 1 =", "choices": [" 2", " 3"], "answer": 0},
        Alternatives: {
            "alternatives": [{"prompt": "Ann", "completion": " won"}, {"completion": "It won"}],
            "answer": 0,
        },
        MinimalPair: {"good": "She runs.", "bad": "She run."},
        Cloze: {"prompt": "The cat", "completion": " sleeps"},
        Passage: {"text": "It rained."},
        Generation: {"prompt": "Say yes:", "answer": "yes"},
    }[kind]
    record = {"id": "a", **fields, **changes}
    return {key: value for key, value in record.items() if value is not ...}


KINDS = (MultipleChoice, Alternatives, MinimalPair, Cloze, Passage, Generation)
PROMPTED = (MultipleChoice, Cloze, Generation)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_survives_json_and_cannot_be_changed(kind):
    item = kind.model_validate(_good(kind, group="source"))
    assert kind.model_validate_json(item.model_dump_json()) == item
    assert kind.model_validate(item.model_dump(mode="json")) == item
    with pytest.raises(ValidationError, match="frozen"):
        item.id = "b"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ""}, "at least 1 character"),
        ({"id": ...}, "id"),
        ({"id": 3}, "valid string"),
        ({"group": 3}, "valid string"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_what_every_kind_refuses(kind, changes, message):
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(_good(kind, **changes))


@pytest.mark.parametrize("kind", PROMPTED)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"messages": TURNS}, "needs either prompt or messages"),
        ({"prompt": ...}, "needs either prompt or messages"),
        ({"prompt": ..., "messages": []}, "messages is empty"),
        ({"prompt": ..., "messages": [{"role": "user"}]}, "content"),
        ({"prompt": ..., "messages": [{"role": "", "content": "x"}]}, "at least 1 character"),
        ({"prompt": ..., "messages": [{**TURNS[0], "name": "x"}]}, "Extra inputs"),
        ({"prompt": ""}, "at least 1 character"),
    ],
)
def test_a_prompted_item_has_one_prompt(kind, changes, message):
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(_good(kind, **changes))


@pytest.mark.parametrize("kind", PROMPTED)
def test_the_context_is_a_text_or_messages(kind):
    assert kind.model_validate(_good(kind)).context() == _good(kind)["prompt"]
    chat = kind.model_validate(_good(kind, prompt=..., messages=TURNS))
    assert chat.context() == TURNS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choices": [" 2"]}, "at least 2"),
        ({"choices": [" 2", ""]}, "at least 1 character"),
        ({"choices": [" 2", " 2"]}, "two choices are the same"),
        ({"choices": " 2"}, "tuple"),
        ({"answer": 2}, r"answer 2 with 2 choices \(0 is first\)"),
        ({"answer": -1}, "greater than or equal to 0"),
        ({"answer": True}, "valid integer"),
        ({"answer": "0"}, "valid integer"),
        ({"answer": ...}, "answer"),
    ],
)
def test_multiple_choice(changes, message):
    with pytest.raises(ValidationError, match=message):
        MultipleChoice.model_validate(_good(MultipleChoice, **changes))


ANN, BOB = ({"prompt": name, "completion": " won"} for name in ("Ann", "Bob"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alternatives": [ANN]}, "at least 2"),
        ({"alternatives": [ANN, {**BOB, "completion": ""}]}, "at least 1 character"),
        ({"alternatives": [ANN, {**BOB, "text": ""}]}, "Extra inputs"),
        ({"alternatives": [ANN, ANN]}, "two alternatives are the same"),
        ({"answer": 2}, r"answer 2 with 2 alternatives \(0 is first\)"),
        ({"answer": -1}, "greater than or equal to 0"),
    ],
)
def test_alternatives(changes, message):
    fields = _good(Alternatives, alternatives=[ANN, BOB])
    assert Alternatives.model_validate(fields).alternatives[1].prompt == "Bob"
    with pytest.raises(ValidationError, match=message):
        Alternatives.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (MinimalPair, {"bad": "She runs."}, "good and bad are the same"),
        (MinimalPair, {"bad": ""}, "at least 1 character"),
        (MinimalPair, {"good": ...}, "good"),
        (Cloze, {"completion": ""}, "at least 1 character"),
        (Passage, {"text": ""}, "at least 1 character"),
        (Passage, {"text": ["a"]}, "valid string"),
        (Passage, {"text": "\ud800"}, "valid string"),
        (Generation, {"answer": ""}, "at least 1 character"),
        (Generation, {"answer": " \n"}, "white space alone"),
    ],
)
def test_the_other_kinds(kind, changes, message):
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(_good(kind, **changes))


@pytest.mark.parametrize(
    ("kind", "changes", "text"),
    [
        (MultipleChoice, {}, "1 + 1 = 2"),
        (MultipleChoice, {"answer": 1}, "1 + 1 = 3"),
        (MultipleChoice, {"prompt": ..., "messages": TURNS, "choices": ["Hi", "No"]}, "Hello\nHi"),
        (Alternatives, {}, "Ann won"),
        (Alternatives, {"answer": 1}, "It won"),
        (MinimalPair, {}, "She runs."),
        (Cloze, {}, "The cat sleeps"),
        (Passage, {}, "It rained."),
        (Generation, {}, "Say yes:yes"),
    ],
)
def test_an_item_reads_as_a_text_with_its_right_answer(kind, changes, text):
    assert right_text(kind.model_validate(_good(kind, **changes))) == text
