"""Replay: some of the training examples give way to others that keep the base what it is."""

import math
import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from ....errors import ConfigError
from ....provenance import digest_bytes
from ...language_model import LanguageModel, ScoringOptions
from ...scoring import encode_prompt, sample_texts
from ..config import TrainingConfig
from ..data import Example, TrainingData, json_lines, read_training_data
from ._levers import SELF, Levers

_LONGEST = 256
"""Tokens of a text that the base writes, at the most."""
_USER = "\N{WHITE SQUARE}"
"""Stands for what a user says, to see what a chat template puts around it."""


def with_replay(
    opened: LanguageModel,
    config: TrainingConfig,
    data: TrainingData,
    *,
    levers: Levers,
    num_steps: int,
) -> TrainingData:
    """Return the training data with a share replaced by replay.

    As many examples as before come out, in the same order but for those that gave way, so that an epoch has
    as many batches as it had. With packing their number follows from the tokens; the caller sets
    `max_steps`, and the compute is equal.

    Args:
        opened: The base, which writes the replay where its source is `self`; it is not changed.
        config: Its seed decides what is replaced, and what is written.
        data: The user's data.
        levers: With `replay_share` and `replay_source`.
        num_steps: Optimiser steps of the run: the base writes no more than they can see. What it
            writes stands in the data as often as the share needs.

    Returns:
        The mixture; the data as they are where nothing is replayed.

    Raises:
        ConfigError: The share is less than one example, or the file has another layout.
    """
    if not levers.replay_share:
        return data
    if data.layout == "tokens":
        raise ConfigError(
            f"levers: replay_share: {data.name} is tokenised already, and replay is text; give texts or "
            "chats"
        )
    num_replaced = round(levers.replay_share * len(data.examples))
    if not 1 <= num_replaced < len(data.examples):
        raise ConfigError(
            f"levers: replay_share: {levers.replay_share} of {len(data.examples)} examples is "
            f"{num_replaced}; it must leave and replace at least one"
        )
    chance = random.Random(_whole(config, "seed"))
    places = chance.sample(range(len(data.examples)), num_replaced)
    if levers.replay_source == SELF:
        rows = _whole(config, "per_device_train_batch_size")
        seen = num_steps * rows * _whole(config, "gradient_accumulation_steps")
        if config.value("packing"):
            seen *= math.ceil(_whole(config, "max_length") / mean_tokens(opened, data))
        requested = min(num_replaced, math.ceil(levers.replay_share * seen))
        replay = self_replay(opened, config, data, requested)
    else:
        replay = list(_file_replay(Path(levers.replay_source), config, data))
        chance.shuffle(replay)
    examples = list(data.examples)
    for number, place in enumerate(places):
        examples[place] = replay[number % len(replay)]
    content = json_lines(examples)
    return TrainingData(
        data.name,
        data.layout,
        tuple(examples),
        digest_bytes(content),
        is_chat=data.is_chat,
        text_field=data.text_field,
        notes=data.notes,
    )


def self_replay(
    opened: LanguageModel, config: TrainingConfig, data: TrainingData, num: int
) -> list[dict[str, JsonValue]]:
    """Generate examples with the base, in the layout of the data and about as long.

    Texts follow the beginning of text. In a chat the base first writes what a user says, after what its
    template puts before it, and then the answer.

    Args:
        opened: The base; it is not changed.
        config: Its seed and numerics.
        data: Data with the layout and length to follow.

    Returns:
        The examples; the same for the same seed, on the same machine.

    Raises:
        ConfigError: The base writes nothing but empty texts.
    """
    options = ScoringOptions(bfloat16=bool(config.values.get("bf16", True)))
    length = min(_LONGEST, max(8, round(mean_tokens(opened, data))))
    is_chat = data.is_chat
    prompt = _user_prefix(opened) if is_chat else encode_prompt(opened, "")
    result: list[dict[str, JsonValue]] = []
    for attempt in range(4):
        texts = sample_texts(
            opened,
            [prompt] * (num - len(result)),
            options,
            max_new_tokens=length,
            seed=_whole(config, "seed") + attempt,
        )
        texts = [text for text in texts if text.strip()]
        result += (
            _as_chats(opened, data, texts, options, length)
            if is_chat
            else [
                {data.text_field: text}
                if data.layout == "text"
                else {"prompt": "", "completion": text}
                for text in texts
            ]
        )
        if len(result) >= num:
            return result
    if not result:
        raise ConfigError(
            f"levers: replay_source: {opened.source} writes only empty texts; give a file of replay"
        )
    return result


def _whole(config: TrainingConfig, name: str) -> int:
    """Return an integer of TRL's; null means no limit, for which the longest text is the limit."""
    value = config.value(name)
    return value if isinstance(value, int) else _LONGEST


def _as_chats(
    opened: LanguageModel,
    data: TrainingData,
    request: list[str],
    options: ScoringOptions,
    length: int,
) -> list[dict[str, JsonValue]]:
    turns: list[dict[str, str]] = [{"role": "user", "content": text} for text in request]
    prompts = [encode_prompt(opened, [turn]) for turn in turns]
    answers = sample_texts(opened, prompts, options, max_new_tokens=length, seed=len(request))
    result: list[dict[str, JsonValue]] = []
    for turn, answer in zip(turns, answers, strict=True):
        if not answer.strip():
            continue
        said: list[JsonValue] = [dict(turn)]
        reply: list[JsonValue] = [{"role": "assistant", "content": answer}]
        if data.layout == "messages":
            result.append({"messages": said + reply})
        else:
            result.append({"prompt": said, "completion": reply})
    return result


def _user_prefix(opened: LanguageModel) -> tuple[int, ...]:
    """Return the tokens that the chat template puts before a user's first message."""
    if opened.tokenizer.chat_template is None:
        raise ConfigError(
            f"levers: replay_source: {opened.source} has no chat template to write a chat by; give "
            "a file of replay"
        )
    try:
        text = opened.tokenizer.apply_chat_template(
            [{"role": "user", "content": _USER}], tokenize=False
        )
    except Exception as error:
        # A template is its author's program, which may fail in any way.
        raise ConfigError(
            f"levers: replay_source: {opened.source}: its chat template refuses what a user says "
            f"({str(error) or type(error).__name__}); give a file of replay"
        ) from error
    before = text.partition(_USER)[0]
    return tuple(opened.tokenizer(before, add_special_tokens=False)["input_ids"])


def _file_replay(path: Path, config: TrainingConfig, data: TrainingData) -> Sequence[Example]:
    replay = read_training_data(path, config=config)
    kinds = [(each.layout, each.is_chat) for each in (replay, data)]
    if kinds[0] != kinds[1]:
        said = [
            f"{layout}{' of chats' if is_chat and layout != 'messages' else ''}"
            for layout, is_chat in kinds
        ]
        raise ConfigError(
            f"levers: replay_source: {path}: has {said[0]} where {data.name} has {said[1]}; both need one "
            "layout"
        )
    return replay.examples


def mean_tokens(opened: LanguageModel, data: TrainingData) -> float:
    """Return the mean number of tokens of the first 64 examples, without markup."""
    if data.layout == "tokens":
        sizes = [len(_listed(example["input_ids"])) for example in data.examples[:64]]
        return max(1.0, sum(sizes) / len(sizes))
    texts = [" ".join(_texts(list(example.values()))) for example in data.examples[:64]]
    lengths = [len(tokens) for tokens in opened.tokenizer(texts)["input_ids"]]
    return max(1.0, sum(lengths) / len(lengths))


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _texts(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return _texts(value.get("content", value.get("text", ""))) if isinstance(value, dict) else []
