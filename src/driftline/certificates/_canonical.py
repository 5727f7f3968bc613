"""JSON with one spelling a value, so that bytes can be signed and compared. Source: RFC 8785."""

import rfc8785
from pydantic import JsonValue

from ..errors import CertificateError
from ..parsing import NotJsonError, json_value

_EXACT = 2**53
"""Below it every whole number is a double, and so a number of JSON."""
_LONGEST = len("-999999999999999900000")
"""The longest that a double is spelled without an exponent."""


def canonical_json(value: JsonValue) -> bytes:
    """Return the canonical JSON of a value: sorted keys, shortest numbers, no white space, UTF-8.

    1.0 and 1 are one number in JSON, so they are spelled alike. Cost: linear in the text, but for
    sorting keys. Source: RFC 8785, the JSON Canonicalization Scheme.

    >>> canonical_json({"b": 1.0, "a": 1e21})
    b'{"a":1e+21,"b":1}'

    Args:
        value: The value.

    Returns:
        Its text.

    Raises:
        CertificateError: It has no such text: NaN, infinity, an integer beyond 2^53, half a
            surrogate pair, or nesting beyond the interpreter's stack.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise CertificateError(f"has no canonical JSON ({error})") from None


def parse_json(content: bytes) -> JsonValue:
    """Parse a JSON text of any spelling.

    Args:
        content: UTF-8 text.

    Returns:
        The value.

    Raises:
        CertificateError: It is not JSON, or has a duplicate key.
    """
    try:
        return json_value(content, parse_int=_integer)
    except NotJsonError as error:
        raise CertificateError(f"is not JSON ({error})") from None


def _integer(text: str) -> int | float:
    """Parse an integer; beyond 2^53 it is a double, if the text spells one exactly."""
    value = int(text)
    if abs(value) < _EXACT or len(text) > _LONGEST:
        return value
    number = float(text)
    return number if rfc8785.dumps(number) == text.encode() else value


def parse_canonical_json(content: bytes) -> JsonValue:
    """Parse a text that must be the canonical JSON of its value.

    A key that stands twice, white space, or another spelling of a number is refused.

    >>> parse_canonical_json(b'{"a":1.0}')
    Traceback (most recent call last):
    ...
    driftline.errors.CertificateError: is JSON, but not in its canonical form (RFC 8785)

    Args:
        content: The text.

    Returns:
        The value.

    Raises:
        CertificateError: It is not JSON, or not canonical.
    """
    value = parse_json(content)
    if canonical_json(value) != content:
        raise CertificateError("is JSON, but not in its canonical form (RFC 8785)")
    return value
