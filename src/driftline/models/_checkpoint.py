"""Is this folder a checkpoint that can be read? Asked before any library opens it.

The checks read headers only, so they cost next to nothing whatever the size of the model.
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..errors import ModelError
from ..parsing import parse_json

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Files that can run code when they are read."""


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that does not hold a readable safetensors model.

    Args:
        folder: A folder in the Hugging Face layout.

    Raises:
        ModelError: No config, no weights, pickled weights, or a shard that is missing, truncated
            or corrupt.
    """
    read_json(folder / "config.json")
    check_safetensors(folder, "model*.safetensors")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        _check_shards(index)


def check_adapter_folder(folder: Path) -> None:
    """Refuse a folder that does not hold a readable PEFT adapter.

    Args:
        folder: A folder with `adapter_config.json`.

    Raises:
        ModelError: No config, no weights, pickled weights, or truncated or corrupt weights.
    """
    read_json(folder / "adapter_config.json")
    check_safetensors(folder, "adapter_model.safetensors")


def is_adapter_folder(folder: Path) -> bool:
    """Whether a folder holds a PEFT adapter rather than a whole model."""
    return (folder / "adapter_config.json").exists()


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object of a checkpoint.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        ModelError: The file is missing, or not a JSON object.
    """
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


def check_safetensors(folder: Path, pattern: str) -> None:
    """Refuse a folder without readable safetensors files of that name pattern.

    Args:
        folder: The folder.
        pattern: A glob.

    Raises:
        ModelError: None there, only pickles there, or one of them truncated or corrupt.
    """
    files = sorted(folder.glob(pattern))
    if not files:
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLE_SUFFIXES)
        if pickles:
            raise ModelError(
                f"{folder / pickles[0]}: a pickled checkpoint can run code when it is read, so "
                "Driftline does not; save it again with save_pretrained(...), which writes "
                "safetensors"
            )
        raise ModelError(f"{folder}: holds no {pattern}; save the model with save_pretrained(...)")
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                list(opened.keys())
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{file}: truncated or corrupt ({error}); download or save it again"
            ) from None


def _check_shards(index: Path) -> None:
    mapping = read_json(index).get("weight_map")
    if not isinstance(mapping, dict):
        raise ModelError(f"{index}: has no weight_map; download or save it again")
    for shard in sorted(set(mapping.values())):
        if not (index.parent / str(shard)).exists():
            raise ModelError(f"{index.parent / str(shard)}: missing shard; download it again")
