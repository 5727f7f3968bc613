"""Scores of two models on the same items: which way is better, and which test is right."""

from dataclasses import replace

import pytest

from driftline.analyses.comparison._paired import Paired, Sample, is_bounded, largest_loss
from driftline.capabilities import Capability, Cloze, Generation, MinimalPair

SAMPLE = Sample(num_scored=4, num_available=9, num_looks=1, max_group_size=1)


def pairs(metric="accuracy", group=lambda _index: None):
    items = tuple(
        MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}", group=group(i)) for i in range(4)
    )
    return Capability("pairs", "minimal_pair", metric, 0.1, items)


CLOZES = Capability(
    "clozes", "cloze", "nll_nats", 0.1,
    tuple(Cloze(id=str(i), prompt="a", completion=" b") for i in range(4)),
)  # fmt: skip
ANSWERS = Capability(
    "answers", "generate", "exact_match", 0.1,
    tuple(Generation(id=str(i), prompt="a", answer="b") for i in range(4)),
)  # fmt: skip


def shares(*values, metric="accuracy"):
    return [{metric: float(value)} for value in values]


@pytest.mark.parametrize(
    ("capability", "sample", "method"),
    [
        (pairs(), None, "flips"),
        (ANSWERS, None, "flips"),
        (pairs(group=lambda i: str(i // 2)), None, "bounded"),
        (pairs("margin_nats"), None, "bounded"),
        (pairs("probability"), None, "bounded"),
        (pairs("probability"), SAMPLE, "sequential"),
        (pairs("probability", group=lambda i: str(i // 2)), None, "bounded"),
        (CLOZES, None, "unbounded"),
        (replace(CLOZES, score_range=(0.0, 9.0)), None, "bounded"),
        (replace(CLOZES, score_range=(0.0, 9.0)), SAMPLE, "sequential"),
        (replace(ANSWERS, max_group_size=2), None, "bounded"),
        (pairs(), SAMPLE, "sequential"),
        (pairs("margin_nats"), SAMPLE, "sequential"),
        (pairs(group=lambda i: str(i // 2)), SAMPLE, "sequential"),
    ],
)
def test_the_test_follows_from_metric_groups_and_sampling(capability, sample, method):
    assert Paired(capability, [], [], sample).method == method


def test_gains_are_turned_so_that_larger_is_better():
    found = Paired(pairs(), shares(1, 1, 0, 0), shares(1, 0, 1, 0))
    assert found.gains().tolist() == [0, -1, 1, 0]
    assert found.num_moved == 2
    nll = Paired(CLOZES, *(shares(*v, metric="nll_nats") for v in ((1, 1, 1, 1), (1, 2, 0.5, 1))))
    assert nll.gains().tolist() == [0, -1, 0.5, 0]
    assert nll.right(nll.base) is None
    assert found.right(found.base) == [True, True, False, False]


def test_items_of_one_group_have_one_number():
    found = Paired(pairs(group=lambda i: "ab"[i % 2]), shares(1, 1, 1, 1), shares(1, 1, 1, 1))
    assert found.group_numbers().tolist() == [0, 1, 0, 1]
    assert found.num_groups == 2


def test_what_an_item_can_lose_is_known_but_for_likelihoods():
    assert (largest_loss(pairs()), largest_loss(pairs("margin_nats"))) == (1.0, 10.0)
    assert largest_loss(pairs("probability")) == 1.0
    assert is_bounded(ANSWERS)
    assert not is_bounded(CLOZES)
    assert largest_loss(replace(CLOZES, score_range=(0.5, 9.0))) == 8.5
