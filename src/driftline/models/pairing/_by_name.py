"""Pairing of tensors by rules for names, where no class of transformers can tell."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NoReturn

from ...errors import ModelError
from ..checkpoints import Checkpoint, ReadableTensor, StoredTensor, check_wrappers
from ..language_model import Role, weight_role
from ..points import as_the_base_lies, read_adapter
from ._assembled import ChainedTensor, HeldTensor
from ._pairing import AdapterChange, LoneWeight, PairedCheckpoints
from ._sliced_factors import SlicedFactors
from ._weight_pairs import WeightPair, equal_values
from ._wrapped_names import unwrapped

_BODIES = ("model.", "transformer.", "gpt_neox.", "backbone.")
"""Beginnings of names in some files and not in others: the model without its head."""
_TEXT = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?")
"""Old and new prefixes of the text model in a multimodal one."""
_EXPERT = re.compile(r"^(.+\.experts)\.(\d+)\.(gate_proj|up_proj|down_proj|w1|w2|w3)\.weight$")
_FUSED = {
    "gate_proj": "gate_up_proj", "up_proj": "gate_up_proj", "down_proj": "down_proj",
    "w1": "gate_up_proj", "w3": "gate_up_proj", "w2": "down_proj",
}  # fmt: skip


def pair_by_name(
    base: Checkpoint, tuned: Checkpoint, adapter: Checkpoint | None
) -> PairedCheckpoints:
    """Pair the weights of two models by their names."""
    before, base_wrappers = _named(base)
    after, tuned_wrappers = _named(tuned)
    before, after = _fused(before, after), _fused(after, before)
    after = _as_in(before, after, tuned)
    if not before.keys() & after.keys():
        _refuse_names(base, tuned)
    tied, untied = _resolve_ties(before, after, base, tuned)
    pairs = []
    for name, tensor in before.items():
        if name in after:
            if tensor.shape != after[name].shape:
                _refuse_shape(tuned, name, after[name].shape, tensor.shape)
            pairs.append(WeightPair(name, tensor, after[name]))
    return PairedCheckpoints(
        base,
        tuned,
        tuple(pairs),
        lone=(
            *(LoneWeight(n, "base", t.num_elements) for n, t in before.items() if n not in after),
            *(LoneWeight(n, "tuned", t.num_elements) for n, t in after.items() if n not in before),
        ),
        tied=tied,
        untied=untied,
        wrappers=tuple(dict.fromkeys((*base_wrappers, *tuned_wrappers))),
        is_by_name=True,
        adapter=adapter,
        adapter_changes=None if adapter is None else _changes_of(base, before, adapter),
    )


def pair_adapter_by_name(base: Checkpoint, tuned: Checkpoint) -> PairedCheckpoints:
    """Pair the weights of a base with what an adapter changes, by their names.

    Raises:
        ModelError: The adapter is more than plain LoRA, or does not fit the base.
    """
    before, wrappers = _named(base)
    changes = _changes_of(base, before, tuned)
    pairs = tuple(WeightPair(name, t, changes.get(name)) for name, t in before.items())
    return PairedCheckpoints(base, tuned, pairs, wrappers=wrappers, is_by_name=True)


def _named(checkpoint: Checkpoint) -> tuple[dict[str, ReadableTensor], tuple[str, ...]]:
    """Return the tensors by name, without prefixes that training wrappers add."""
    result: dict[str, ReadableTensor] = {}
    removed: list[str] = []
    for full, tensor in checkpoint.tensors.items():
        name, wrappers = unwrapped(full)
        if name in result:
            raise ModelError(
                f"{checkpoint.source}: {result[name].name} and {full} are both the weight {name}; two "
                "saves are mixed in it: save the model again into an empty folder"
            )
        result[name] = tensor
        removed += wrappers
    return result, tuple(dict.fromkeys(removed))


def _as_in(
    before: Mapping[str, ReadableTensor], after: Mapping[str, ReadableTensor], tuned: Checkpoint
) -> dict[str, ReadableTensor]:
    """Return the tuned tensors under the names that the base has for them."""
    by_core: dict[str, str] = {}
    for name in before:
        by_core.setdefault(_core(name), name)
    result: dict[str, ReadableTensor] = {}
    for name, tensor in after.items():
        known = name if name in before else by_core.get(_core(name), name)
        if known in result:
            raise ModelError(
                f"{tuned.source}: its names ({result[known].name}, {tensor.name}) are not those of the "
                f"base; both would be {known}"
            )
        result[known] = tensor
    return result


def _core(name: str) -> str:
    """Remove the prefix of the text model or the body from a name."""
    text = _TEXT.sub("", name)
    for body in _BODIES:
        if text.startswith(body):
            return text.removeprefix(body)
    return text


def _fused(
    own: Mapping[str, ReadableTensor], other: Mapping[str, ReadableTensor]
) -> dict[str, ReadableTensor]:
    """Chain experts that are stored one by one where the other side stores them fused."""
    requested = {_core(name): tensor for name, tensor in other.items()}
    experts: dict[str, dict[tuple[int, str], StoredTensor]] = {}
    for name, tensor in own.items():
        match = _EXPERT.match(name)
        if match is not None and isinstance(tensor, StoredTensor):
            fused = f"{match[1]}.{_FUSED[match[3]]}"
            if _core(fused) in requested:
                # gate before up, and w1 before w3, in the order of the alphabet.
                experts.setdefault(fused, {})[int(match[2]), match[3]] = tensor
    result = dict(own)
    for fused, parts in experts.items():
        chain = tuple(parts[key] for key in sorted(parts))
        shape = requested[_core(fused)].shape
        if (
            sum(part.num_elements for part in chain)
            == ChainedTensor(fused, shape, chain).num_elements
        ):
            result[fused] = ChainedTensor(fused, shape, chain)
            for part in chain:
                del result[next(name for name, tensor in own.items() if tensor is part)]
    return result


def _resolve_ties(
    before: dict[str, ReadableTensor],
    after: dict[str, ReadableTensor],
    base: Checkpoint,
    tuned: Checkpoint,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare a head that is tied on one side only with that side's embedding.

    Args:
        before: The base's tensors; changed in place.
        after: The tuned model's tensors; changed in place.
        base: The base, whose config may say that its head is its own.
        tuned: The tuned model, whose config may say the same.

    Returns:
        Heads that are one with the embedding on both sides, and heads that are on one.
    """
    sides = ((before, base), (after, tuned))
    head = _only("head", before.keys() | after.keys())
    embedding = _only("embedding", before.keys() & after.keys())
    if head is None or embedding is None:
        return (), ()
    owners = [side for side, _ in sides if head in side]
    # A head that the config calls untied and the file lacks is missing, not tied.
    if any(head not in side and _says_untied(checkpoint) for side, checkpoint in sides):
        return (), ()
    if len(owners) == 2 and not (_says_tied(base) and _says_tied(tuned)):
        return (), ()
    if all(equal_values(side[head], side[embedding]) for side in owners):
        for side in owners:
            del side[head]
        return (head,), ()
    for side, _ in sides:
        side.setdefault(head, side[embedding])
    return (), (head,)


def _changes_of(
    base: Checkpoint, before: Mapping[str, ReadableTensor], tuned: Checkpoint
) -> dict[str, AdapterChange]:
    adapter = read_adapter(tuned)
    model_type = base.config.get("model_type")
    _refuse_tied(base, before, (*adapter.factors, *adapter.saved), tuned)
    result: dict[str, AdapterChange] = {}
    for name, tensor in _saved(before, adapter.saved):
        known = _known(name, before, base, tuned)
        result[known] = HeldTensor(known, tensor.value(tensor.dtype))
    for module, factors in adapter.factors.items():
        name = _known(module, before, base, tuned)
        if name in result:
            raise ModelError(f"{tuned.source}: {name} is both saved whole and low-rank")
        lying = as_the_base_lies(factors, name, before[name].shape, model_type=model_type)
        result[name] = SlicedFactors((lying.low_rank(),), lying.shape, lying.up.dtype)
    for name, change in result.items():
        if change.shape != before[name].shape:
            _refuse_shape(tuned, name, change.shape, before[name].shape)
    return result


def _saved(
    before: Mapping[str, ReadableTensor], saved: Mapping[str, StoredTensor]
) -> Iterator[tuple[str, StoredTensor]]:
    """Yield saved modules; PEFT saves the embedding too if its factors change it."""
    for name, tensor in saved.items():
        if ".base_layer." not in name:
            yield name, tensor
            continue
        copied = _as_known(name.replace(".base_layer.", "."), before)
        if copied not in before or not equal_values(before[copied], tensor):
            raise ModelError(
                f"{tensor.path}: {copied} moved beneath its own factors; merge the adapter with "
                "merge_and_unload(), save it and give that folder"
            )


def _refuse_tied(
    base: Checkpoint,
    before: Mapping[str, ReadableTensor],
    names: Collection[str],
    tuned: Checkpoint,
) -> None:
    """Refuse an adapter on one of two tied weights: what it changes depends on how it is merged."""
    head, embedding = _only("head", before), _only("embedding", before)
    if head is not None and not (
        _says_tied(base) and embedding is not None and equal_values(before[head], before[embedding])
    ):
        return
    for name in names:
        if weight_role(f".{name}") in ("head", "embedding"):
            raise ModelError(
                f"{tuned.source}: the adapter changes {name}, and {base.source} seems to tie it to "
                "another weight, for it holds no head; give a base whose head is saved on its own"
            )


def _says_tied(checkpoint: Checkpoint) -> bool:
    """Tell whether the config ties the head to the embedding, as it does unless told not to."""
    return bool(checkpoint.config) and not _says_untied(checkpoint)


def _says_untied(checkpoint: Checkpoint) -> bool:
    return checkpoint.config.get("tie_word_embeddings") is False


def _only(role: Role, names: Collection[str]) -> str | None:
    """Return the one weight of a role; None if there is none or there are several."""
    result = [n for n in names if n.endswith(".weight") and weight_role(f".{n}") == role]
    return result[0] if len(result) == 1 else None


def _known(
    name: str, before: Mapping[str, ReadableTensor], base: Checkpoint, tuned: Checkpoint
) -> str:
    known = _as_known(name, before)
    if known not in before:
        check_wrappers(tuned.tensors, tuned.source, is_adapter=True)
        raise ModelError(
            f"{tuned.source}: changes {known}, and {base.source} has no such weight; it was made "
            "for another model, or the base's files have other names than its modules: then merge "
            "the adapter with merge_and_unload(), save it and give that folder"
        )
    return known


def _as_known(name: str, known: Collection[str]) -> str:
    """Return the base's name of a weight, whatever the prefix."""
    if name in known:
        return name
    return next((other for other in known if _core(other) == _core(name)), name)


def _refuse_names(base: Checkpoint, tuned: Checkpoint) -> NoReturn:
    first = next(iter(tuned.tensors), "no tensor")
    raise ModelError(
        f"{tuned.source}: its names ({first}, ...) are not those of {base.source}; it was tuned from "
        "another model"
    )


def _refuse_shape(
    tuned: Checkpoint, name: str, result: tuple[int, ...], requested: tuple[int, ...]
) -> NoReturn:
    raise ModelError(
        f"{tuned.source}: {name} has shape {result} and the base {requested}; it was tuned from another "
        "model, or its vocabulary was resized: resize the base's in the same way and save it first"
    )
