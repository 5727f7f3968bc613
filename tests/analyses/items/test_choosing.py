"""Items that chose a model are left out, with their groups, whatever they are called."""

from dataclasses import replace

import numpy
import pytest

from driftline.analyses.items import item_key, keys_of, split_items, without_choosing
from driftline.capabilities import (
    Capability,
    Cloze,
    Generation,
    MinimalPair,
    MultipleChoice,
    Passage,
    read_suite,
)
from driftline.errors import SuiteError
from driftline.stats import bounded_noninferiority


def capability(num, *, group_size=1, name="pairs"):
    items = tuple(
        MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}", group=f"g{i // group_size}")
        for i in range(num)
    )
    return Capability(name, "minimal_pair", "accuracy", 0.1, items)


def test_a_key_is_of_the_content_alone():
    item = MinimalPair(id="a", good="She runs.", bad="She run.", group="verbs")
    assert item_key(item) == item_key(item.model_copy(update={"id": "b", "group": None}))
    assert item_key(item) != item_key(item.model_copy(update={"bad": "She ran run."}))
    # Documents hold keys, so they must not change from version to version.
    assert item_key(item) == "b88ec3321bdc9abf"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            MultipleChoice(id="a", prompt="2 + 2 =", choices=(" 3", " 4", " 5"), answer=1),
            MultipleChoice(id="b", prompt=" 2 + 2 =\n", choices=("4", "5", "3"), answer=0),
        ),
        (
            Generation(id="a", prompt="Say yes.", answer="Yes"),
            Generation(id="b", messages=({"role": "user", "content": "Say  yes."},), answer="Yes "),
        ),
        (Passage(id="a", text="It  rained."), Passage(id="b", text="It rained.\n", group="g")),
        (Cloze(id="a", prompt="It", completion=" rained"), Cloze(id="b", prompt="It", completion="rained")),
    ],
)  # fmt: skip
def test_spelling_and_order_are_no_other_item(one, other):
    assert item_key(one) == item_key(other)


def test_another_right_answer_is_another_item():
    one, other = (
        MultipleChoice(id="a", prompt="2 + 2 =", choices=("3", "4"), answer=answer)
        for answer in (0, 1)
    )
    assert item_key(one) != item_key(other)


def test_an_item_of_the_older_suite_that_chose_is_left_out_of_the_newer_one():
    """Nine of them have their options in another order."""
    core, older = (read_suite(name).capabilities for name in ("core", "core-0.1"))
    left = without_choosing(core, keys_of(older))
    assert not {item_key(item) for c in left for item in c.items} & set(keys_of(older))
    num = {c.name: len(c.items) - len(part.items) for c, part in zip(core, left, strict=True)}
    assert sum(num.values()) >= 124


def test_what_is_left_are_the_items_that_report():
    whole = capability(60, group_size=3)
    halves = split_items(whole, num_search=30, seed=3)
    (left,) = without_choosing([whole], keys_of([halves.search]))
    assert left.items == halves.report.items


def test_an_item_under_another_id_or_in_another_suite_is_left_out_all_the_same():
    chosen = capability(10)
    items = tuple(item.model_copy(update={"id": f"new {item.id}"}) for item in chosen.items[:4])
    renamed = replace(chosen, name="mine", items=(*items, *capability(20).items[10:]))
    (left,) = without_choosing([renamed], keys_of([chosen]))
    assert [item.id for item in left.items] == [str(i) for i in range(10, 20)]


def test_the_group_of_an_item_that_chose_is_left_out():
    whole = capability(12, group_size=3)
    (left,) = without_choosing([whole], {item_key(whole.items[4])})
    assert [int(item.id) for item in left.items] == [0, 1, 2, 6, 7, 8, 9, 10, 11]


def test_where_nothing_chose_all_is_as_it_was():
    whole = capability(4)
    assert without_choosing([whole], keys_of([capability(3).sample(2, seed=0)]))[0] is not whole
    assert without_choosing([whole], set())[0] is whole


def test_where_all_items_chose_there_is_no_claim():
    whole = capability(8)
    with pytest.raises(
        SuiteError, match=r"capability pairs: 7 of its 8 items chose the model \(--chosen-by\)"
    ):
        without_choosing([whole], keys_of([capability(7)]))


@pytest.mark.slow
def test_the_best_of_many_passes_too_often_on_all_items_and_not_on_the_others():
    """73 independent looks, each with a loss of exactly the margin; the figures of docs/certify.md."""

    def passes(changes):
        test = bounded_noninferiority(changes, margin=0.05, bounds=(-1.0, 1.0))
        return test.verdict == "non_inferior"

    num_runs, num_items, num_looks = 300, 400, 73
    counts = {"all": 0, "others": 0}
    for seed in range(num_runs):
        noise = numpy.random.default_rng(seed).normal(0.0, 0.25, (num_looks, num_items))
        changes = numpy.clip(noise - 0.05, -1, 1)
        best = changes[numpy.argmax(changes[:, : num_items // 2].mean(axis=1))]
        counts["all"] += passes(best)
        counts["others"] += passes(best[num_items // 2 :])
    assert 0.12 < counts["all"] / num_runs < 0.25
    assert counts["others"] / num_runs < 0.03
