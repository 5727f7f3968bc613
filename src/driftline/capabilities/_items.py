"""The items of a capability, one kind a scorer, each checked as it is read."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class _Prompted(_Item):
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
        """The prompt as a text, or as messages for a chat template."""
        if self.messages is not None:
            return [message.model_dump() for message in self.messages]
        assert self.prompt is not None
        return self.prompt


class MultipleChoice(_Prompted):
    """A prompt with several continuations, one of them right."""

    choices: Annotated[tuple[Text, ...], Field(strict=False, min_length=2)]
    answer: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _answer_exists(self) -> Self:
        if self.answer >= len(self.choices):
            raise ValueError(f"answer {self.answer} with {len(self.choices)} choices (0 is first)")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("two choices are the same")
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


class Cloze(_Prompted):
    """A prompt with the one continuation that is wanted."""

    completion: Text


class Passage(_Item):
    """A text to be predicted from its beginning."""

    text: Text


class Generation(_Prompted):
    """A prompt with the answer that greedy generation should give."""

    answer: Text


Item = MultipleChoice | MinimalPair | Cloze | Passage | Generation
