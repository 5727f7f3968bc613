"""The run's own task as a capability: its data's completions, given their prompts."""

import random
from typing import Any

from pydantic import JsonValue

from ..capabilities import Capability, Cloze, Item, Passage
from ..models import TrainingData

NUM_TARGET_ITEMS = 32
MAX_CHARACTERS = 480
"""Longer completions are scored up to here; the rest would cost more than it tells."""

# The target is watched, never judged; the type wants a tolerance all the same.
_NO_TOLERANCE = 1e9


def target_capability(data: TrainingData, *, seed: int) -> Capability:
    """A capability from a random sample of the training data.

    The sample stays in the training data, so that the run is the user's own; what is measured is
    how well the run learns what it is shown.

    Args:
        data: The training data.
        seed: Of the sample.

    Returns:
        The capability, mean NLL in nats per token: lower is better.
    """
    chosen = random.Random(seed).sample(
        range(len(data.examples)), min(NUM_TARGET_ITEMS, len(data.examples))
    )
    items = tuple(_item(str(index), data.examples[index]) for index in sorted(chosen))
    is_text = data.layout == "text"
    return Capability(
        name="target",
        scorer="perplexity" if is_text else "cloze",
        metric="nll_nats",
        tolerance=_NO_TOLERANCE,
        items=items,
        required=False,
        description=f"a sample of {data.name}",
    )


def _item(identifier: str, example: dict[str, JsonValue]) -> Item:
    if "text" in example:
        return Passage(id=identifier, text=str(example["text"])[:MAX_CHARACTERS])
    if "messages" in example:
        *context, last = _turns(example["messages"])
        completion = last["content"][:MAX_CHARACTERS]
        return Cloze(id=identifier, messages=tuple(context), completion=completion)
    prompt, completion = example["prompt"], example["completion"]
    if isinstance(prompt, str):
        return Cloze(id=identifier, prompt=prompt, completion=str(completion)[:MAX_CHARACTERS])
    answer = _turns(completion)[-1]["content"][:MAX_CHARACTERS]
    return Cloze(id=identifier, messages=tuple(_turns(prompt)), completion=answer)


def _turns(value: JsonValue) -> list[Any]:
    assert isinstance(value, list)
    return [{"role": t["role"], "content": t["content"]} for t in value if isinstance(t, dict)]
