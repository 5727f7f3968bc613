"""The committed rows on retention bounds: their counts are what the rows say."""

import json

import pytest

from benchmarks.retention_bound import OUT, cases, counted


def test_the_counts_are_those_of_the_rows_and_every_row_is_a_case():
    document = json.loads(OUT.read_text())
    rows = document["rows"]
    assert document["counts"] == counted(rows)
    names = [row["case"] for row in rows]
    assert names == [case.name for case in cases()][: len(names)]


def _row(kind, loss, *, is_base=False):
    lost = {"loss": loss, "loss_limit": loss + 0.2}
    return {
        "kind": kind,
        "is_base": is_base,
        "verdict": "inconclusive",
        "capabilities": [] if is_base else [lost, {"loss": 0.0, "loss_limit": 0.1}],
    }


@pytest.mark.parametrize(
    ("losses", "held", "by_limit"), [((0.5, 0.9), 2, 1), ((1.1,), 0, 0), ((), 0, 0)]
)
def test_a_case_that_ended_with_the_base_is_counted_apart(losses, held, by_limit):
    rows = [_row("plan", loss) for loss in losses] + [_row("plan", 0.0, is_base=True)]
    found = counted(rows)["plan"]
    assert (found["cases"], found["with_an_update"]) == (len(losses) + 1, len(losses))
    assert (found["mean_within_tolerance"], found["limit_within_tolerance"]) == (held, by_limit)
