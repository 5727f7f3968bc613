"""Which reader a file gets."""

from pathlib import Path

import pytest

from driftline.capabilities import read_scored_log
from driftline.errors import SuiteError

REAL = Path(__file__).parent / "sums.eval"


def test_the_source_is_named_with_its_digest():
    found = read_scored_log(REAL)
    assert found.source.name == str(REAL)
    assert found.source.num_records == 6
    assert found.source.digest.startswith("sha256:")


@pytest.mark.parametrize("name", ["log.csv", "log", "log.eval.gz"])
def test_other_endings_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("x")
    with pytest.raises(SuiteError, match=rf"{name}: is no log that Driftline reads; give samples"):
        read_scored_log(path)
