"""Opens a tuned model as a point that the base can stand at: same numerics, config and template."""

from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from ...errors import ModelError
from ...model_files import code_references, is_elsewhere, is_nested
from ..checkpoints import (
    Checkpoint,
    OpenedFiles,
    check_gathered,
    check_vocabulary,
    companions,
    fetch_tokenizer,
    open_checkpoint,
    read_header,
)
from ..language_model import (
    LanguageModel,
    TiedWeightsError,
    load_tokenizer,
    quiet_loading,
    tokens_without_row,
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
            base that is here, one with Python code of its own that is not trusted, or one whose logits
            the base does not reach.
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
    _check_code(files, opened, source)
    point, base, caveats = _open_point(checkpoint, opened)
    return TunedModel(
        checkpoint, point, _tokenizer(tokenizer_folder, checkpoint, opened), files, base, caveats
    )


def _check_code(files: OpenedFiles, opened: LanguageModel, source: str) -> None:
    """Refuse code that the base does not have and that nobody trusted, since it would not be scored."""
    # That of the base is taken: many a family that transformers has by now still names its own.
    if opened.trust_remote_code:
        return
    ours = opened.files.code_files()
    # A model that was loaded from the hub may name the same code by its place there.
    named = (*opened.files.code(), *code_references(vars(opened.model.config)))
    known = {reference.rpartition("--")[2] for reference in named}
    needed = files.code_that_runs()
    foreign = [n for n, d in files.code_files().items() if n in needed and ours.get(n) != d]
    foreign += [name for name in files.code() if name.rpartition("--")[2] not in known]
    if foreign:
        # Code that lies elsewhere is refused where it is trusted too.
        can_trust = not any(is_elsewhere(name) and not is_nested(name) for name in foreign)
        trust = "trust it too with trust_remote_code (--trust-remote-code), or "
        raise ModelError(
            f"{source}: {', '.join(foreign)}: Python code that the base does not have, so a loader that "
            f"trusts it may compute something else than would be scored; {trust if can_trust else ''}remove it "
            "and the auto_map that names it"
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


def is_held_as_stored(tuned: TunedModel) -> bool:
    """Tell whether base and tuned model are held in memory without rounding what their files hold.

    Weights that are equal once rounded may differ in the files, so that equal digests do not say that the files
    hold the same model. Of a GGUF file the dequantised numbers count, which are float32.

    Cost: the headers of the base's files.

    Returns:
        False where a stored number has more digits than its dtype in memory, or an adapter was added in such.
    """
    held = tuned.base.model.get_input_embeddings().weight.dtype
    files = [path for path in tuned.base.files.digests if path.suffix == ".safetensors"]
    stored = {each.dtype for path in files for each in read_header(path).values()}
    if not files or (tuned.checkpoint.is_adapter and not _is_empty_lora(tuned.checkpoint)):
        stored.add(torch.float32)
    if not tuned.checkpoint.is_adapter:
        stored |= {each.dtype for each in tuned.checkpoint.tensors.values()}
    return all(torch.promote_types(d, held) == held for d in stored if d.is_floating_point)


def _is_empty_lora(adapter: Checkpoint) -> bool:
    """Tell whether an adapter is LoRA as it was initialised, with one factor of each pair zero."""
    seconds = [n for n in adapter.tensors if n.endswith((".lora_B.weight", ".lora_embedding_B"))]
    firsts = [n for n in adapter.tensors if n.endswith((".lora_A.weight", ".lora_embedding_A"))]
    is_plain = len(firsts) == len(seconds) and len(firsts) + len(seconds) == len(adapter.tensors)
    return is_plain and not any(adapter.tensors[name].value().any() for name in seconds)


def _tokenizer(
    folder: Path, checkpoint: Checkpoint, opened: LanguageModel
) -> transformers.PreTrainedTokenizerBase | None:
    if not any((folder / name).exists() for name in _TOKENIZER_FILES):
        return None
    with quiet_loading():
        tokenizer = load_tokenizer(
            str(folder),
            source=checkpoint.source,
            options={"trust_remote_code": opened.trust_remote_code},
        )
    _check_rows(tokenizer, opened, checkpoint.source)
    return tokenizer


def _check_rows(
    tokenizer: transformers.PreTrainedTokenizerBase, opened: LanguageModel, source: str
) -> None:
    """Refuse tokens without a row that texts become: plain ones, and what the chat template writes."""
    rows = opened.model.get_input_embeddings().weight.shape[0]
    added, template = tokenizer.added_tokens_decoder, str(tokenizer.chat_template or "")
    known = tokens_without_row(opened.tokenizer, rows).values()
    for number, token in tokens_without_row(tokenizer, rows).items():
        is_special = number in added and added[number].special
        if token not in known and (not is_special or token in template):
            raise ModelError(
                f"{source}: its tokenizer has {len(tokenizer)} tokens and the embedding {rows} rows, so {token} has "
                "no row; save the tokenizer that the model was trained with, or resize the embedding of the base "
                "(resize_token_embeddings) before tuning"
            )
