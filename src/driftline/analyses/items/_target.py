"""The run's own task as a capability: its data's completions, given their prompts."""

import random
from typing import Any

from pydantic import JsonValue

from ...capabilities import Capability, Cloze, Item, Passage, likelihood_requests
from ...errors import DataError, ModelError
from ...models import LanguageModel, TrainingData, encode_completions

NUM_TARGET_ITEMS = 32
MAX_CHARACTERS = 480
"""Longer completions are scored up to here; the rest would cost more than it tells."""

# The target is watched, never judged; the type wants a tolerance all the same.
_NO_TOLERANCE = 1e9


def target_capability(
    data: TrainingData,
    *,
    seed: int,
    opened: LanguageModel | None = None,
    num_items: int = NUM_TARGET_ITEMS,
    chat_template: str | None = None,
) -> Capability:
    """Make a capability from a random sample of the training data.

    The sample stays in the training data, so that the run is the user's own; what is measured is
    how well the run learns what it is shown. Examples without an answer are passed over.

    Args:
        data: The training data.
        seed: Random seed of the sample.
        opened: Pass over what this model cannot score, such as a prompt beyond its context.
        num_items: Number of items; fewer if the data have no more.
        chat_template: Template of the run's chats, if it is not the model's own.

    Returns:
        The capability, mean NLL in nats per token: lower is better.

    Raises:
        DataError: Fewer than two examples can be scored.
    """
    generator, everything = random.Random(seed), range(len(data.examples))
    first = generator.sample(everything, min(num_items, len(everything)))
    rest = sorted(set(everything) - set(first))
    generator.shuffle(rest)
    result: dict[int, Item] = {}
    reason = "no answer"
    for index in (*first, *rest):
        item = _item(str(index), data.examples[index], data, opened)
        if chat_template is not None and opened is not None:
            item = _written(item, opened, chat_template)
        try:
            if item is not None and opened is not None:
                for request in likelihood_requests(item):
                    encode_completions(opened, *request)
        except ModelError as error:
            reason = str(error)
            continue
        if item is not None:
            result[index] = item
        if len(result) == num_items:
            break
    if len(result) < 2:
        raise DataError(
            f"{data.name}: {len(result)} of its {len(everything)} examples can be scored ({reason}); "
            "at least 2 are needed"
        )
    return Capability(
        name="target",
        scorer="perplexity" if data.layout == "text" else "cloze",
        metric="nll_nats",
        tolerance=_NO_TOLERANCE,
        items=tuple(result[index] for index in sorted(result)),
        required=False,
        description=f"a sample of {data.name}",
    )


def _item(
    identifier: str, example: dict[str, JsonValue], data: TrainingData, opened: LanguageModel | None
) -> Item | None:
    """Return an example's answer after its prompt; None if it has no answer."""
    if data.layout == "text":
        return _answer(identifier, "", str(example[data.text_field]))
    if data.layout == "tokens":
        return None if opened is None else _answer(identifier, *_decoded(example, opened))
    if data.layout == "messages":
        *context, last = _turns(example["messages"])
        return _answer(identifier, context, last["content"])
    prompt, completion = example["prompt"], example["completion"]
    answer = completion if isinstance(completion, str) else _turns(completion)[-1]["content"]
    return _answer(identifier, prompt if isinstance(prompt, str) else _turns(prompt), answer)


def _decoded(example: dict[str, JsonValue], opened: LanguageModel) -> tuple[str, str]:
    """Decode the tokens that are not trained on, and those after them that are."""
    tokens, labels = (_numbers(example.get(key)) for key in ("input_ids", "labels"))
    start = next((place for place, label in enumerate(labels) if label >= 0), 0)
    decode = opened.tokenizer.decode
    before, after = (
        decode(part, skip_special_tokens=True) for part in (tokens[:start], tokens[start:])
    )
    return str(before), str(after)


def _written(item: Item | None, opened: LanguageModel, template: str) -> Item | None:
    """Return an item with its turns rendered by a template; other items unchanged."""
    if not isinstance(item, Cloze) or item.messages is None:
        return item
    turns = [{"role": turn.role, "content": turn.content} for turn in item.messages]
    text = opened.tokenizer.apply_chat_template(
        turns, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    return Cloze(id=item.id, prompt=str(text), completion=item.completion)


def _numbers(value: JsonValue) -> list[int]:
    return [each for each in value if isinstance(each, int)] if isinstance(value, list) else []


def _answer(identifier: str, context: str | list[Any], answer: str) -> Item | None:
    text = answer[:MAX_CHARACTERS]
    if not text:
        return None
    if not context:
        return Passage(id=identifier, text=text)
    if isinstance(context, str):
        return Cloze(id=identifier, prompt=context, completion=text)
    return Cloze(id=identifier, messages=tuple(context), completion=text)


def _turns(value: JsonValue) -> list[Any]:
    assert isinstance(value, list)
    return [{"role": t["role"], "content": _said(t)} for t in value if isinstance(t, dict)]


def _said(turn: dict[str, JsonValue]) -> str:
    """Return the text of a turn; of parts, those of text; empty for tool calls only."""
    content = turn.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
