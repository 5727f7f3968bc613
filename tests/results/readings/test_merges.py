"""A replayed merge in words."""

import pytest

from driftline.results import MergedWeight, MergeReplay
from driftline.results.readings._merges import merge_headline, merge_lines, merge_rows

from ...report.diff_sample import build_diff


def replay(*states, verdict="fail", elsewhere=(), strength=1.0, exact=False) -> MergeReplay:
    weights = tuple(
        MergedWeight(
            name=f"model.layers.{index}.q",
            layer=index,
            state=state,
            strength=None if state == "undecided" else strength,
            residual=None if state == "undecided" else 0.5,
            is_exact=exact,
        )
        for index, state in enumerate(states)
    )
    adapter = build_diff().provenance.tuned
    return MergeReplay(verdict=verdict, adapter=adapter, weights=weights, moved_elsewhere=elsewhere)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            replay("present", "present", verdict="pass"),
            "HOLDS THE ADAPTER: its change is in all 2 weights, within rounding",
        ),
        (
            replay("present", verdict="pass", exact=True),
            "HOLDS THE ADAPTER: its change is in all 1 weights, number for number",
        ),
        (replay("present", "absent"), "NOT THIS MERGE: 1 of 2 weights absent"),
        (
            replay("scaled", "scaled", strength=0.5),
            "NOT THIS MERGE: 2 of 2 weights at another strength, strength 0.50",
        ),
        (
            replay("other", elsewhere=("norm",)),
            "NOT THIS MERGE: 1 of 1 weights changed by more than the adapter, 1 weights moved that "
            "the adapter leaves alone",
        ),
        (
            replay("present", "undecided", verdict="inconclusive"),
            "CANNOT BE TOLD: 1 of 2 weights hidden by rounding",
        ),
        (replay(verdict="inconclusive"), "CANNOT BE TOLD: the adapter changes no weight"),
        (
            replay("present", verdict="inconclusive"),
            "CANNOT BE TOLD: weights have no partner",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_headline(found, told):
    assert merge_headline(found) == told


def test_a_row_a_layer():
    rows = merge_rows(replay("present", "undecided"))
    assert rows == [
        ("0", "1", "0", "0", "0", "0", "1.00", "0.500"),
        ("1", "0", "0", "0", "0", "1", "–", "–"),
    ]


def test_weights_that_speak_against_it_are_named():
    lines = merge_lines(replay("absent", "present", elsewhere=tuple("abcdef")))
    assert lines == [
        "absent: model.layers.0.q",
        "moved, and the adapter leaves them alone: a, b, c, d and 2 more",
    ]


def test_names_cannot_steer_a_terminal():
    assert "\x1b" not in "".join(merge_lines(replay("present", elsewhere=("\x1b[31m",))))
