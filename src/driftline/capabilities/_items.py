"""The items of a capability, one kind a scorer, each checked as it is read."""

import difflib
from collections.abc import Hashable, Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Message(_Strict):
    """One turn of a chat."""

    role: Text
    content: str


class _Item(_Strict):
    id: Text
    group: str | None = None
    """Items that share a source share a group; intervals treat the group as one draw."""


class Prompted(_Item):
    """A base of items that begin with a prompt, or with messages of a chat."""

    prompt: Text | None = None
    messages: Annotated[tuple[Message, ...], Field(strict=False)] | None = None
    """Instead of a prompt; rendered with the model's chat template."""

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs either prompt or messages")
        if self.messages is not None and not self.messages:
            raise ValueError("messages is empty")
        return self

    def context(self) -> str | list[dict[str, str]]:
        """Return the prompt as a text, or as messages for a chat template."""
        if self.messages is not None:
            return [message.model_dump() for message in self.messages]
        assert self.prompt is not None
        return self.prompt


def _check_answer(answer: int, options: Sequence[Hashable], name: str) -> None:
    """Refuse an answer that is not there, and options that no model can tell apart."""
    if answer >= len(options):
        raise ValueError(f"answer {answer} with {len(options)} {name} (0 is first)")
    if len(set(options)) < len(options):
        raise ValueError(f"two {name} are the same")


class MultipleChoice(Prompted):
    """A prompt with several continuations, one of them right."""

    choices: Annotated[tuple[Text, ...], Field(strict=False, min_length=2)]
    answer: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _answer_exists(self) -> Self:
        _check_answer(self.answer, self.choices, "choices")
        return self


class Alternative(_Strict):
    """One text of several, of which only the completion is scored."""

    prompt: str = ""
    completion: Text


class Alternatives(_Item):
    """Several texts, each with a prompt of its own, one of them right."""

    alternatives: Annotated[tuple[Alternative, ...], Field(strict=False, min_length=2)]
    answer: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _answer_exists(self) -> Self:
        _check_answer(self.answer, self.alternatives, "alternatives")
        return self


class MinimalPair(_Item):
    """Two texts that differ in little, one of them right."""

    good: Text
    bad: Text

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.good == self.bad:
            raise ValueError("good and bad are the same")
        return self


class Cloze(Prompted):
    """A prompt with the one continuation that is wanted."""

    completion: Text


class Passage(_Item):
    """A text to be predicted from its beginning."""

    text: Text


class Generation(Prompted):
    """A prompt with the answer that greedy generation should give."""

    answer: Text

    @model_validator(mode="after")
    def _answer_says_something(self) -> Self:
        # White space around an answer does not count, and every answer begins with nothing.
        if not self.answer.strip():
            raise ValueError("answer is white space alone, and any answer would be right")
        return self


Item = MultipleChoice | Alternatives | MinimalPair | Cloze | Passage | Generation


def right_text(item: Item) -> str:
    """Return an item as one plain text with its right answer.

    >>> right_text(MultipleChoice(id="1", prompt="2 + 2 =", choices=(" 3", " 4"), answer=1))
    '2 + 2 = 4'

    Args:
        item: Any item.

    Returns:
        The text; messages of a chat stand without their roles, a line each.
    """
    match item:
        case MultipleChoice() | Cloze() | Generation():
            return _continued(item, right_answer(item))
        case Alternatives():
            right = item.alternatives[item.answer]
            return right.prompt + right.completion
        case MinimalPair():
            return item.good
        case Passage():
            return item.text


def right_answer(item: MultipleChoice | Cloze | Generation) -> str:
    """Return the text that should follow an item's prompt."""
    match item:
        case MultipleChoice():
            return item.choices[item.answer]
        case Cloze():
            return item.completion
        case Generation():
            return item.answer


class ItemOptions(NamedTuple):
    """The options of an item that is scored by choosing, as people read them."""

    texts: tuple[str, ...]
    right: int
    """Index of the right one."""


def options_of(item: Item) -> ItemOptions | None:
    """Return the options of an item; None where it has none.

    >>> options_of(MinimalPair(id="1", good="She runs.", bad="She run."))
    ItemOptions(texts=('She runs.', 'She run.'), right=0)

    Args:
        item: Any item.

    Returns:
        The options, in the order in which their likelihoods are asked for.
    """
    match item:
        case MultipleChoice():
            return ItemOptions(item.choices, item.answer)
        case Alternatives():
            return ItemOptions(
                tuple(each.prompt + each.completion for each in item.alternatives), item.answer
            )
        case MinimalPair():
            return ItemOptions((item.good, item.bad), 0)
        case Cloze() | Passage() | Generation():
            return None


def _continued(item: Prompted, answer: str) -> str:
    if item.messages is None:
        return f"{item.prompt}{answer}"
    return "\n".join([*(message.content for message in item.messages), answer])


def describe_fault(error: ValidationError) -> str:
    """Describe the first fault of a record in one line that names the field."""
    faults = error.errors()
    first = faults[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "model_type":
        # What pydantic says names a class of ours, which is no help.
        message = "must be a mapping of keys to values"
    elif first["type"] in ("literal_error", "enum") and isinstance(first["input"], str | int):
        message += f", not {first['input']!r}"
    elif first["type"] == "missing" and (slip := _misspelt(first["loc"], faults)):
        message += f"; is {slip} a slip of the pen?"
    return f"{where}: {message}" if where else message


def _misspelt(place: tuple[int | str, ...], faults: list[ErrorDetails]) -> str | None:
    """Find the unknown key beside a missing one that is spelt much like it."""
    unknown = [
        str(fault["loc"][-1])
        for fault in faults
        if fault["type"] == "extra_forbidden" and fault["loc"][:-1] == place[:-1]
    ]
    return next(iter(difflib.get_close_matches(str(place[-1]), unknown, n=1, cutoff=0.75)), None)
