"""The suite `core` as files: the YAML head and one JSONL file a capability."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import (
    arithmetic,
    code,
    commonsense_pairs,
    english_text,
    french,
    german,
    grammar_pairs,
    induction,
    instruction_format,
    world_facts,
)
from ._items import Item


class _Capability(NamedTuple):
    """One entry of the suite's YAML file; the name of its module is its own."""

    name: str
    scorer: str
    metric: str
    tolerance: float
    description: str
    items: Callable[[], list[Item]]


def _pairs(name: str, description: str, items: Callable[[], list[Item]]) -> _Capability:
    return _Capability(name, "minimal_pair", "margin_nats", 0.25, description, items)


def _choice(name: str, description: str, items: Callable[[], list[Item]]) -> _Capability:
    return _Capability(name, "multiple_choice", "margin_nats", 0.25, description, items)


_CAPABILITIES = (
    _pairs(
        "grammar_pairs",
        "English grammar: agreement, reflexives, word order, determiners, verb forms.",
        grammar_pairs.items,
    ),
    _choice(
        "world_facts",
        "Common knowledge: capitals, languages, science, animals, authors, history.",
        world_facts.items,
    ),
    _choice(
        "arithmetic",
        "Small sums, differences, products and number patterns.",
        arithmetic.items,
    ),
    _choice(
        "induction",
        "Copying from the context: repeated lists and pairs, echoes.",
        induction.items,
    ),
    _choice(
        "instruction_format",
        "Chat replies that begin in the format that the user asked for.",
        instruction_format.items,
    ),
    _choice(
        "code",
        "Python: the word or sign that continues a short snippet correctly.",
        code.items,
    ),
    _pairs(
        "french",
        "French grammar: agreement, gender, conjugation, prepositions, pronouns.",
        french.items,
    ),
    _pairs(
        "german",
        "German grammar: agreement, case, gender, word order, verb forms.",
        german.items,
    ),
    _pairs(
        "commonsense_pairs",
        "Plausible against implausible everyday statements.",
        commonsense_pairs.items,
    ),
    _Capability(
        "english_text",
        "perplexity",
        "nll_nats",
        0.1,
        "Short English paragraphs in many registers and on many topics.",
        english_text.items,
    ),
)

_HEAD = """\
# The shipped suite: ten capabilities, all texts our own.
# Written by `python -m scripts.suites`; edit the tables there, not this file.
# tolerance: the loss that is accepted, in the metric's unit (nats). margin_nats is
# the log-likelihood of the right option minus that of the best wrong one, clipped to
# [-5, 5]; nll_nats is the mean negative log-likelihood of a token.
schema: driftline/suite/1
capabilities:
"""


def _yaml(capabilities: Iterable[_Capability]) -> str:
    """Writes the head of the suite; plain scalars, so no YAML library is needed."""
    entries = [
        f"  - name: {c.name}\n"
        f'    description: "{c.description}"\n'
        f"    scorer: {c.scorer}\n"
        f"    metric: {c.metric}\n"
        f"    tolerance: {c.tolerance}\n"
        f"    required: true\n"
        f"    items: core/{c.name}.jsonl\n"
        for c in capabilities
    ]
    return _HEAD + "".join(entries)


def _jsonl(items: Iterable[Item]) -> str:
    """Writes one JSON object a line.

    Returns:
        The text of a JSONL file.

    Raises:
        ValueError: If two items hold the same content.
    """
    lines: list[str] = []
    contents: set[str] = set()
    for item in items:
        content = json.dumps({k: v for k, v in item.items() if k != "id"}, sort_keys=True)
        if content in contents:
            raise ValueError(f"duplicate item {item['id']}")
        contents.add(content)
        lines.append(json.dumps(item, ensure_ascii=False) + "\n")
    return "".join(lines)


def files_of_suite() -> dict[str, bytes]:
    """Builds every file of the suite.

    Returns:
        The bytes (UTF-8) of each file by its path, relative to the suites' folder.
    """
    texts = {"core.yaml": _yaml(_CAPABILITIES)}
    for capability in _CAPABILITIES:
        texts[f"core/{capability.name}.jsonl"] = _jsonl(capability.items())
    return {path: text.encode() for path, text in texts.items()}
