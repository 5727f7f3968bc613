"""Pairing of a tuned checkpoint's tensors with its base's, as transformers would load both."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import transformers

from ...errors import ModelError
from ..checkpoints import Checkpoint, StoredTensor, open_checkpoint
from ._by_name import pair_adapter_by_name, pair_by_name
from ._model_shape import ModelShape, model_shape
from ._pairing import AdapterChange, LoneWeight, PairedCheckpoints, Side
from ._parameters import ModelParameters, Parameter, decoder_prefix, read_parameters
from ._placed_adapter import place_adapter
from ._weight_pairs import WeightPair, equal_values
from ._wrapped_names import unwrapped


def pair_checkpoints(
    base_source: str, tuned_source: str, adapter_source: str | None = None
) -> PairedCheckpoints:
    """Pair the weights of a base and a tuned model, or of a base and an adapter.

    Names are those that transformers gives the tensors on loading, in base and tuned separately, so
    files with other prefixes, or with experts one by one instead of fused, meet. Where no config
    says which class the model is, known prefixes are removed and the names decide.

    Args:
        base_source: As `open_checkpoint` takes it; a whole model.
        tuned_source: As `open_checkpoint` takes it; a whole model or a LoRA adapter.
        adapter_source: A LoRA adapter that `tuned_source` is said to hold, merged.

    Returns:
        The pairs. Cost: headers alone are read, a head that may be tied, and an adapter.

    Raises:
        ModelError: One cannot be read, shapes differ, nothing belongs together, or an adapter is
            more than plain LoRA or does not fit the base.
    """
    base, tuned = open_checkpoint(base_source), open_checkpoint(tuned_source)
    if base.is_adapter:
        raise ModelError(
            f"{base_source}: is an adapter, not a base model; name the base model that it belongs "
            "to, and the adapter second"
        )
    adapter = None if adapter_source is None else open_checkpoint(adapter_source)
    if adapter is not None:
        _check_merge(tuned, adapter)
    if tuned.is_adapter:
        shape = model_shape(base)
        if shape.model is None:
            return _told(pair_adapter_by_name(base, tuned), shape)
        return _pair_adapter(base, tuned, shape.model)
    first, second = _shapes(base, tuned)
    if first.model is None or second.model is None:
        return _told(pair_by_name(base, tuned, adapter), first, second)
    return _pair_models(
        _Loaded(base, first.model, read_parameters(base, first.model)),
        _Loaded(tuned, second.model, read_parameters(tuned, second.model)),
        adapter,
    )


def _told(paired: PairedCheckpoints, *shapes: ModelShape) -> PairedCheckpoints:
    """Add the reasons why names alone were paired."""
    failures = dict.fromkeys(shape.failure for shape in shapes if shape.failure is not None)
    return replace(paired, failures=tuple(failures))


@dataclass(frozen=True)
class _Loaded:
    """One side, as transformers would load it."""

    checkpoint: Checkpoint
    shape: transformers.PreTrainedModel
    parameters: ModelParameters

    def key(self, name: str, other: "_Loaded") -> str:
        """Return a name that both sides share, also for text models and heads of two classes."""
        if type(self.shape) is type(other.shape):
            return name
        if self._head and name.startswith(f"{self._head}."):
            return f"<head>{name.removeprefix(self._head)}"
        if self._text and name.startswith(f"{self._text}."):
            return f"<text>{name.removeprefix(self._text)}"
        return name

    def is_text(self, name: str) -> bool:
        return not self._text or name.startswith((f"{self._text}.", f"{self._head}."))

    @cached_property
    def _text(self) -> str | None:
        return decoder_prefix(self.shape)

    @cached_property
    def _head(self) -> str | None:
        head = self.shape.get_output_embeddings()
        return next((n for n, m in self.shape.named_modules() if m is head), None)


def _check_merge(tuned: Checkpoint, adapter: Checkpoint) -> None:
    if not adapter.is_adapter:
        raise ModelError(f"{adapter.source}: is not an adapter; give the folder of a LoRA adapter")
    if tuned.is_adapter:
        raise ModelError(
            f"{tuned.source}: is an adapter, not a merged model; give the folder of the merged model "
            "as TUNED"
        )


def _shapes(base: Checkpoint, tuned: Checkpoint) -> tuple[ModelShape, ModelShape]:
    """Build the models that the configs name; a bare file is read as its partner's config says."""
    first = model_shape(base)
    second = first if base.config and base.config == tuned.config else model_shape(tuned)
    if first.model is None and not base.config:
        first = second
    if second.model is None and not tuned.config:
        second = first
    return first, second


def _pair_models(base: _Loaded, tuned: _Loaded, adapter: Checkpoint | None) -> PairedCheckpoints:
    before = {base.key(n, tuned): p for n, p in base.parameters.present.items()}
    after = {tuned.key(n, base): p for n, p in tuned.parameters.present.items()}
    tied: list[str] = []
    untied: list[str] = []
    partners = {*before} & {*after}
    matched = [(parameter, after[key]) for key, parameter in before.items() if key in partners]
    for first, second in matched:
        _check_shape(tuned.checkpoint, second, first)
    pairs, buffers = _matched(matched, base, is_whole=adapter is not None)
    for owner, other in ((base, tuned), (tuned, base)):
        for pair, is_one in _tied_on_one_side(owner, other, is_base=owner is base):
            (tied if is_one else untied).append(pair.name)
            pairs += [] if is_one else [pair]
    if not pairs:
        named = next(iter(tuned.checkpoint.tensors), "no tensor")
        raise ModelError(
            f"{tuned.checkpoint.source}: its names ({named}, ...) are not those of "
            f"{base.checkpoint.source}; it was tuned from another model"
        )
    tied += [name for name in base.parameters.ties if name in tuned.parameters.ties]
    changes = None
    if adapter is not None:
        placed = place_adapter(adapter, base.shape, base.parameters, base.checkpoint.source)
        changes = _by_pair({**placed.factors, **placed.saved}, base.parameters)
    unloaded = _unloaded_pairs(base, tuned)
    settled = {*untied, *tied, *(tensor.name for two in unloaded for tensor in two)}
    return PairedCheckpoints(
        base.checkpoint,
        tuned.checkpoint,
        tuple({pair.name: pair for pair in pairs}.values()),
        lone=(
            *_lone(base, "base", [p for k, p in before.items() if k not in partners], settled),
            *_lone(tuned, "tuned", [p for k, p in after.items() if k not in partners], settled),
        ),
        tied=tuple(dict.fromkeys(tied)),
        untied=tuple(untied),
        beside=(
            *buffers,
            *(WeightPair(old.name, old, new, is_text=False) for old, new in unloaded),
        ),
        buffers=tuple(pair.name for pair in buffers),
        passed_over=_passed_over(base, tuned, [old.name for old, _ in unloaded]),
        wrappers=tuple(dict.fromkeys((*base.parameters.wrappers, *tuned.parameters.wrappers))),
        adapter=adapter,
        adapter_changes=changes,
    )


def _pair_adapter(
    base: Checkpoint, tuned: Checkpoint, shape: transformers.PreTrainedModel
) -> PairedCheckpoints:
    side = _Loaded(base, shape, read_parameters(base, shape))
    placed = place_adapter(tuned, shape, side.parameters, base.source)
    changes: dict[str, AdapterChange] = {**placed.factors, **placed.saved}
    pairs = tuple(
        WeightPair(
            _pair_name(parameter), parameter.value, changes.get(name), is_text=side.is_text(name)
        )
        for name, parameter in side.parameters.present.items()
        if name not in side.parameters.buffers or name in changes
    )
    # What the class does not load, no adapter reaches.
    unloaded = [tensor.name for tensor in side.parameters.unloaded]
    return PairedCheckpoints(
        base,
        tuned,
        pairs,
        lone=tuple(_lone(side, "base", [], set(unloaded))),
        tied=tuple(side.parameters.ties),
        passed_over=tuple(unloaded),
        wrappers=side.parameters.wrappers,
    )


def _pairs(
    before: Parameter, after: Parameter, base: _Loaded, *, is_whole: bool
) -> Iterator[WeightPair]:
    """Yield one pair; or one per tensor, if both sides store the parts of a weight alike."""
    is_text = base.is_text(before.name)
    names = [[tensor.name for tensor in side.sources] for side in (before, after)]
    if before.layout and before.layout == after.layout and names[0] == names[1] and not is_whole:
        for left, right in zip(before.sources, after.sources, strict=True):
            if left.shape != right.shape:
                break
            yield WeightPair(left.name, left, right, is_text=is_text)
        else:
            return
    yield WeightPair(_pair_name(before), before.value, after.value, is_text=is_text)


def _matched(
    partners: list[tuple[Parameter, Parameter]], base: _Loaded, *, is_whole: bool
) -> tuple[list[WeightPair], list[WeightPair]]:
    """Return the pairs of weights, and apart from them those of stored buffers."""
    pairs: list[WeightPair] = []
    buffers: list[WeightPair] = []
    for before, after in partners:
        is_buffer = before.name in base.parameters.buffers
        held = buffers if is_buffer else pairs
        held.extend(_pairs(before, after, base, is_whole=is_whole))
    return pairs, buffers


def _passed_over(base: _Loaded, tuned: _Loaded, paired: list[str]) -> tuple[str, ...]:
    names = [t.name for side in (base, tuned) for t in side.parameters.passed_over]
    return tuple(dict.fromkeys((*names, *paired)))


def _unloaded_pairs(base: _Loaded, tuned: _Loaded) -> list[tuple[StoredTensor, StoredTensor]]:
    """Pair by their names what both sides hold and the class of neither loads."""
    after = {unwrapped(tensor.name)[0]: tensor for tensor in tuned.parameters.unloaded}
    named = [(unwrapped(tensor.name)[0], tensor) for tensor in base.parameters.unloaded]
    return [(tensor, after[name]) for name, tensor in named if name in after]


def _pair_name(parameter: Parameter) -> str:
    """Return the name in the base's file if the weight is one tensor there, else in the model."""
    return parameter.name if parameter.layout else parameter.sources[0].name


def _by_pair(
    changes: Mapping[str, AdapterChange], parameters: ModelParameters
) -> dict[str, AdapterChange]:
    return {_pair_name(parameters.present[name]): change for name, change in changes.items()}


def _tied_on_one_side(
    owner: _Loaded, other: _Loaded, *, is_base: bool
) -> Iterator[tuple[WeightPair, bool]]:
    """Yield weights tied on one side only, paired with the weight they are tied to.

    Args:
        owner: The side that ties them.
        other: The side that does not.
        is_base: The owner is the base.

    Yields:
        The pair, and whether the other side holds a mere copy of its own partner.
    """
    by_key = {other.key(n, owner): p for n, p in other.parameters.present.items()}
    for target, source in owner.parameters.ties.items():
        lone = by_key.get(owner.key(target, other))
        partner = by_key.get(owner.key(source, other))
        if lone is None or target in owner.parameters.present:
            continue
        own = owner.parameters.present[source]
        sides = (own, lone) if is_base else (lone, own)
        pair = WeightPair(_pair_name(lone), sides[0].value, sides[1].value)
        yield pair, partner is not None and equal_values(lone.value, partner.value)


def _lone(
    side: _Loaded, name: Side, alone: list[Parameter], settled: set[str]
) -> Iterator[LoneWeight]:
    for parameter in alone:
        if _pair_name(parameter) not in settled:
            yield LoneWeight(_pair_name(parameter), name, parameter.value.num_elements)
    for tensor in side.parameters.unknown:
        if tensor.name not in settled:
            yield LoneWeight(tensor.name, name, tensor.num_elements)
    for missing in side.parameters.missing:
        yield LoneWeight(missing, name, side.parameters.missing_elements[missing], is_missing=True)


def _check_shape(tuned: Checkpoint, after: Parameter, before: Parameter) -> None:
    if after.value.shape != before.value.shape:
        raise ModelError(
            f"{tuned.source}: {_pair_name(after)} has shape {after.value.shape} and the base "
            f"{before.value.shape}; it was tuned from another model, or its vocabulary was resized: "
            "resize the base's in the same way and save it first"
        )
