"""The layout against the set of sequences that it stands for."""

import random

import pytest

from driftline.models.scoring._prefix_tree import (
    Branch,
    Layout,
    Row,
    TokenSequence,
    num_tree_tokens,
    plan_batches,
)

SMALL = Layout(batch_tokens=24, row_tokens=10, row_stretch=1, min_trunk_tokens=4)


def sequences_with_shared_beginnings(seed: int) -> list[TokenSequence]:
    """Few tokens, so that many beginnings are shared; some inputs are beginnings of others."""
    numbers = random.Random(seed)
    long = tuple(numbers.randrange(3) for _ in range(12))
    made = [TokenSequence((*long, 1), 3), TokenSequence((*long, 1, 2, 2), 13)]
    for _ in range(30):
        begin = long[: numbers.choice((0, 2, 6, 9, 12))]
        rest = tuple(numbers.randrange(3) for _ in range(numbers.randint(2, 9)))
        tokens = (*begin, *rest)
        made.append(TokenSequence(tokens, numbers.randint(1, len(tokens) - 1)))
    return made


def placed(branch: Branch, before: tuple[int, ...] = ()) -> list[tuple[Row, tuple[int, ...]]]:
    """Every row with the tokens of the trunks before it."""
    found = []
    if branch.trunk is not None:
        found.append((branch.trunk, before))
        before = (*before, *branch.trunk.tokens)
    found += [(row, before) for batch in branch.batches for row in batch]
    for child in branch.branches:
        found += placed(child, before)
    return found


def beginning(row: Row, before: tuple[int, ...], node: int) -> tuple[int, ...]:
    """The tokens from the first one to a node."""
    own: list[int] = []
    while node >= 0:
        own.append(row.tokens[node])
        node = row.parents[node]
    return (*before, *reversed(own))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("layout", [SMALL, Layout()])
@pytest.mark.parametrize("share", [True, False])
def test_every_scored_token_is_asked_for_once_after_what_stands_before_it(seed, layout, share):
    sequences = sequences_with_shared_beginnings(seed)
    asked = []
    for row, before in placed(plan_batches(sequences, layout, share=share)):
        assert row.num_before == len(before)
        for node, target, number in row.queries:
            asked.append((number, beginning(row, before, node), target))
    wanted = [
        (number, sequence.tokens[:position], sequence.tokens[position])
        for number, sequence in enumerate(sequences)
        for position in range(sequence.start, len(sequence.tokens))
    ]
    assert sorted(asked) == sorted(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_attention_and_positions_are_those_of_the_sequence_alone(seed):
    for row, before in placed(plan_batches(sequences_with_shared_beginnings(seed), SMALL)):
        seen, depths = row.ancestors(), row.depths()
        for node in range(len(row.tokens)):
            path = beginning(row, before, node)
            assert depths[node] == len(path) - 1
            attended = [token for token, sees in zip(row.tokens, seen[node], strict=True) if sees]
            assert (*before, *attended) == path


@pytest.mark.parametrize("seed", range(20))
def test_sharing_comes_close_to_the_tree_and_never_above_the_inputs(seed):
    sequences = sequences_with_shared_beginnings(seed)
    inputs = {sequence.tokens[:-1] for sequence in sequences}
    whole = plan_batches(sequences, Layout(row_tokens=256))
    assert whole.num_tokens() == num_tree_tokens(list(inputs))
    apart = plan_batches(sequences, Layout(), share=False).num_tokens()
    assert apart == sum(map(len, inputs))
    assert whole.num_tokens() <= plan_batches(sequences, SMALL).num_tokens() <= apart


def test_a_long_beginning_becomes_a_trunk_and_trunks_nest():
    preamble = tuple(range(100, 150))
    sections = [(*preamble, *([section] * 40)) for section in range(3)]
    sequences = [
        TokenSequence((*section, 200 + item, *range(8), 9), len(section) + 1)
        for section in sections
        for item in range(40)
    ]
    root = plan_batches(sequences, Layout())
    (outer,) = root.branches
    assert root.trunk is None
    assert not root.batches
    assert outer.trunk is not None
    assert tuple(outer.trunk.tokens) == preamble
    assert [branch.trunk.tokens for branch in outer.branches] == [[n] * 40 for n in range(3)]
    assert root.num_tokens() == num_tree_tokens([s.tokens[:-1] for s in sequences])


def test_batches_keep_their_bounds_and_do_not_mix_kinds_of_rows():
    for seed in range(20):
        root = plan_batches(sequences_with_shared_beginnings(seed), SMALL)
        branches = [root]
        while branches:
            branch = branches.pop()
            branches += branch.branches
            for batch in branch.batches:
                width = max(len(row.tokens) for row in batch)
                assert len(batch) == 1 or len(batch) * width <= SMALL.batch_tokens
                assert len({row.is_branched for row in batch}) == 1


def test_the_layout_does_not_depend_on_the_order():
    sequences = sequences_with_shared_beginnings(0)
    shuffled = random.Random(1).sample(sequences, len(sequences))

    def rows(made):
        return [(row.tokens, row.parents) for row in plan_batches(made, SMALL).rows()]

    assert rows(sequences) == rows(shuffled)


def test_no_sequences_make_no_rows():
    assert list(plan_batches([], Layout()).rows()) == []


@pytest.mark.parametrize("num_common", [1, 40])
def test_long_texts_do_not_pay_masks_for_a_short_beginning(num_common):
    begin, numbers = tuple(range(num_common)), random.Random(0)
    sequences = [
        TokenSequence((*begin, number, *(numbers.randrange(256) for _ in range(1000))), num_common)
        for number in range(300, 304)
    ]
    rows = list(plan_batches(sequences, Layout()).rows())
    assert [row.num_before for row in rows] == [0] * 4
    assert not any(row.is_branched for row in rows)


def test_a_beginning_that_is_worth_it_is_shared_by_long_texts_too():
    begin, numbers = tuple(range(300)), random.Random(0)
    sequences = [
        TokenSequence((*begin, number, *(numbers.randrange(256) for _ in range(1000))), 300)
        for number in range(300, 304)
    ]
    root = plan_batches(sequences, Layout())
    assert root.num_tokens() == num_tree_tokens([s.tokens[:-1] for s in sequences])
