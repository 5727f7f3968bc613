"""A name for what an item asks, which its id, its group and its spelling do not change."""

from pydantic import JsonValue

from ...capabilities import (
    Alternatives,
    Cloze,
    Generation,
    Item,
    MinimalPair,
    MultipleChoice,
    Passage,
    options_of,
)
from ...provenance import digest_value

_DIGITS = 16


def item_key(item: Item) -> str:
    """Name an item by what it asks, and which answer is right.

    Ids, groups, the order of options, and how much white space stands where do not count, nor if a prompt is
    a text or the one message of a user.

    Args:
        item: Of any scorer.

    Returns:
        The first 16 hex digits of the SHA-256 of its content.
    """
    content: list[JsonValue] = [_context(item), _right(item), list[JsonValue](_wrong(item))]
    return digest_value(content).removeprefix("sha256:")[:_DIGITS]


def _context(item: Item) -> JsonValue:
    if not isinstance(item, MultipleChoice | Cloze | Generation):
        return None
    context = item.context()
    if isinstance(context, str):
        return _plain(context)
    texts: list[JsonValue] = [_plain(message["content"]) for message in context]
    if len(texts) == 1 and context[0]["role"] == "user":
        return texts[0]
    return [[message["role"], text] for message, text in zip(context, texts, strict=True)]


def _right(item: Item) -> str:
    match item:
        case MultipleChoice() | Alternatives() | MinimalPair():
            options = options_of(item)
            assert options is not None
            return _plain(options.texts[options.right])
        case Cloze():
            return _plain(item.completion)
        case Passage():
            return _plain(item.text)
        case Generation():
            return _plain(item.answer)


def _wrong(item: Item) -> list[str]:
    """Return the other options, in the order of the alphabet."""
    options = options_of(item)
    if options is None:
        return []
    return sorted(_plain(t) for i, t in enumerate(options.texts) if i != options.right)


def _plain(text: str) -> str:
    return " ".join(text.split())
