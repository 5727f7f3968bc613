"""Opens a tuned model as a point that the base can stand at: same numerics, config and template."""

from dataclasses import dataclass
from pathlib import Path

import transformers
from transformers import AutoConfig

from ..errors import ModelError
from ._opened_files import OpenedFiles, companions
from ._opening import LanguageModel, load_tokenizer, quiet_loading
from ._points import Point, Term, at_point
from ._sources import Checkpoint, fetch_tokenizer, open_checkpoint
from ._tuned import open_tuned
from ._weights import weights_digest

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")
_SAYS_NOTHING = frozenset({
    "_name_or_path", "architectures", "bos_token_id", "dtype", "eos_token_id", "id2label",
    "initializer_range", "label2id", "pad_token_id", "tie_word_embeddings", "torch_dtype",
    "transformers_version", "use_cache",
})  # fmt: skip
"""Keys of a config that change no score; ties are seen in the weights, and ends are the base's."""
_DROPOUT = ("dropout", "_pdrop")


@dataclass(frozen=True)
class TunedModel:
    """A tuned checkpoint, as the point of the base that it is."""

    checkpoint: Checkpoint
    point: Point
    tokenizer: transformers.PreTrainedTokenizerBase | None
    """Its own; None where it came without one."""
    files: OpenedFiles
    """Every file that was read: weights, index, configs, and what the tokenizer is made from."""


def open_tuned_model(source: str, opened: LanguageModel) -> TunedModel:
    """Open a tuned model, a whole one or an adapter, as base + (tuned - base).

    So both are scored by one model in memory: whatever differs between their scores comes from the
    weights. Cost: that of `open_tuned`, and the tokenizer.

    Args:
        source: A model folder with safetensors, a PEFT adapter folder, or a hub id with an optional
            `@revision`.
        opened: The base that it was tuned from.

    Returns:
        The point, and the tokenizer that came with it.

    Raises:
        ModelError: No such model, unreadable files, a model or adapter of another base, or one whose
            config says to compute something else than the base's.
    """
    checkpoint = open_checkpoint(source)
    if Path(source).is_file():
        raise ModelError(f"{source}: weights alone say too little; give the folder that holds them")
    checkpoint.check_alone()
    tokenizer_folder = fetch_tokenizer(checkpoint)
    files = OpenedFiles.take(
        (
            *checkpoint.files,
            *companions(
                tokenizer_folder,
                is_adapter=checkpoint.is_adapter,
                runs_code=opened.trust_remote_code,
            ),
        )
    )
    if not checkpoint.is_adapter:
        _check_config(checkpoint, opened)
    direction = open_tuned(checkpoint.folder, opened)
    return TunedModel(
        checkpoint,
        Point("tuned", (Term(direction, 1.0),)),
        _tokenizer(tokenizer_folder, checkpoint, opened),
        files,
    )


def digest_at(opened: LanguageModel, point: Point) -> str | None:
    """The digest of all weights at a point, as they are scored there.

    Cost: one pass over the weights, and putting the point in.

    Args:
        opened: The model; it is put back bit for bit.
        point: Where to.

    Returns:
        As `LanguageModel.digest`; None where points are held beside the weights.
    """
    if not opened.can_be_merged_into:
        return None
    with at_point(opened, point):
        return weights_digest(opened.model)


def _check_config(checkpoint: Checkpoint, opened: LanguageModel) -> None:
    """Equal weights under another config are another model."""
    try:
        with quiet_loading():
            config = AutoConfig.from_pretrained(
                checkpoint.folder, trust_remote_code=opened.trust_remote_code
            )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{checkpoint.source}: its config.json cannot be read ({reason}); save it again"
        ) from error
    tuned, base = config.to_dict(), opened.model.config.to_dict()
    for key in sorted((tuned.keys() | base.keys()) - _SAYS_NOTHING):
        if key.endswith(_DROPOUT) or key.startswith("_"):
            continue
        if tuned.get(key) != base.get(key):
            raise ModelError(
                f"{checkpoint.source}: its config.json says {key} {tuned.get(key)!r} and the base's "
                f"{base.get(key)!r}, so their weights do not compute the same; give the base that "
                "it was tuned from"
            )


def _tokenizer(
    folder: Path, checkpoint: Checkpoint, opened: LanguageModel
) -> transformers.PreTrainedTokenizerBase | None:
    if not any((folder / name).exists() for name in _TOKENIZER_FILES):
        return None
    with quiet_loading():
        return load_tokenizer(
            str(folder),
            source=checkpoint.source,
            options={"trust_remote_code": opened.trust_remote_code},
        )
