"""Which tensor of a tuned checkpoint belongs to which of its base."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..errors import ModelError
from ._sources import Checkpoint, open_checkpoint
from ._stored import StoredTensor
from ._stored_adapter import as_the_base_lies, read_adapter
from ._weight_pairs import WeightPair, equal_values
from ._weights import Role, weight_role

_BODIES = ("model.", "transformer.", "gpt_neox.")
"""What a name begins with in some files and not in others: the model without its head."""


@dataclass(frozen=True)
class PairedCheckpoints:
    """The weights of base and tuned, paired, in the order in which the base has them on disk."""

    base: Checkpoint
    tuned: Checkpoint
    pairs: tuple[WeightPair, ...]
    only_in_base: tuple[str, ...] = ()
    only_in_tuned: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    """Heads that are one with the embedding, and so count there."""
    untied: tuple[str, ...] = ()
    """Heads that are the embedding on one side and not on the other; compared with it."""


def pair_checkpoints(base_source: str, tuned_source: str) -> PairedCheckpoints:
    """Pair the weights of a base and a tuned model, or of a base and an adapter.

    Args:
        base_source: As `open_checkpoint` takes it; a whole model.
        tuned_source: Likewise; a whole model or a LoRA adapter.

    Returns:
        The pairs. Cost: headers alone are read, and a head that may be tied.

    Raises:
        ModelError: One cannot be read, shapes differ, or nothing belongs together.
    """
    base, tuned = open_checkpoint(base_source), open_checkpoint(tuned_source)
    if base.is_adapter:
        raise ModelError(
            f"{base_source}: is an adapter, not a base model; name the base model that it belongs "
            "to, and the adapter second"
        )
    return _pair_adapter(base, tuned) if tuned.is_adapter else _pair_models(base, tuned)


def _pair_models(base: Checkpoint, tuned: Checkpoint) -> PairedCheckpoints:
    after = {_as_known(name, base.tensors): tensor for name, tensor in tuned.tensors.items()}
    before = dict(base.tensors)
    if len(after) < len(tuned.tensors) or not before.keys() & after.keys():
        first = next(iter(tuned.tensors), "no tensor")
        raise ModelError(
            f"{tuned.source}: its names ({first}, ...) are not those of {base.source}; it was "
            "tuned from another model"
        )
    tied, untied = _resolve_ties(before, after, is_tied=_says_tied(base) and _says_tied(tuned))
    pairs = []
    for name, tensor in before.items():
        if name in after:
            if tensor.shape != after[name].shape:
                raise _other_shape(tuned, name, after[name].shape, tensor.shape)
            pairs.append(WeightPair(name, tensor, after[name]))
    return PairedCheckpoints(
        base,
        tuned,
        tuple(pairs),
        only_in_base=tuple(name for name in before if name not in after),
        only_in_tuned=tuple(name for name in after if name not in before),
        tied=tied,
        untied=untied,
    )


def _resolve_ties(
    before: dict[str, StoredTensor], after: dict[str, StoredTensor], *, is_tied: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Let a head that is tied on one side alone stand against that side's embedding.

    Args:
        before: The base's tensors; changed in place.
        after: The tuned ones, likewise.
        is_tied: Whether both configs tie the head, so that one saved beside it says nothing new.

    Returns:
        Heads that are one with the embedding on both sides, and heads that are on one.
    """
    sides = (before, after)
    head = _only("head", before.keys() | after.keys())
    embedding = _only("embedding", before.keys() & after.keys())
    owners = [side for side in sides if head in side]
    if head is None or embedding is None or (len(owners) == 2 and not is_tied):
        return (), ()
    if all(equal_values(side[head], side[embedding]) for side in owners):
        for side in owners:
            del side[head]
        return (head,), ()
    for side in sides:
        side.setdefault(head, side[embedding])
    return (), (head,)


def _pair_adapter(base: Checkpoint, tuned: Checkpoint) -> PairedCheckpoints:
    adapter = read_adapter(tuned)
    model_type = base.config.get("model_type")
    _refuse_tied(base, (*adapter.factors, *adapter.saved), tuned)
    changes = dict(_adapter_changes(base, adapter.saved))
    found = {}
    for name, tensor in changes.items():
        found[_known(name, base, tuned)] = tensor
    pairs = {name: WeightPair(name, t, found.get(name)) for name, t in base.tensors.items()}
    for module, factors in adapter.factors.items():
        name = _known(module, base, tuned)
        if name in found:
            raise ModelError(f"{tuned.source}: {name} is both saved whole and low-rank")
        weight = base.tensors[name]
        lying = as_the_base_lies(factors, name, weight.shape, model_type=model_type)
        pairs[name] = WeightPair(name, weight, lying)
    for name, pair in pairs.items():
        if pair.tuned is not None and pair.tuned.shape != pair.base.shape:
            raise _other_shape(tuned, name, pair.tuned.shape, pair.base.shape)
    return PairedCheckpoints(base, tuned, tuple(pairs.values()))


def _adapter_changes(
    base: Checkpoint, saved: Mapping[str, StoredTensor]
) -> Iterator[tuple[str, StoredTensor]]:
    """Saved modules; PEFT saves the embedding too where its factors lie on it."""
    for name, tensor in saved.items():
        if ".base_layer." not in name:
            yield name, tensor
            continue
        copied = _as_known(name.replace(".base_layer.", "."), base.tensors)
        if copied not in base.tensors or not equal_values(base.tensors[copied], tensor):
            raise ModelError(
                f"{tensor.path}: {copied} moved beneath its own factors; merge the adapter with "
                "merge_and_unload(), save it and give that folder"
            )


def _refuse_tied(base: Checkpoint, names: Collection[str], tuned: Checkpoint) -> None:
    """An adapter on one of two tied weights: what it changes hangs on how it is merged."""
    head = _only("head", base.tensors)
    if head is not None and not (
        _says_tied(base) and _has_equal_embedding(base, base.tensors[head])
    ):
        return
    for name in names:
        if weight_role(f".{name}") in ("head", "embedding"):
            raise ModelError(
                f"{tuned.source}: the adapter lies on {name}, one of two tied weights, and its "
                "change would move both; merge it into its base with ensure_weight_tying, save it "
                "and give that folder, or leave the embedding and the head out of the adapter"
            )


def _has_equal_embedding(base: Checkpoint, head: StoredTensor) -> bool:
    embedding = _only("embedding", base.tensors)
    return embedding is not None and equal_values(head, base.tensors[embedding])


def _says_tied(checkpoint: Checkpoint) -> bool:
    """Whether the config ties the head to the embedding; transformers does unless told not to."""
    return bool(checkpoint.config) and checkpoint.config.get("tie_word_embeddings") is not False


def _only(role: Role, names: Collection[str]) -> str | None:
    """The one weight of a role; None where there is none or there are several."""
    found = [n for n in names if n.endswith(".weight") and weight_role(f".{n}") == role]
    return found[0] if len(found) == 1 else None


def _known(name: str, base: Checkpoint, tuned: Checkpoint) -> str:
    known = _as_known(name, base.tensors)
    if known not in base.tensors:
        raise ModelError(
            f"{tuned.source}: changes {known}, and {base.source} has no such weight; it was made "
            "for another model, or the base's files have other names than its modules: then merge "
            "the adapter with merge_and_unload(), save it and give that folder"
        )
    return known


def _as_known(name: str, known: Collection[str]) -> str:
    """The name under which the base has a weight, whether or not files name the body."""
    if name in known:
        return name
    for body in _BODIES:
        for other in (body + name, name.removeprefix(body)):
            if other in known:
                return other
    return name


def _other_shape(
    tuned: Checkpoint, name: str, found: tuple[int, ...], wanted: tuple[int, ...]
) -> ModelError:
    return ModelError(
        f"{tuned.source}: {name} has shape {found} and the base {wanted}; it was tuned from another "
        "model, or its vocabulary was resized: resize the base's in the same way and save it first"
    )
