"""Canonical JSON, by the examples of RFC 8785."""

import struct

import pytest

from driftline.certificates import canonical_json, parse_canonical_json, parse_json
from driftline.errors import CertificateError


def test_the_example_of_section_3_2_2():
    text = rb"""{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"""
    assert canonical_json(parse_json(text)) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf_16_as_in_section_3_2_3():
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(parse_json(canonical_json(value)).values()) == [
        "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
        "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_of_appendix_b(bits, text):
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text.encode()
    assert parse_canonical_json(text.encode()) == number


def test_a_whole_number_that_no_double_holds_is_not_rounded():
    with pytest.raises(CertificateError, match="9007199254740993 exceeds"):
        canonical_json(parse_json(b"9007199254740993"))


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, "\ud800"], ids=["nan", "inf", "2^53", "surrogate"]
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(CertificateError, match="has no canonical JSON"):
        canonical_json({"a": value})


@pytest.mark.parametrize(
    "text",
    [b'{"a": 1}', b'{"b":1,"a":1}', b"1.0", b"-0", b"1e2", b'"\\u0041"', b"1\n"],
)
def test_another_spelling_is_refused(text):
    parse_json(text)  # It is JSON.
    with pytest.raises(CertificateError, match="not in its canonical form"):
        parse_canonical_json(text)


def test_a_duplicate_key_is_refused_because_readers_disagree_on_which_counts():
    with pytest.raises(CertificateError, match='duplicate key "a"'):
        parse_json(b'{"a":1,"b":2,"a":1}')


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"{", b"[" * 100_000], ids=["empty", "encoding", "cut", "deep"]
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(CertificateError, match="is not JSON"):
        parse_json(text)
