"""The document of a certification."""

import json

import pytest

from driftline.errors import InputError
from driftline.results import Certification

from ..certification_sample import build_certification


def test_it_survives_json():
    document = build_certification()
    text = document.to_json()
    assert Certification.from_json(text) == document
    parts = json.loads(text)
    assert (parts["schema"], parts["verdict"]) == ("driftline/certification/1", "inconclusive")
    wanted = {
        "capability", "metric", "num_items", "base", "tuned", "change", "low", "margin", "pvalue",
        "adjusted_pvalue", "verdict", "flips",
    }  # fmt: skip
    assert wanted <= parts["claims"][0].keys()
    assert parts["claims"][1]["low"] is None


def test_what_is_not_a_number_or_not_a_verdict_is_refused():
    claim = build_certification().claims[0]
    for field, bad in (("change", float("nan")), ("pvalue", float("inf")), ("verdict", "passed")):
        with pytest.raises(ValueError, match=field):
            type(claim).model_validate({**claim.model_dump(), field: bad})


def test_another_document_is_refused():
    text = build_certification().to_json().replace("certification/1", "certification/2")
    with pytest.raises(InputError, match="it is not a certification that this version"):
        Certification.from_json(text)
