"""Models in memory: written to files of their own for as long as a question runs."""

import contextlib
import copy
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ModelError

if TYPE_CHECKING:
    from driftline.results import Document

    from ._inputs import ModelInput


@dataclass
class Handed:
    """The files of the models that came from memory, and what documents call them."""

    folder: Path
    labels: dict[str, str] = field(default_factory=dict)
    """Folder to label."""

    def files(self, value: "ModelInput", role: str) -> tuple[str, str | None]:
        """Give the files of a model.

        Args:
            value: A name or path, a model, or a model and its tokenizer.
            role: What it is to the question, such as base or tuned.

        Returns:
            Their place, and the digest of the weights where they came from memory.

        Raises:
            ModelError: It is none of these, or cannot be saved.
        """
        if isinstance(value, str | PathLike):
            return fspath(value), None
        model, tokenizer = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        if not hasattr(model, "save_pretrained") or not hasattr(model, "parameters"):
            raise ModelError(
                f"{role}: is a {type(model).__name__}; give a folder, a hub id, or a transformers "
                "model with its tokenizer as (model, tokenizer)"
            )
        if tokenizer is None and not role.startswith("tuned"):
            raise ModelError(
                f"{role}: a model in memory needs its tokenizer; give (model, tokenizer)"
            )
        place = self.folder / role
        digest = _save(model, tokenizer, place, role)
        self.labels[str(place)] = f"{type(model).__name__} in memory"
        return str(place), digest

    def named(self, document: "Document") -> Any:  # noqa: ANN401 - of the document's own class
        """Name models in memory by their class, not by files that will be gone."""
        text = document.to_json()
        # The longest first: tuned-1 begins tuned-10.
        for place in sorted(self.labels, key=len, reverse=True):
            text = text.replace(place, self.labels[place])
        return type(document).from_json(text) if self.labels else document


@contextlib.contextmanager
def handed_models() -> Iterator[Handed]:
    """Keep files of models in memory until the question is answered.

    Yields:
        Where they are kept.
    """
    with tempfile.TemporaryDirectory(prefix="driftline-model-") as folder:
        yield Handed(Path(folder))


def _save(model: Any, tokenizer: Any, place: Path, role: str) -> str:  # noqa: ANN401
    """Save a model as it is, and leave its configs as they were."""
    from driftline.provenance import digest_file, digest_value

    kept = {
        name: copy.deepcopy(value)
        for name in ("config", "generation_config")
        if (value := getattr(model, name, None)) is not None
    }
    try:
        # Saving edits both configs in place.
        model.save_pretrained(place, safe_serialization=True)
        if tokenizer is not None:
            tokenizer.save_pretrained(place)
    except Exception as error:  # each library has exceptions of its own
        raise ModelError(
            f"{role}: cannot be saved to {place} ({error}); give its folder"
        ) from error
    finally:
        for name, value in kept.items():
            vars(getattr(model, name)).clear()
            vars(getattr(model, name)).update(vars(value))
    files = sorted(path for path in place.iterdir() if path.is_file())
    return digest_value({path.name: digest_file(path) for path in files})
