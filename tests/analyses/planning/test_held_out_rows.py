"""Rows kept out of training: which, and how many."""

from dataclasses import replace

import pytest

from driftline.analyses.planning._held_out_rows import NUM_TARGET, hold_out
from driftline.errors import DataError

from ..plans import sums


def _said(item):
    return item.prompt, item.completion


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return sums(tmp_path_factory.mktemp("data") / "sums.jsonl", 100)


def test_the_three_parts_share_no_row(data, opened):
    parts = hold_out(data, seed=0, opened=opened)
    choose, report = ({_said(item) for item in half.items} for half in parts.target)
    train = {(row["prompt"], row["completion"]) for row in parts.train.examples}
    assert not choose & report
    assert not (choose | report) & train
    assert len(choose) + len(report) == parts.num_held_out == 10
    assert len(train) == 90


def test_rows_that_say_the_same_go_to_one_side(data, opened):
    twice = replace(data, examples=tuple(data.examples) * 2)
    parts = hold_out(twice, seed=0, opened=opened)
    held = {_said(item) for half in parts.target for item in half.items}
    train = {(row["prompt"], row["completion"]) for row in parts.train.examples}
    assert not held & train
    assert parts.num_held_out == 2 * len(held)


def test_no_more_are_held_out_than_are_needed(opened, tmp_path):
    parts = hold_out(sums(tmp_path / "many.jsonl", 2000), seed=0, opened=opened)
    assert [len(half.items) for half in parts.target] == [NUM_TARGET, NUM_TARGET]


def test_the_draw_hangs_on_the_seed_and_names_the_data(data, opened):
    one, same, other = (hold_out(data, seed=seed, opened=opened).train for seed in (0, 0, 1))
    assert one == same
    assert one.digest != other.digest
    assert one.name == data.name


def test_too_few_rows_are_refused(opened, tmp_path):
    with pytest.raises(DataError, match=r"few\.jsonl: 12 different examples are too few"):
        hold_out(sums(tmp_path / "few.jsonl", 12), seed=0, opened=opened)
