"""The envelope, by the specification of DSSE, and its one spelling."""

import pytest

from driftline.certificates import (
    Envelope,
    pre_authentication_encoding,
    read_envelope,
    write_envelope,
)
from driftline.errors import CertificateError

ENVELOPE = Envelope(b'{"a":1}', "ab" * 32, bytes(range(64)))


def test_what_is_signed_is_as_the_specification_says():
    found = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert found == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_are_in_bytes():
    assert pre_authentication_encoding("ä", b"") == b"DSSEv1 2 \xc3\xa4 0 "


def test_type_and_payload_cannot_trade_bytes():
    assert pre_authentication_encoding("a", b"b 1 c") != pre_authentication_encoding("a 5 b", b"c")


def test_it_is_read_back_as_it_was_written():
    assert read_envelope(write_envelope(ENVELOPE)) == ENVELOPE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\n", b"", "does not end in a newline"),
        (b"\n", b"\n\n", "not in its canonical form"),
        (b'"payload":', b'"payload": ', "not in its canonical form"),
        (b'"payload":', b'"Payload":', "payload: Field required"),
        (b"vnd.in-toto", b"vnd.other", "payloadType"),
        (b'"signatures":[{', b'"signatures":[],"zz":[{', "at least 1 item"),
        (b'"keyid"', b'"extra":1,"keyid"', "Extra inputs"),
        (b"eyJhIjoxfQ==", b"eyJhIjoxfR==", "payload is not base64 in its one spelling"),
        (b"eyJhIjoxfQ==", b"eyJhIjoxfQ", "payload is not base64"),
        (b"eyJhIjoxfQ==", b"eyJh-joxfQ==", "payload is not base64"),
    ],
)
def test_another_form_is_refused(old, new, message):
    content = write_envelope(ENVELOPE)
    assert old in content
    with pytest.raises(CertificateError, match=message):
        read_envelope(content.replace(old, new))


def test_two_signatures_are_refused():
    content = write_envelope(ENVELOPE)
    one = content[content.index(b'{"keyid"') : content.index(b"]")]
    with pytest.raises(CertificateError, match="at most 1 item"):
        read_envelope(content.replace(one, one + b"," + one))
