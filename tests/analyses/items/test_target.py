"""The run's own task as a capability, for every layout of the data."""

import pytest

from driftline.analyses import target_capability
from driftline.analyses.items._target import MAX_CHARACTERS, NUM_TARGET_ITEMS
from driftline.capabilities import Cloze, Passage
from driftline.errors import DataError
from driftline.models import TrainingData

USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello there"}
EXAMPLES = {
    "text": {"text": "It rained."},
    "prompt_completion": {"prompt": "1 + 1 =", "completion": " 2"},
    "messages": {"messages": [USER, ANSWER]},
}


def data(layout, *examples):
    return TrainingData("mine.jsonl", layout, examples, "sha256:0")


def first(layout, example):
    return target_capability(data(layout, example, EXAMPLES[layout]), seed=0).items[0]


@pytest.mark.parametrize(
    ("layout", "example", "item"),
    [
        ("text", EXAMPLES["text"], Passage(id="0", text="It rained.")),
        (
            "prompt_completion",
            EXAMPLES["prompt_completion"],
            Cloze(id="0", prompt="1 + 1 =", completion=" 2"),
        ),
        (
            "prompt_completion",
            {"prompt": [USER], "completion": [ANSWER]},
            Cloze(id="0", messages=[USER], completion="Hello there"),
        ),
        (
            "prompt_completion",
            {"prompt": "", "completion": "It rained."},
            Passage(id="0", text="It rained."),
        ),
        (
            "messages",
            EXAMPLES["messages"],
            Cloze(id="0", messages=[USER], completion="Hello there"),
        ),
        (
            "messages",
            {"messages": [USER, ANSWER, {**USER, "content": "Bye"}, {**ANSWER, "content": "See"}]},
            Cloze(
                id="0", messages=[USER, ANSWER, {**USER, "content": "Bye"}], completion="See"
            ),
        ),
        ("messages", {"messages": [ANSWER]}, Passage(id="0", text="Hello there")),
        (
            "messages",
            {"messages": [{**USER, "name": "x"}, {**ANSWER, "weight": 1}]},
            Cloze(id="0", messages=[USER], completion="Hello there"),
        ),
    ],
)  # fmt: skip
def test_each_layout(layout, example, item):
    assert first(layout, example) == item


@pytest.mark.parametrize("layout", EXAMPLES)
def test_it_is_watched_in_nats_and_never_judged(layout):
    made = target_capability(data(layout, *[EXAMPLES[layout]] * 3), seed=0)
    assert (made.name, made.metric, made.required) == ("target", "nll_nats", False)
    assert not made.higher_is_better
    assert made.description == "a sample of mine.jsonl"


@pytest.mark.parametrize(
    ("layout", "example"),
    [
        ("text", {"text": "x" * 5000}),
        ("prompt_completion", {"prompt": "y" * 5000, "completion": "x" * 5000}),
        ("messages", {"messages": [USER, {**ANSWER, "content": "x" * 5000}]}),
        ("prompt_completion", {"prompt": [USER], "completion": [{**ANSWER, "content": "x" * 5000}]}),
    ],
)  # fmt: skip
def test_a_long_answer_is_cut(layout, example):
    item = first(layout, example)
    text = item.text if isinstance(item, Passage) else item.completion
    assert text == "x" * MAX_CHARACTERS


def many(count):
    return data("text", *({"text": f"It rained on day {i}."} for i in range(count)))


def test_the_sample_is_seeded_and_in_the_order_of_the_data():
    made = target_capability(many(200), seed=3)
    assert made == target_capability(many(200), seed=3)
    assert made != target_capability(many(200), seed=4)
    places = [int(item.id) for item in made.items]
    assert len(places) == NUM_TARGET_ITEMS
    assert places == sorted(set(places))
    assert [item.text for item in made.items] == [f"It rained on day {i}." for i in places]


@pytest.mark.parametrize("count", [2, NUM_TARGET_ITEMS])
def test_few_examples_are_all_taken(count):
    assert len(target_capability(many(count), seed=0).items) == count


def test_examples_without_an_answer_are_passed_over_and_replaced():
    empty = {"messages": [USER, {**ANSWER, "content": ""}]}
    full = {"messages": [USER, ANSWER]}
    given = data("messages", *[empty, full] * 40)
    made = target_capability(given, seed=0)
    assert len(made.items) == NUM_TARGET_ITEMS
    assert all(int(item.id) % 2 for item in made.items)


def test_examples_beyond_the_context_are_passed_over(opened):
    # One token a byte, and a context of 256.
    long, short = {"prompt": "x" * 300, "completion": " 2"}, EXAMPLES["prompt_completion"]
    given = data("prompt_completion", long, short, long, short)
    made = target_capability(given, seed=0, opened=opened)
    assert [item.id for item in made.items] == ["1", "3"]
    with pytest.raises(DataError, match=r"mine.jsonl: 1 of its 2 examples .*256.*at least 2"):
        target_capability(data("prompt_completion", long, short), seed=0, opened=opened)


@pytest.mark.parametrize("examples", [[], [EXAMPLES["text"]]])
def test_one_example_is_not_enough(examples):
    with pytest.raises(DataError, match=r"mine.jsonl: . of its . examples can be scored"):
        target_capability(data("text", *examples), seed=0)


def test_as_many_examples_as_were_asked_for_are_drawn():
    examples = [{"text": f"It rained on day {i}."} for i in range(100)]
    few = target_capability(data("text", *examples), seed=0)
    many = target_capability(data("text", *examples), seed=0, num_items=64)
    assert (len(few.items), len(many.items)) == (NUM_TARGET_ITEMS, 64)
    assert len(target_capability(data("text", *examples), seed=0, num_items=500).items) == 100
