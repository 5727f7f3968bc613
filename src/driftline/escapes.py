r"""Text made safe for a terminal: what cannot be printed is spelled as an escape of JSON.

Control characters (C0, DEL, C1), bidirectional overrides, and Unicode's own line breaks can move the
cursor, recolour or reorder what a terminal shows. Spelled as `\u001b` they are seen, and a JSON
document keeps its value, because JSON has such characters inside its strings alone.
"""

import unicodedata


def visible(text: str, *, keep: str = "\n\t") -> str:
    r"""Replace every unprintable character by a JSON escape.

    >>> visible("\x1b[2JPASS")
    '\\u001b[2JPASS'
    >>> visible("two\nlines", keep="")
    'two\\u000alines'

    Args:
        text: Any text; half a surrogate pair, as names that are not UTF-8 hold, is spelled too.
        keep: Control characters that stay.

    Returns:
        The text.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or is_printable(c) else json_escape(c) for c in text)


def replaced(text: str, *, keep: str = "\n\t") -> str:
    """Replace every unprintable character by a replacement character.

    Args:
        text: Text for a report, where an escape would only be read as noise.
        keep: Control characters that stay.

    Returns:
        The text.
    """
    if text.isprintable():
        return text
    mark = "\N{REPLACEMENT CHARACTER}"
    return "".join(c if c in keep or is_printable(c) else mark for c in text)


def is_printable(character: str) -> bool:
    """Tell whether a character shows as a glyph or a space of any width."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def json_escape(character: str) -> str:
    """Return a character as JSON escapes it, in UTF-16 units."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
