"""Opens a tuned model as a point that the base can stand at: same numerics, config and template."""

from dataclasses import dataclass
from pathlib import Path

import transformers

from ...errors import ModelError
from ..checkpoints import (
    Checkpoint,
    OpenedFiles,
    check_gathered,
    check_vocabulary,
    companions,
    fetch_tokenizer,
    open_checkpoint,
)
from ..language_model import (
    LanguageModel,
    TiedWeightsError,
    load_tokenizer,
    quiet_loading,
    weights_digest,
)
from ..points import Point, Term, at_point
from ._named_base import check_named_base
from ._reference import check_point, probe_tokens, reference_logits
from ._tuned_direction import open_tuned, read_config
from ._tuned_layout import check_computes_alike
from ._untied import untied

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


@dataclass(frozen=True)
class TunedModel:
    """A tuned checkpoint, as the point of the base that it is."""

    checkpoint: Checkpoint
    point: Point
    tokenizer: transformers.PreTrainedTokenizerBase | None
    """Its own; None where it came without one."""
    files: OpenedFiles
    """Every file that was read: weights, index, configs, and what the tokenizer is made from."""
    base: LanguageModel
    """The base that the point belongs to: the one that was given, or, where tuning moved two weights
    apart that it ties, the same with its head on its own."""
    caveats: tuple[str, ...] = ()
    """Claims of its own files that were not checked: the base that an adapter names."""


def open_tuned_model(source: str, opened: LanguageModel) -> TunedModel:
    """Open a tuned model, a whole one or an adapter, as base + (tuned - base).

    So both are scored by one model in memory: whatever differs between their scores comes from the
    weights. Names, ties and config are taken as transformers takes them, and where the base lies in
    memory unquantised, the logits of the point are compared with those of the tuned model as
    transformers or PEFT opens it.

    Cost: that of `open_tuned`, the tokenizer, a pass over 48 tokens or more for the config, and, for
    the comparison, the time and memory of opening the tuned model once more, two passes, and putting
    the point in.

    Args:
        source: A model folder with safetensors, a PEFT adapter folder, or a hub id with an optional
            `@revision`.
        opened: The base that it was tuned from; it is left bit for bit as it was.

    Returns:
        The point with the base that it belongs to, and the tokenizer that came with it.

    Raises:
        ModelError: No such model, unreadable files, a model or adapter of another base, one whose
            config says to compute something else than the base's, an adapter that names another
            base that is here, or one whose logits the base does not reach.
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
    point, base, caveats = _open_point(checkpoint, opened)
    return TunedModel(
        checkpoint, point, _tokenizer(tokenizer_folder, checkpoint, opened), files, base, caveats
    )


def _open_point(
    checkpoint: Checkpoint, opened: LanguageModel
) -> tuple[Point, LanguageModel, tuple[str, ...]]:
    """Return the tuned point, the base that it belongs to, and caveats."""
    tokens, config, base = probe_tokens(opened), None, opened
    caveat = None
    check_gathered(checkpoint.tensors)
    check_vocabulary(checkpoint.tensors, opened.model)
    if not checkpoint.is_adapter:
        config = read_config(checkpoint, opened)
        check_computes_alike(config, checkpoint.source, opened, tokens)
    else:
        caveat = check_named_base(checkpoint, opened, tokens)
    try:
        direction = open_tuned(checkpoint, opened, config)
    except TiedWeightsError:
        if not opened.can_be_merged_into:
            raise
        base = untied(opened)
        direction = open_tuned(checkpoint, opened, config, target=base)
    point = Point("tuned", (Term(direction, 1.0),))
    if opened.can_be_merged_into:
        try:
            reference = reference_logits(checkpoint, opened, tokens)
            check_point(base, point, tokens, reference, is_adapter=checkpoint.is_adapter)
        except ModelError as error:
            if str(error).startswith((checkpoint.source, str(checkpoint.folder))):
                raise
            raise ModelError(f"{checkpoint.source}: {error}") from error
    return point, base, () if caveat is None else (caveat,)


def digest_at(opened: LanguageModel, point: Point) -> str | None:
    """Compute the digest of all weights at a point, as they are scored there.

    Cost: one pass over the weights, and putting the point in.

    Args:
        opened: The model; it is put back bit for bit.
        point: Point to move to.

    Returns:
        As `LanguageModel.digest`; None where changes are kept apart from the weights.
    """
    if not opened.can_be_merged_into:
        return None
    with at_point(opened, point):
        return weights_digest(opened.model)


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
