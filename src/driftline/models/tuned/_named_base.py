"""The base that an adapter's own config names, which loaders open when they are given the adapter."""

import os
from pathlib import Path

from torch import Tensor

from ...errors import ModelError
from ...model_files import ADAPTER_CONFIG, CONFIG
from ...provenance import digest_file
from ..checkpoints import HUB_ID, Checkpoint, ReadableTensor, open_checkpoint
from ..language_model import LanguageModel
from ..pairing import SlicedFactors, equal_values, pair_checkpoints
from ._tuned_direction import read_config
from ._tuned_layout import check_computes_alike

_MAIN = "main"
"""The branch that a hub id without a revision stands for."""
_UNCHECKED = (
    "The adapter names {name!r} as its base and was scored on {source}. That the two are the same was "
    "not checked, for {reason}: what a loader that follows the name computes is not certified."
)


def check_named_base(checkpoint: Checkpoint, opened: LanguageModel, tokens: Tensor) -> str | None:
    """Check that the base that an adapter names is the one that it is to be scored on.

    transformers and PEFT open `base_model_name_or_path` when they are given the adapter's folder; a
    relative path is one from the working folder. The digest of a file is compared with that on
    opening; only where one differs are the weights compared, and then the configs by what is read.

    Cost: nothing where the name is the base's own; else a pass over the files that it names, and,
    where they are not the same files, one over the weights of both.

    Args:
        checkpoint: An adapter.
        opened: The base that it is to be scored on.
        tokens: One row, for the config.

    Returns:
        A caveat where the name is that of another model, or of one that is not here; None where it is
        the base's own, or there is none.

    Raises:
        ModelError: The name is that of a folder here that holds another model.
    """
    name = checkpoint.config.get("base_model_name_or_path")
    if not isinstance(name, str) or not name or _is_own_name(name, checkpoint, opened):
        return None
    folder, reason = _folder(opened), "the name is that of no folder here"
    if os.path.isdir(name):
        if folder is not None and folder.resolve() == Path(name).resolve():
            return None
        if _is_same_files(Path(name), opened):
            return None
        both = _checkpoints(folder, name)
        if both is not None:
            _refuse_other(checkpoint, *both, opened, tokens)
            return None
        reason = "the files of one of the two cannot be read so as to be compared"
    return _UNCHECKED.format(name=name, source=opened.source, reason=reason)


def _refuse_other(
    checkpoint: Checkpoint,
    base: Checkpoint,
    named: Checkpoint,
    opened: LanguageModel,
    tokens: Tensor,
) -> None:
    difference = _difference(base, named, opened, tokens)
    if difference is not None:
        raise ModelError(
            f"{checkpoint.folder / ADAPTER_CONFIG}: base_model_name_or_path names {named.source!r}, "
            f"which is another model than {opened.source} ({difference}), and loaders that are given "
            "the adapter open the one that it names; correct base_model_name_or_path, or give "
            f"{named.source} as the base"
        )


def _checkpoints(folder: Path | None, name: str) -> tuple[Checkpoint, Checkpoint] | None:
    """Find the tensors of the base and of what is named; None where one is packed or no model."""
    try:
        return None if folder is None else (open_checkpoint(str(folder)), open_checkpoint(name))
    except ModelError:
        return None


def _is_own_name(name: str, checkpoint: Checkpoint, opened: LanguageModel) -> bool:
    """Tell by the name alone; a hub id names one revision, and here it has to be the base's."""
    own, _, _ = (
        opened.source.partition("@") if _is_hub_id(opened.source) else (opened.source, "", "")
    )
    if name == own:
        return (opened.revision or _MAIN) == (checkpoint.config.get("revision") or _MAIN)
    folder = _folder(opened)
    # The cache of the hub keeps the files of owner/name under this folder.
    cached = f"models--{name.replace('/', '--')}"
    return _is_hub_id(name) and folder is not None and cached in folder.absolute().parts


def _is_hub_id(name: str) -> bool:
    return not os.path.exists(name) and HUB_ID.fullmatch(name) is not None


def _folder(opened: LanguageModel) -> Path | None:
    """Return the base's folder; None for a GGUF file, and where it was handed over in memory."""
    return next((path.parent for path in opened.files.digests if path.name == CONFIG), None)


def _is_same_files(named: Path, opened: LanguageModel) -> bool:
    """Tell whether a folder holds the files with which the base was opened: its weights and config."""
    if not opened.files.digests:
        return False
    held = {
        path: digest
        for path, digest in opened.files.digests.items()
        if path.suffix in (".safetensors", ".gguf") or path.name.endswith((".index.json", CONFIG))
    }
    try:
        sizes_agree = all(
            (named / path.name).stat().st_size == path.stat().st_size for path in held
        )
        return sizes_agree and all(digest_file(named / p.name) == d for p, d in held.items())
    # A file that is missing or may not be read.
    except OSError:
        return False


def _difference(
    base: Checkpoint, named: Checkpoint, opened: LanguageModel, tokens: Tensor
) -> str | None:
    """Return in words what differs between two folders; None where they are the same model."""
    if named.is_adapter:
        return "it is an adapter"
    try:
        paired = pair_checkpoints(str(base.folder), named.source)
        for pair in paired.pairs:
            tuned = pair.tuned
            if isinstance(tuned, SlicedFactors | None) or not _are_equal(pair.base, tuned):
                return f"{pair.name} differs"
        if paired.lone:
            return f"only one of the two has {paired.lone[0].name}"
        check_computes_alike(read_config(named, opened), named.source, opened, tokens)
    except ModelError as error:
        return str(error)
    return None


def _are_equal(left: ReadableTensor, right: ReadableTensor) -> bool:
    """Tell whether two tensors hold the same numbers; neither is rounded to the other's dtype."""
    return equal_values(left, right) and equal_values(right, left)
