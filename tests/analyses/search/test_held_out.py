"""The verdict of a search from its claims."""

import pytest

from driftline.analyses.search._held_out import weighed
from driftline.results import SuiteClaim


def _claim(verdict):
    reason = None if verdict == "non_inferior" else f"{verdict}: code"
    return SuiteClaim(verdict=verdict, pvalue=None, num_required=2, reason=reason)


@pytest.mark.parametrize(
    ("verdict", "against", "undecided", "expected"),
    [
        ("non_inferior", [], [], "pass"),
        ("non_inferior", [], ["a"], "inconclusive"),
        ("non_inferior", ["b"], [], "fail"),
        ("inconclusive", [], [], "inconclusive"),
        ("inconclusive", ["b"], [], "fail"),
        ("inferior", [], ["a"], "fail"),
    ],
)
def test_it_passes_only_where_nothing_is_open(verdict, against, undecided, expected):
    found, reasons = weighed(_claim(verdict), against=against, undecided=undecided)
    assert found == expected
    assert set(reasons) >= {*against, *undecided}


def test_what_speaks_against_it_comes_first():
    _, reasons = weighed(_claim("inferior"), against=["no gain"], undecided=["open"])
    assert reasons == ("inferior: code", "no gain", "open")
