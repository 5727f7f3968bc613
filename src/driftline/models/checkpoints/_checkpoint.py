"""Files and tensors of a model folder. All rooms ask here before a library opens the folder.

The answer is the one of transformers and PEFT: the shards that `model.safetensors.index.json` names,
else `model.safetensors`; of an adapter, `adapter_model.safetensors`. A folder that could be read in
more than one way is refused. Headers alone are read, so the cost does not grow with the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ...errors import ModelError
from ...model_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CONFIG,
    INDEX,
    QUANTISATIONS,
    SINGLE_FILE,
    folder_files,
    is_weights,
    unlisted_files,
)
from ...parsing import parse_json
from ._stored import StoredTensor, read_header

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Files that can run code when they are read."""
_REDIRECTS = ("transformers_weights", "configuration_files")
"""Keys of a config that send transformers to other files than the usual ones."""


@dataclass(frozen=True)
class FolderContent:
    """The files and tensors that a loader takes from one folder."""

    folder: Path
    weights: tuple[Path, ...]
    """The files that hold tensors, sorted by name."""
    index: Path | None
    """The file that maps tensors to shards; None where one file holds all."""
    config_file: Path
    config: Mapping[str, object]
    """The model's or the adapter's config."""
    tensors: Mapping[str, StoredTensor]
    is_adapter: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides about the weights: shards, index, config."""
        return (*self.weights, *((self.index,) if self.index else ()), self.config_file)

    @property
    def strays(self) -> tuple[str, ...]:
        """Names of files with other weights in the folder, which are never read."""
        known = {file.name for file in self.files}
        return tuple(
            name for name in unlisted_files(_names(self.folder), known) if is_weights(name)
        )


def read_folder(folder: Path) -> FolderContent:
    """Find the weights of a model or an adapter.

    Args:
        folder: A folder in the layout of Hugging Face.

    Returns:
        Its files and tensors.

    Raises:
        ModelError: No config or no weights; pickled, truncated or corrupt weights; an index that
            does not agree with its shards, or names files outside the folder; two sets of weights;
            weights that are quantised by the word of some loaders alone.
    """
    if is_adapter_folder(folder):
        return _read_adapter(folder)
    _refuse_without_config(folder)
    config = read_json(folder / CONFIG)
    _refuse_redirects(config, folder / CONFIG)
    names = _names(folder)
    _refuse_said_elsewhere(config, folder, names)
    if INDEX in names:
        index, weights = folder / INDEX, _indexed_weights(folder)
        tensors = _indexed_tensors(index, weights)
        if SINGLE_FILE in names and folder / SINGLE_FILE not in weights:
            raise ModelError(
                f"{index}: names other files than {SINGLE_FILE}, which lies beside it, and loaders "
                "differ in which of the two they read; delete the one that is left over"
            )
    elif SINGLE_FILE in names:
        index, weights = None, (folder / SINGLE_FILE,)
        tensors = read_header(weights[0])
    else:
        _refuse_without_weights(folder, SINGLE_FILE)
    return FolderContent(folder, weights, index, folder / CONFIG, config, tensors, is_adapter=False)


def is_adapter_folder(folder: Path) -> bool:
    """Tell whether a folder holds a PEFT adapter rather than a whole model."""
    return (folder / ADAPTER_CONFIG).exists()


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object of a checkpoint."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{path}: no such file; a model is a folder with config.json and *.safetensors, "
            "an adapter one with adapter_config.json"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
    # Some configs hold Infinity, such as the time steps of Mamba.
    value: object = parse_json(
        content, path, ModelError, finite=False, mend="download or save it again"
    )
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object; download or save it again")
    return value


def _read_adapter(folder: Path) -> FolderContent:
    config = read_json(folder / ADAPTER_CONFIG)
    names = _names(folder)
    whole = sorted(n for n in names if n in (SINGLE_FILE, INDEX) or n.startswith("model-"))
    if whole:
        raise ModelError(
            f"{folder / whole[0]}: a whole model lies beside the adapter of {ADAPTER_CONFIG}, so it "
            "is not clear which of the two is meant; move one of them to a folder of its own"
        )
    if ADAPTER_WEIGHTS not in names:
        _refuse_without_weights(folder, ADAPTER_WEIGHTS)
    weights = folder / ADAPTER_WEIGHTS
    return FolderContent(
        folder,
        (weights,),
        None,
        folder / ADAPTER_CONFIG,
        config,
        read_header(weights),
        is_adapter=True,
    )


def _indexed_weights(folder: Path) -> tuple[Path, ...]:
    """Return the shards that an index names; all must exist."""
    index = folder / INDEX
    names = sorted(set(_weight_map(index).values()))
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise ModelError(
                f"{index}: names {name!r}, which is outside its folder; a shard is a plain file "
                "name: download or save the model again"
            )
        if not name.endswith(".safetensors"):
            raise ModelError(
                f"{index}: names {name!r}, which is not a .safetensors file; save the model again "
                "with save_pretrained(...)"
            )
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name}: missing shard; download or save the model again")
    return tuple(folder / name for name in names)


def _indexed_tensors(index: Path, weights: tuple[Path, ...]) -> dict[str, StoredTensor]:
    """Return the tensors of all shards; index and shards must agree, since loaders differ."""
    mapping, tensors = _weight_map(index), {}
    for file in weights:
        for name, tensor in read_header(file).items():
            if mapping.get(name) != file.name:
                where = f"puts into {mapping[name]}" if name in mapping else "does not name"
                raise ModelError(
                    f"{file}: holds {name}, which {index.name} {where}, so loaders differ in what "
                    "they read; save the model again into an empty folder"
                )
            tensors[name] = tensor
    for name, shard in mapping.items():
        if name not in tensors:
            raise ModelError(
                f"{index.parent / shard}: lacks {name}, which the index puts there; download or "
                "save the model again"
            )
    return tensors


def _weight_map(index: Path) -> dict[str, str]:
    result = read_json(index).get("weight_map")
    if (
        not isinstance(result, dict)
        or not result
        or not all(isinstance(v, str) for v in result.values())
    ):
        raise ModelError(f"{index}: has no weight_map of names to files; download or save it again")
    return result


def _refuse_redirects(config: Mapping[str, object], path: Path) -> None:
    for key in _REDIRECTS:
        if config.get(key):
            raise ModelError(
                f"{path}: {key} sends transformers to other files ({config[key]!r}); save the model "
                "again with save_pretrained(...), which leaves it out"
            )


def _refuse_without_config(folder: Path) -> None:
    """Name the folder below that holds a model, where this one holds none."""
    if (folder / CONFIG).exists():
        return
    _refuse_broken_links(folder)
    below = sorted(
        {path.parent.name for name in (CONFIG, ADAPTER_CONFIG) for path in folder.glob(f"*/{name}")}
    )
    if below:
        raise ModelError(
            f"{folder}: holds no {CONFIG}, but models lie in its folders {', '.join(below)}; give one of these, "
            f"such as {folder / below[0]}"
        )


def _refuse_broken_links(folder: Path) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not path.exists():
            raise ModelError(
                f"{path}: is a link to {path.readlink()}, which does not exist; download the model again"
            )


def _refuse_said_elsewhere(config: Mapping[str, object], folder: Path, names: set[str]) -> None:
    """Refuse weights that vLLM takes for quantised and transformers does not."""
    if config.get("quantization_config"):
        return
    where = next((folder / name for name in QUANTISATIONS if name in names), None)
    says = "says how the weights are quantised"
    if where is None and config.get("compression_config"):
        where, says = folder / CONFIG, "has a compression_config"
    if where is not None:
        raise ModelError(
            f"{where}: {says}, and {CONFIG} has no quantization_config, so loaders differ in what "
            "they compute; give the unquantised checkpoint, without such a note"
        )


def _refuse_without_weights(folder: Path, requested: str) -> NoReturn:
    """Raise an error with the likely reason why a folder has no readable weights."""
    _refuse_broken_links(folder)
    names = sorted(_names(folder))
    if pickles := [name for name in names if Path(name).suffix in PICKLE_SUFFIXES]:
        raise ModelError(
            f"{folder / pickles[0]}: a pickled checkpoint can run code when it is read, so "
            "Driftline does not; save it again with save_pretrained(...), which writes safetensors"
        )
    others = [name for name in names if name.endswith(".safetensors")]
    if others and requested == ADAPTER_WEIGHTS:
        raise ModelError(
            f"{folder}: holds no {requested}, the one file that PEFT reads, so {others[0]} would be left "
            "out; save the adapter again with save_pretrained(...)"
        )
    if others:
        raise ModelError(
            f"{folder}: holds no {requested} and no {INDEX}, so nothing says that {others[0]} is the "
            "model; save it again with save_pretrained(...)"
        )
    raise ModelError(f"{folder}: holds no {requested}; save the model with save_pretrained(...)")


def _names(folder: Path) -> set[str]:
    try:
        return set(folder_files(folder))
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read ({error.strerror})") from None
