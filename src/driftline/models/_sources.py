"""Finds the weights of a checkpoint as they lie on disk, without opening a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download

from ..errors import ModelError
from ._checkpoint import (
    PICKLE_SUFFIXES,
    check_adapter_folder,
    check_model_folder,
    is_adapter_folder,
    read_json,
)
from ._opening import HUB_ID, NAMED_MODELS, find_named_model
from ._stored import StoredTensor, read_header

_HUB_FILES = [
    "model*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "adapter_model.safetensors",
    "adapter_config.json",
]
_HUB_TOKENIZER = ["tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt", "*.jinja"]


@dataclass(frozen=True)
class Checkpoint:
    """Weights on disk: a whole model's, or an adapter's."""

    source: str
    """The name that the user gave."""
    revision: str | None
    folder: Path
    files: tuple[Path, ...]
    """Every file that was read, and so counts: weights and config."""
    tensors: Mapping[str, StoredTensor]
    config: Mapping[str, object]
    """The model's or the adapter's config; empty beside a bare file."""
    is_adapter: bool = False


def open_checkpoint(source: str) -> Checkpoint:
    """Find the tensors of a checkpoint.

    Args:
        source: A model folder with safetensors in one file or several, one `.safetensors` file, a
            PEFT adapter folder, or a hub id with an optional `@revision`. Only a hub id touches
            the network, because the user named it; what the cache holds is not fetched again.

    Returns:
        Where each tensor lies. Cost: headers alone are read.

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
        return _open_folder(_fetch(name, revision or None), source, revision or None)
    raise ModelError(
        f"{source}: no such folder or file; give a model folder, a .safetensors file, an adapter "
        "folder or a hub id (owner/name, with @revision if you like)"
    )


def model_files(source: str) -> tuple[Path, ...]:
    """The files that an opened base was read from.

    Args:
        source: As `open_model` took it.

    Returns:
        Weights and config; one file where the source is GGUF.

    Raises:
        ModelError: A hub model is no longer in the cache and cannot be fetched.
    """
    if source in NAMED_MODELS:
        path = find_named_model(source)
        assert path is not None, "it was opened"
        return (path,)
    path = Path(source)
    if path.is_file():
        return (path,)
    if not path.is_dir():
        name, _, revision = source.partition("@")
        path = _fetch(name, revision or None)
    return (*_weight_files(path), path / "config.json")


def fetch_tokenizer(checkpoint: Checkpoint) -> Path:
    """The folder that holds a checkpoint's tokenizer, if it has one.

    Args:
        checkpoint: Where to look; of a hub model the tokenizer's files are fetched.

    Returns:
        The folder.

    Raises:
        ModelError: The hub cannot be reached, and the cache lacks them.
    """
    if Path(checkpoint.source).is_dir():
        return checkpoint.folder
    return _fetch(checkpoint.source.partition("@")[0], checkpoint.revision, _HUB_TOKENIZER)


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
    if is_adapter_folder(folder):
        check_adapter_folder(folder)
        config, weights = folder / "adapter_config.json", [folder / "adapter_model.safetensors"]
    else:
        check_model_folder(folder)
        config, weights = folder / "config.json", _weight_files(folder)
    said = read_json(config)
    if said.get("quantization_config"):
        raise ModelError(
            f"{source}: its weights are quantised, so rounded anew, and no change can be read from "
            "them; give the unquantised checkpoint"
        )
    tensors = {name: tensor for file in weights for name, tensor in read_header(file).items()}
    return Checkpoint(
        source, revision, folder, (*weights, config), tensors, said, is_adapter_folder(folder)
    )


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers would read: one, or those that the index names."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return [single]
    if not index.exists():
        return sorted(folder.glob("model*.safetensors"))
    mapping = read_json(index)["weight_map"]
    assert isinstance(mapping, dict)
    files = [folder / str(name) for name in sorted(set(mapping.values()))]
    for file in files:
        if file.parent != folder or file.name in ("", ".."):
            raise ModelError(f"{index}: names {file.name} outside its folder; download it again")
    held = {file.name: read_header(file) for file in files}
    for name, shard in mapping.items():
        if name not in held[shard]:
            raise ModelError(f"{folder / shard}: lacks {name}, which the index puts there")
    return files


def _fetch(name: str, revision: str | None, files: Sequence[str] = _HUB_FILES) -> Path:
    """The folder of a hub model in the local cache; what the cache lacks is fetched."""
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*files]))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{name}: cannot be fetched from the hub ({reason}); check the name and the revision, "
            "or download it and give the folder"
        ) from error
