"""Signing: deterministic, and nothing that verification would refuse."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from driftline.certificates import read_envelope, read_statement, sign_certification
from driftline.errors import CertificateError

from .conftest import NOW


def test_the_same_document_key_and_moment_give_the_same_bytes(document, key):
    one = sign_certification(document, key, issued=NOW, valid_days=30)
    assert one == sign_certification(document, key, issued=NOW, valid_days=30)
    validity = read_statement(read_envelope(one).payload).validity
    assert validity.issued == NOW
    assert (validity.expires - validity.issued).days == 30


def test_what_does_not_add_up_is_not_signed(document, key):
    document["claims"][0]["low"] = -0.5
    with pytest.raises(CertificateError, match="does not add up: facts: the verdict"):
        sign_certification(document, key, issued=NOW, valid_days=30)


def test_no_verdict_is_not_signed(document, key):
    del document["verdict"]
    with pytest.raises(CertificateError, match="holds no verdict"):
        sign_certification(document, key, issued=NOW, valid_days=30)


@pytest.mark.parametrize("days", [0, -1, 3651, 10**9, 10**30])
def test_days_out_of_reach_are_refused(document, key, days):
    with pytest.raises(CertificateError, match="days must lie between 1 and 3650"):
        sign_certification(document, key, issued=NOW, valid_days=days)


@pytest.mark.parametrize("clock", [datetime.max, datetime(9991, 1, 1)])
def test_a_clock_at_the_end_of_the_calendar_is_refused(document, key, clock):
    for zone in (UTC, timezone(-timedelta(hours=12))):
        with pytest.raises(CertificateError, match="beyond the calendar"):
            sign_certification(document, key, issued=clock.replace(tzinfo=zone), valid_days=3650)
