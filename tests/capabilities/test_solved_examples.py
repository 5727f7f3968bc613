"""Items behind solved ones: what is shown, and what is not scored."""

import pytest

from driftline.capabilities import (
    Alternatives,
    Capability,
    Cloze,
    Generation,
    MinimalPair,
    MultipleChoice,
    Passage,
    with_solved_examples,
)


def choices(num, **fields):
    return tuple(
        MultipleChoice(id=str(i), prompt=f"{i} + 1 =", choices=(" 0", f" {i + 1}"), answer=1, **fields)
        for i in range(num)
    )  # fmt: skip


def shown(capability, num_shots=2):
    return with_solved_examples(capability, num_shots, seed=0)


def test_the_same_examples_stand_before_every_other_item_and_are_not_scored():
    capability = Capability("sums", "multiple_choice", "accuracy", 0.1, choices(8))
    found = shown(capability)
    assert len(found.items) == 6
    solved = [item for item in capability.items if item.id not in {i.id for i in found.items}]
    before = "".join(f"{s.prompt}{s.choices[1]}\n\n" for s in sorted(solved, key=lambda s: s.id))
    plain = {item.id: item for item in capability.items}
    for item in found.items:
        assert item.prompt == before + plain[item.id].prompt
        assert (item.choices, item.answer) == (plain[item.id].choices, 1)
    assert shown(capability) == found
    assert found.digest != capability.digest


def test_examples_share_no_group_with_what_is_scored():
    items = tuple(
        MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}", group=f"g{i // 2}")
        for i in range(10)
    )
    found = shown(Capability("pairs", "minimal_pair", "accuracy", 0.1, items))
    assert len({item.group for item in found.items}) == 3
    assert len(found.items) == 6
    for item in found.items:
        assert item.good.removesuffix(f"good {item.id}") == item.bad.removesuffix(f"bad {item.id}")
        assert item.good.count("\n\n") == 2


def test_a_chat_gets_its_examples_as_turns():
    items = tuple(
        Generation.model_validate(
            {"id": str(i), "messages": [{"role": "user", "content": f"q{i}"}], "answer": f" a{i}"}
        )
        for i in range(5)
    )
    found = shown(Capability("chat", "generate", "exact_match", 0.1, items))
    assert len(found.items) == 3
    turns = found.items[0].messages
    assert [turn.role for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert turns[1].content == turns[0].content.replace("q", "a")


def test_other_items_keep_what_is_scored_of_them():
    clozes = tuple(Cloze(id=str(i), prompt=f"p{i}", completion=f" c{i}") for i in range(5))
    found = shown(Capability("facts", "cloze", "nll_nats", 0.1, clozes))
    assert [item.completion for item in found.items] == [f" c{item.id}" for item in found.items]
    assert found.items[0].prompt.endswith(f"\n\np{found.items[0].id}")
    options = [{"prompt": "a", "completion": " b"}, {"prompt": "c", "completion": " d"}]
    pairs = tuple(
        Alternatives.model_validate({"id": str(i), "alternatives": options, "answer": 0})
        for i in range(5)
    )
    found = shown(Capability("gaps", "alternatives", "accuracy", 0.1, pairs))
    assert {a.prompt for item in found.items for a in item.alternatives} == {
        "a b\n\na b\n\na",
        "a b\n\na b\n\nc",
    }


@pytest.mark.parametrize(
    "capability",
    [
        Capability("sums", "multiple_choice", "accuracy", 0.1, choices(3)),
        Capability("text", "perplexity", "nll_nats", 0.1,
                   tuple(Passage(id=str(i), text="It rained.") for i in range(9))),
    ],
    ids=["too few", "passages"],
)  # fmt: skip
def test_what_has_no_form_or_too_few_items_gets_none(capability):
    assert shown(capability) is None
