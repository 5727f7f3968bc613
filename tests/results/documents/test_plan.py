"""The document of a plan."""

import json

import pytest

from driftline.errors import InputError
from driftline.results import Plan

from ..plan_sample import BASE, build_plan


def test_it_comes_back_equal_from_its_json():
    found = build_plan()
    text = found.to_json()
    assert Plan.from_json(text) == found
    assert json.loads(text)["schema"] == "driftline/plan/1"


def test_what_is_not_there_is_null():
    said = json.loads(build_plan(protocol=None, chosen=BASE, files=()).to_json())
    assert said["protocol"] is None
    assert said["chosen"]["trial"] is None
    assert said["ablation"][2]["bought"] is None
    assert "budget" in said["ablation"][2]["reason"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value):
    text = build_plan().to_json().replace('"target_gain": 0.7', f'"target_gain": {value}', 1)
    with pytest.raises(InputError, match="plan"):
        Plan.from_json(text, origin="report.json")
