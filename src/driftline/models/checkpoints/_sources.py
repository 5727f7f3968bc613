"""Finds the weights of a checkpoint as they lie on disk, without opening a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError
from ._checkpoint import PICKLE_SUFFIXES, read_folder
from ._locations import HUB_ID, NAMED_MODELS, SETTING_PATTERNS, WEIGHT_PATTERNS, fetch
from ._misplaced import check_unpacked
from ._stored import StoredTensor, read_header


@dataclass(frozen=True)
class Checkpoint:
    """Weights on disk: a whole model's, or an adapter's."""

    source: str
    """The name that the user gave."""
    revision: str | None
    folder: Path
    files: tuple[Path, ...]
    """Every file that decides about the weights: shards, index, config."""
    tensors: Mapping[str, StoredTensor]
    config: Mapping[str, object]
    """The model's or the adapter's config; empty beside a bare file."""
    is_adapter: bool = False
    strays: tuple[str, ...] = ()
    """Names of files with other weights in the same folder; they are never read."""

    def check_alone(self) -> None:
        """Refuse a folder in which a loader could take other weights for the model.

        Raises:
            ModelError: Files with other weights lie beside those that were read.
        """
        if self.strays:
            names = ", ".join(self.strays[:5]) + (", ..." if len(self.strays) > 5 else "")
            raise ModelError(
                f"{self.folder}: other weights ({names}) lie beside those of {self.source}, and some "
                "loader would read them instead; move them out of the folder"
            )


def open_checkpoint(source: str) -> Checkpoint:
    """Find the tensors of a checkpoint.

    Args:
        source: A model folder with safetensors in one file or several, one `.safetensors` file, a
            PEFT adapter folder, or a hub id with an optional `@revision`. Only a hub id touches
            the network, because the user named it; what the cache holds is not fetched again.

    Returns:
        Location of each tensor. Cost: only headers are read.

    Raises:
        ModelError: There is no such checkpoint, it cannot be read, or it is packed (GGUF,
            quantised) or pickled.
    """
    path = Path(source)
    if source in NAMED_MODELS or path.suffix == ".gguf":
        raise ModelError(
            f"{source}: a GGUF file holds packed weights, not those that are tuned; save them with "
            "open_model(...).model.save_pretrained(FOLDER) and give that folder"
        )
    if path.is_file():
        return _open_file(path, source)
    if path.is_dir():
        return _open_folder(path, source, None)
    if HUB_ID.fullmatch(source) and not source.startswith((".", "/")):
        name, _, revision = source.partition("@")
        return _open_folder(
            fetch(name, revision or None, WEIGHT_PATTERNS), source, revision or None
        )
    raise ModelError(
        f"{source}: no such folder or file; give a model folder, a .safetensors file, an adapter "
        "folder or a hub id (owner/name, with @revision if you like)"
    )


def fetch_tokenizer(checkpoint: Checkpoint) -> Path:
    """Find the folder that holds a checkpoint's tokenizer, if it has one."""
    if Path(checkpoint.source).is_dir():
        return checkpoint.folder
    return fetch(checkpoint.source.partition("@")[0], checkpoint.revision, SETTING_PATTERNS)


def _open_file(path: Path, source: str) -> Checkpoint:
    if path.suffix in PICKLE_SUFFIXES:
        raise ModelError(
            f"{source}: a pickled checkpoint can run code when it is read, so Driftline does not; "
            "save it again with save_pretrained(...), which writes safetensors"
        )
    if path.suffix != ".safetensors":
        raise ModelError(f"{source}: is not a .safetensors file; give one, or a model folder")
    if path.name.startswith("adapter_"):
        raise ModelError(
            f"{source}: an adapter's factors mean nothing without its config; give its folder"
        )
    return Checkpoint(source, None, path.parent, (path,), read_header(path), {})


def _open_folder(folder: Path, source: str, revision: str | None) -> Checkpoint:
    result = read_folder(folder)
    if result.config.get("quantization_config"):
        raise ModelError(
            f"{source}: its weights are quantised, so rounded anew, and no change can be read from "
            "them; give the unquantised checkpoint"
        )
    check_unpacked(result.tensors, source)
    return Checkpoint(
        source,
        revision,
        folder,
        result.files,
        result.tensors,
        result.config,
        result.is_adapter,
        result.strays,
    )
