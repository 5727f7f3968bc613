"""Damaged copies of a valid file, drawn with a seed: the shapes that break readers."""

import copy
import json
import random
from collections.abc import Iterator

NASTY_TEXT = (
    "1" * 5000, "-" + "9" * 309, "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "[" * 100_000,
    '{"a":' * 5000, "[" * 150 + "]" * 150, r'"\ud800"', r'"\udc00x"', r'"\u0000"', '"\x00"', "",
    '"\x1b[2J"', '{"a": 1, "a": 2}', "\ufeff", "nul", "--1", "0x" + "f" * 5000, "&a [*a]", "!!set 1",
    "1e400", '{"": null}', '"' + "x" * 300 + '"',
)  # fmt: skip
"""What is put in the place of a value, or anywhere."""

NASTY_VALUES = (
    None, True, False, 0, -1, 10**30, 10**300, 0.5, -1e308, "", "\x00", "\x1b[31m\u202e\u2028", "x" * 300,
    "5", "9" * 5000, "nan", [], {}, [[]], [None], {"a": 1}, [{"a": [1]}], ["x", 1], "../../etc/passwd",
)  # fmt: skip
"""What a value is retyped to."""


def damaged_bytes(content: bytes, *, seed: int, count: int) -> Iterator[bytes]:
    """Cut, flip, repeat and fill with what no reader expects; knows nothing of the format."""
    draw = random.Random(seed)
    yield b""
    yield b"\xef\xbb\xbf" + content
    yield content.decode("latin-1").encode("utf-16")
    yield content + b"\x00"
    for _ in range(count):
        at = draw.randrange(len(content) + 1)
        match draw.randrange(5):
            case 0:
                yield content[:at]
            case 1:
                changed = bytearray(content)
                for _ in range(draw.randrange(1, 9)):
                    changed[draw.randrange(len(content))] = draw.randrange(256)
                yield bytes(changed)
            case 2:
                nasty = draw.choice(NASTY_TEXT).encode("utf-8", "surrogatepass")
                yield content[:at] + nasty + content[at:]
            case 3:
                end = min(len(content), at + draw.randrange(1, 60))
                yield content[:at] + content[end:]
            case _:
                end = min(len(content), at + draw.randrange(1, 60))
                yield content[:end] + content[at:end] + content[end:]


def damaged_json(content: bytes, *, seed: int, count: int) -> Iterator[bytes]:
    """Retype, drop and repeat values of a JSON document, and put texts of no kind in their place."""
    draw = random.Random(seed)
    document = json.loads(content)
    mark = "@@here@@"
    for _ in range(count):
        changed = copy.deepcopy(document)
        places = list(_places(changed))
        if not places:
            return
        holder, key = draw.choice(places)
        match draw.randrange(4):
            case 0:
                del holder[key]
            case 1:
                holder[key] = mark
                nasty = draw.choice(NASTY_TEXT)
                text = json.dumps(changed).replace(f'"{mark}"', nasty)
                yield text.encode("utf-8", "surrogatepass")
                continue
            case _:
                holder[key] = copy.deepcopy(draw.choice(NASTY_VALUES))
        yield json.dumps(changed).encode()


def _places(value) -> Iterator[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(inner):
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)
