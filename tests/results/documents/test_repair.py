"""The document of a repair."""

import json

import pytest

from driftline.errors import InputError
from driftline.results import Repair

from ..repair_sample import build_repair


def test_it_comes_back_equal_from_its_json():
    found = build_repair()
    text = found.to_json()
    assert Repair.from_json(text) == found
    assert json.loads(text)["schema"] == "driftline/repair/1"


def test_what_is_not_there_is_null_and_says_why():
    recovery = build_repair().recovery.model_copy(
        update={"lost": (), "given_back": None, "reason": "nothing was lost"}
    )
    said = json.loads(build_repair(recovery=recovery, target=None, output=None).to_json())
    assert said["recovery"]["given_back"] is None
    assert said["recovery"]["reason"] == "nothing was lost"
    assert said["target"] is said["output"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value):
    text = build_repair().to_json().replace('"kept_change": 0.71', f'"kept_change": {value}', 1)
    with pytest.raises(InputError, match="repair"):
        Repair.from_json(text, origin="report.json")
