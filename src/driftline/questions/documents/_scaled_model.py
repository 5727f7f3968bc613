"""The document of `scale`: a trained model with the scale of its protocol."""

from typing import Literal

from pydantic import Field

from ...results import Document


class ScaledModel(Document):
    """A trained model or adapter whose update was scaled, and where it was written."""

    schema_: Literal["driftline/scaled-model/1"] = Field(
        default="driftline/scaled-model/1", alias="schema"
    )
    verdict: None = None
    base: str
    tuned: str
    protocol: str
    folder: str
    kind: Literal["adapter", "model"]
    interpolation: float
    """Scale of the update, except for the modules with their own."""
    interpolated_modules: dict[str, float]


def scaled_model_summary(document: ScaledModel) -> str:
    """Return the text that the command prints."""
    num = len(document.interpolated_modules)
    apart = f", {num} modules with scales of their own" if num else ""
    return (
        f"{document.folder}: {document.kind} with base + {document.interpolation:g} * (tuned - base){apart}\n"
        f"{document.tuned} is as it was. Certify the new one.\n"
    )
