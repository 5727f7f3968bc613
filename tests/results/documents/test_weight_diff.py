"""The document of a diff."""

import json

import pytest

from driftline.errors import InputError
from driftline.results import Scores, WeightDiff

from ...report.diff_sample import build_diff, unmoved


@pytest.mark.parametrize("made", [build_diff, unmoved])
def test_it_survives_json(made):
    document = made()
    text = document.to_json()
    assert WeightDiff.from_json(text) == document
    parts = json.loads(text)
    assert (parts["schema"], parts["verdict"]) == ("driftline/diff/1", None)
    assert {"provenance", "caveats"} <= parts.keys()


def test_another_document_is_refused():
    text = build_diff().to_json()
    with pytest.raises(InputError, match="it is not a weightdiff that this version"):
        WeightDiff.from_json(text.replace("driftline/diff/1", "driftline/diff/2"))
    with pytest.raises(InputError, match="it is not a scores"):
        Scores.from_json(text)


def test_what_is_not_a_number_is_refused():
    change = build_diff().changes[0]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            type(change).model_validate({**change.model_dump(), "relative_change": bad})
