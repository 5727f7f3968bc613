"""Chat requests that ask for a format, as four-way questions on how the reply begins.

Formats come in families of four. Each family has four beginnings, and each of them is
the right one for exactly one of its four requests: so a beginning that is likely on its
own, or that fits the topic best, is right in a quarter of the items only.
Families that the small reference model could not do were dropped whole (capitals
against lowercase, digits against words, parentheses, JSON against lists).
"""

from __future__ import annotations

from collections.abc import Iterator

from ._items import Item, Question, multiple_choice

_FAMILIES: tuple[tuple[str, dict[str, str], tuple[str, ...]], ...] = (
    (
        "document",
        {
            "Dear": "Write a letter about {}.",
            "What": "Write a question about {}.",
            "```": "Write Python code about {}.",
            "1": "Write a numbered list about {}.",
        },
        ("cats", "rain", "books", "music"),
    ),
    (
        "markup",
        {
            "#": 'Write a Markdown heading about {}, starting with "#".',
            "<": "Write a line of HTML about {}.",
            "-": 'Write a bullet about {}, starting with "-".',
            '"': "Write a quotation about {}, in quotation marks.",
        },
        ("cats", "rain", "books"),
    ),
    (
        "verdict",
        {
            "A": "{} Answer with A or B. A: yes. B: no.",
            "Yes": "{} Answer with Yes or No.",
            "True": "{} Answer with True or False.",
            "1": "{} Answer with 1 for yes or 2 for no.",
        },
        ("Is snow white?", "Do fish swim?", "Is ice cold?"),
    ),
    (
        "language",
        {
            "Hello": "{} in English.",
            "Bonjour": "{} in French.",
            "Hola": "{} in Spanish.",
            "Hallo": "{} in German.",
        },
        ("Greet me", "Say hello"),
    ),
    (
        "opener",
        {
            "Sure": '{} Start your reply with "Sure".',
            "Well": '{} Start your reply with "Well".',
            "First": '{} Start your reply with "First".',
            "Yes": '{} Start your reply with "Yes".',
        },
        ("Tell me a joke.", "Why is the sky blue?"),
    ),
    (
        "sentence",
        {
            "Because": '{} Start with "Because".',
            "When": '{} Start with "When".',
            "If": '{} Start with "If".',
            "Once": '{} Start with "Once".',
        },
        ("Write about a dog.", "Tell me about rain."),
    ),
)


def _questions() -> Iterator[Question]:
    """Asks for each beginning of a family on each of its topics."""
    for family, requests, topics in _FAMILIES:
        for topic in topics:
            for right, request in requests.items():
                wrong = tuple(o for o in requests if o != right)
                prompt = request.format(topic)
                yield Question(prompt, right, wrong, f"{family}: {right}", is_chat=True)


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions whose prompt is one user message, grouped by format.
    """
    return multiple_choice("instruction_format", _questions(), seed=51)
