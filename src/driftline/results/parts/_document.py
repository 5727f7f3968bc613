"""The base of everything that is written to a file: frozen, strict, never NaN."""

import json
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from ...errors import InputError
from ...escapes import visible
from ...parsing import parse_json


class Value(BaseModel):
    """A frozen value. Unknown keys are refused, and so are NaN and infinity: undefined is None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    in_unit: ClassVar[tuple[str, ...]] = ()
    """Fields whose numbers are in the unit of their capability; of a mapping, by capability."""


class Document(Value):
    """A value with a schema name, as it stands in a JSON file of its own."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    def to_json(self) -> str:
        """Return the document as indented JSON text; equal values give equal text.

        Returns:
            The text; characters that a terminal would act on are spelled as escapes.
        """
        try:
            text = self.model_dump_json(indent=2, by_alias=True)
        except PydanticSerializationError:
            # Half a surrogate pair: Python's stand-in for the bytes of a name that is not UTF-8.
            text = json.dumps(self.model_dump(mode="json", by_alias=True), indent=2)
        return visible(text) + "\n"

    @classmethod
    def from_json(cls, text: str, *, origin: str = "document") -> Self:
        """Read a document back.

        Args:
            text: JSON as `to_json` writes it.
            origin: Name of the text in an error message, for example the file's name.

        Returns:
            The value, equal to the one that was written.

        Raises:
            InputError: The text is not JSON, or not a document of this schema.
        """
        unfit = f"it is not a {cls.__name__.lower()} that this version of Driftline reads"
        # Refuses what pydantic lets pass, such as duplicate keys.
        parse_json(text, origin, InputError, mend=unfit)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            raise InputError(f"{origin}: {where}: {first['msg']}; {unfit}") from None
