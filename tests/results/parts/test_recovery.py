"""A recovery probe as a value: what was not asked is None, never a number."""

import pytest
from pydantic import ValidationError

from driftline.results import RecoveryProbe

UNASKED = {
    "capability": "texts", "finding": "inconclusive", "reason": "no form", "num_shots": 4,
    "num_items": 0, "unit": "nats", "base_plain": None, "tuned_plain": None, "base": None,
    "tuned": None, "low": None, "high": None, "margin": 0.1,
}  # fmt: skip


def test_it_survives_json():
    probe = RecoveryProbe(**UNASKED)
    assert RecoveryProbe.model_validate_json(probe.model_dump_json()) == probe


@pytest.mark.parametrize(
    "change", [{"finding": "recovered"}, {"base": float("nan")}, {"extra": 1}, {"high": ...}]
)
def test_what_it_cannot_be_is_refused(change):
    fields = {key: value for key, value in {**UNASKED, **change}.items() if value is not ...}
    with pytest.raises(ValidationError):
        RecoveryProbe(**fields)
