"""The shipped suites as files: a YAML head and one JSONL file a capability."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import arithmetic, chat, induction
from ._items import Item, choice_items, mirrored_pairs, passages, template_sets

OPTION_METRIC = "probability"
"""The metric of capabilities with options."""
OPTION_TOLERANCE = "3 points"
"""The loss of `OPTION_METRIC` that is accepted by default."""
TEXT_METRIC = "nll_nats"
"""The metric of texts."""
TEXT_TOLERANCE = "5%"
"""The loss of `TEXT_METRIC` that is accepted by default."""
TEXTS_ARE_REQUIRED = False
"""A likelihood without bounds can be shown to be lost, but never certified as retained."""


class Entry(NamedTuple):
    """One capability of a suite's YAML file.

    Attributes:
        name: Its name; the items lie in a file of the same name.
        scorer: How its items are scored.
        description: One line for people.
        items: Builds its items.
    """

    name: str
    scorer: str
    description: str
    items: Callable[[], list[Item]]


def _pairs(name: str, description: str, prefix: str = "") -> Entry:
    return Entry(name, "minimal_pair", description, lambda: mirrored_pairs(name, prefix))


def _text(name: str, description: str) -> Entry:
    return Entry(name, "perplexity", description, lambda: passages(name, seed=71))


def _choice(name: str, description: str, items: Callable[[], list[Item]]) -> Entry:
    return Entry(name, "multiple_choice", description, items)


def _world_facts() -> list[Item]:
    return choice_items("world_facts", template_sets("world_facts"), seed=11, space=" ")


def _code() -> list[Item]:
    sets = template_sets("code", separator=" ||| ", equals="=>")
    lines = (s._replace(prompts=_lines(s.prompts), answers=_lines(s.answers)) for s in sets)
    return choice_items("code", lines, seed=41)


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    r"""Read \n as a line break and \\n as the two characters of a string literal."""
    return tuple(
        text.replace("\\\\n", "\0").replace("\\n", "\n").replace("\0", "\\n") for text in texts
    )


CORE = (
    _pairs("grammar_pairs", "English grammar: agreement, verb forms, pronouns, word order."),
    _choice("world_facts", "Common knowledge: geography, science, animals, words.", _world_facts),
    _choice("arithmetic", "Sums, differences, products and number series.", arithmetic.items),
    _choice("induction", "Copying from the context: lists, pairs, echoes.", induction.items),
    _choice("code", "Continuing short programs, above all in Python.", _code),
    _pairs("french", "French grammar: agreement, gender, conjugation, pronouns.", "Exemple : "),
    _pairs("german", "German grammar: agreement, case, gender, word order.", "Beispiel: "),
    _pairs("commonsense_pairs", "Plausible against implausible everyday statements."),
    _text("english_text", "Short English passages in many registers."),
    _text("french_text", "Short French passages in many registers."),
    _text("german_text", "Short German passages in many registers."),
    _text("spanish_text", "Short Spanish passages in many registers."),
)

CORE_CHAT = (
    _choice(
        "instruction_format",
        "Chat replies that begin in the format that the user asked for.",
        chat.instruction_format,
    ),
    _choice(
        "instruction_following",
        "Short chat replies that meet the request's constraint.",
        chat.instruction_following,
    ),
    _choice(
        "refusals",
        "Refusing harmful requests, and answering harmless ones that resemble them.",
        chat.refusals,
    ),
)

SUITES = {"core": CORE, "core-chat": CORE_CHAT}
"""The entries of each suite that this package writes."""

_HEADS = {
    "core": "# Capabilities of a language model that is not asked through a chat template.\n",
    "core-chat": "# Capabilities of a chat model; every prompt is rendered by its chat template.\n",
}
_NOTE = """\
# All texts are our own. Written by `python -m scripts.suites`; edit its tables, not this file.
# tolerance: the loss that is accepted, in the metric's unit.
schema: driftline/suite/1
capabilities:
"""


def _yaml(suite: str, entries: Iterable[Entry]) -> str:
    """Write the head of a suite; plain scalars, so no YAML library is needed."""
    lines: list[str] = []
    for entry in entries:
        is_text = entry.scorer == "perplexity"
        lines.append(
            f"  - name: {entry.name}\n"
            f'    description: "{entry.description}"\n'
            f"    scorer: {entry.scorer}\n"
            f"    metric: {TEXT_METRIC if is_text else OPTION_METRIC}\n"
            f"    tolerance: {TEXT_TOLERANCE if is_text else OPTION_TOLERANCE}\n"
            f"    required: {str(TEXTS_ARE_REQUIRED or not is_text).lower()}\n"
            f"    items: {suite}/{entry.name}.jsonl\n"
        )
    return _HEADS[suite] + _NOTE + "".join(lines)


def files_of_suites() -> dict[str, bytes]:
    """Build every file of the suites.

    Returns:
        The bytes (UTF-8) of each file by its path, relative to the suites' folder.
    """
    texts: dict[str, str] = {}
    for suite, entries in SUITES.items():
        texts[f"{suite}.yaml"] = _yaml(suite, entries)
        for entry in entries:
            lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in entry.items())
            texts[f"{suite}/{entry.name}.jsonl"] = "".join(lines)
    return {path: text.encode() for path, text in texts.items()}
