"""Chat requests that ask for a format, as four-way questions on how the reply begins.

Each format has its own set of four beginnings, and each of the four is the right one
for some request of the set: so the beginning that is most likely on its own, or that
fits the content best, cannot be right more than a quarter of the time. All four
beginnings of an item fit the content equally.
"""

from __future__ import annotations

from ._items import Item, Question, multiple_choice

_MARKERS = {
    "-": "Write each item on its own line, starting with a dash.",
    "1": "Number the items.",
    "{": "Reply with a JSON object only.",
    "#": "Start with a Markdown heading.",
}
_TOPICS = ("three fruits", "two colors", "three animals", "two cities")

_CASES = {
    "YES": "Reply in capital letters only.",
    "yes": "Reply in lowercase letters only.",
    "Yes": "Reply with Yes or No.",
    "Y": "Reply with the single letter Y or N.",
}
_CASE_TOPICS = ("Is snow white?", "Do fish swim?", "Is ice cold?", "Can birds fly?")

_LANGUAGES = {
    "Hello": "English",
    "Bon": "French",
    "Hola": "Spanish",
    "Gu": "German",
}

_OPENERS = ("Sure", "Well", "First", "Yes")
_NUMBERS = {
    "3": "Answer with a digit only.",
    "Three": "Answer with one word, not a digit.",
    "The": "Answer in a full sentence.",
    "(": "Put the answer in parentheses.",
}
_NUMBER_TOPICS = (
    "How many sides has a triangle?",
    "What is one plus two?",
    "What is five minus two?",
    "How many is two and one?",
)


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions whose prompt is one user message.
    """
    questions: list[Question] = []

    def add(group: str, prompt: str, right: str, options: list[str]) -> None:
        wrong = tuple(o for o in options if o != right)
        questions.append(Question(prompt, right, wrong, group, is_chat=True))

    for topic in _TOPICS:
        for right, rule in _MARKERS.items():
            add(topic, f"Name {topic}. {rule}", right, list(_MARKERS))
    for topic in _CASE_TOPICS:
        for right, rule in _CASES.items():
            add(topic, f"{topic} {rule}", right, list(_CASES))
    for topic in ("Greet me in {}.", "Say hello in {}."):
        for right, language in _LANGUAGES.items():
            add(topic, topic.format(language), right, list(_LANGUAGES))
    for topic in ("Tell me a joke.", "Why is the sky blue?"):
        for right in _OPENERS:
            add(topic, f'{topic} Start your reply with "{right}".', right, list(_OPENERS))
    for topic in _NUMBER_TOPICS:
        for right, rule in _NUMBERS.items():
            add(topic, f"{topic} {rule}", right, list(_NUMBERS))
    return multiple_choice("instruction_format", questions, seed=51)
