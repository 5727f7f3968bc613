"""Weights of a model that the tensors of its files become, by transformers' own conversion."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
import transformers
from torch import Tensor
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    Concatenate,
    MergeModulelist,
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
)

from ...errors import ModelError
from ..checkpoints import Checkpoint, ReadableTensor, StoredTensor
from ._assembled import ChainedTensor, ConvertedTensor
from ._weight_pairs import equal_values
from ._wrapped_names import unwrapped


@dataclass(frozen=True)
class Parameter:
    """One weight of a model, and where its numbers are."""

    name: str
    """As `named_parameters()` and the state dict call it."""
    value: ReadableTensor
    sources: tuple[StoredTensor, ...]
    """The tensors that it is made from, in the order of the conversion."""
    layout: str = ""
    """The conversion that makes it; empty where it is stored as it is."""


@dataclass(frozen=True)
class ModelParameters:
    """The weights of one side, as transformers would load them."""

    present: Mapping[str, Parameter]
    """By name, in the order of the files; tied weights once."""
    missing: tuple[str, ...]
    """Weights that the config asks for and the files lack."""
    missing_elements: Mapping[str, int]
    unknown: tuple[StoredTensor, ...]
    """Tensors for which the model has no place."""
    passed_over: tuple[StoredTensor, ...]
    """Tensors that the model's class says are not loaded, such as old buffers."""
    buffers: frozenset[str]
    """Names of tensors that are no parameters, such as constants of a recurrence."""
    ties: Mapping[str, str]
    """Weights that are one with another, by the config and the files."""
    wrappers: tuple[str, ...]
    """Prefixes of training wrappers that were removed from names."""

    @property
    def unloaded(self) -> tuple[StoredTensor, ...]:
        """All tensors that transformers would not load."""
        return (*self.passed_over, *self.unknown)


@dataclass
class _Group:
    """Tensors that one conversion takes together."""

    converter: WeightConverter | None
    collected: dict[str, list[StoredTensor]] = field(default_factory=dict)

    def add(self, pattern: str, tensor: StoredTensor) -> None:
        self.collected.setdefault(pattern, []).append(tensor)

    @property
    def tensors(self) -> tuple[StoredTensor, ...]:
        return tuple(tensor for held in self.collected.values() for tensor in held)


def read_parameters(checkpoint: Checkpoint, model: transformers.PreTrainedModel) -> ModelParameters:
    """Find what each weight of a model is made from.

    Args:
        model: The model that its config names, without weights.

    Returns:
        The weights, and what does not fit. Cost: headers alone are read, and a head that the config
        ties and the files hold.

    Raises:
        ModelError: Two tensors are one weight, or one cannot be made, or has another shape than
            the config says.
    """
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    tensors, wrappers = _unwrapped(checkpoint, shapes)
    groups, unknown = _grouped(checkpoint, tensors, model)
    present: dict[str, Parameter] = {}
    for name, group in groups.items():
        for parameter in _converted(checkpoint, name, group, model):
            if parameter.name not in shapes:
                unknown.extend((parameter.name, tensor) for tensor in group.tensors)
            elif parameter.value.shape != shapes[parameter.name]:
                raise ModelError(
                    f"{checkpoint.source}: {parameter.name} has shape {parameter.value.shape}, and "
                    f"config.json says {shapes[parameter.name]}; config and weights do not belong "
                    "together: download or save the model again"
                )
            else:
                present[parameter.name] = parameter
    ties = _resolve_ties(present, model)
    missing = [name for name in shapes if name not in present and name not in ties]
    missing = _without(missing, model._keys_to_ignore_on_load_missing)
    homeless = set(_without([name for name, _ in unknown], _not_loaded(model)))
    order = {tensor.name: place for place, tensor in enumerate(checkpoint.tensors.values())}
    rows = sorted(present.values(), key=lambda p: min(order[source.name] for source in p.sources))
    return ModelParameters(
        present={parameter.name: parameter for parameter in rows},
        missing=tuple(missing),
        missing_elements={name: torch.Size(shapes[name]).numel() for name in missing},
        unknown=tuple(tensor for name, tensor in unknown if name in homeless),
        passed_over=tuple(tensor for name, tensor in unknown if name not in homeless),
        buffers=frozenset(name for name, _ in model.named_buffers()),
        ties=ties,
        wrappers=wrappers,
    )


def decoder_prefix(model: transformers.PreTrainedModel) -> str | None:
    """Return the name of the text model without its head; None if there is none."""
    try:
        decoder = model.get_decoder()
    except (AttributeError, NotImplementedError):
        return None
    return next((name for name, module in model.named_modules() if module is decoder), None)


def _unwrapped(
    checkpoint: Checkpoint, known: Mapping[str, object]
) -> tuple[dict[str, StoredTensor], tuple[str, ...]]:
    result: dict[str, StoredTensor] = {}
    removed: list[str] = []
    for full, tensor in checkpoint.tensors.items():
        name, wrappers = (full, ()) if full in known else unwrapped(full)
        if name in result:
            raise _two_for_one(checkpoint, result[name].name, full, name)
        result[name] = tensor
        removed += wrappers
    return result, tuple(dict.fromkeys(removed))


def _grouped(
    checkpoint: Checkpoint,
    tensors: Mapping[str, StoredTensor],
    model: transformers.PreTrainedModel,
) -> tuple[dict[str, _Group], list[tuple[str, StoredTensor]]]:
    """Follow transformers' loader: rename each name, and gather what one conversion takes."""
    known = model.state_dict()
    transforms = get_model_conversion_mapping(model)
    renamings = [entry for entry in transforms if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in transforms if isinstance(entry, WeightConverter)]
    by_pattern = {pattern: entry for entry in converters for pattern in entry.source_patterns}
    prefix = model.base_model_prefix
    groups: dict[str, _Group] = {}
    unknown = []
    for name, tensor in sorted(tensors.items(), key=lambda item: dot_natural_key(item[0])):
        renamed, pattern = rename_source_key(name, renamings, converters, prefix, known)
        if renamed not in known and name in known:
            renamed, pattern = rename_source_key(name, [], [], prefix, known)
        if renamed not in known:
            unknown.append((renamed, tensor))
            continue
        converter = None if pattern is None else by_pattern[pattern]
        group = groups.setdefault(renamed, _Group(converter))
        if group.collected and (converter is None) != (group.converter is None):
            raise _two_for_one(checkpoint, group.tensors[0].name, tensor.name, renamed)
        if converter is None and group.collected:
            raise _two_for_one(checkpoint, group.tensors[0].name, tensor.name, renamed)
        group.add(pattern or name, tensor)
    return groups, unknown


def _converted(
    checkpoint: Checkpoint, name: str, group: _Group, model: transformers.PreTrainedModel
) -> Iterator[Parameter]:
    """Yield the weights that one group of tensors makes: one, or several."""
    if group.converter is None:
        yield Parameter(name, group.tensors[0], group.tensors)
        return
    converter = group.converter
    layout = f"{converter.source_patterns} {converter.operations} {converter.target_patterns}"
    try:
        made = _run(name, group, model, on_meta=True)
    except Exception as error:
        names = ", ".join(tensor.name for tensor in group.tensors[:3])
        raise ModelError(
            f"{checkpoint.source}: {name} cannot be made from {names}{', ...' * (len(group.tensors) > 3)} "
            f"({error}); some of its parts are missing or do not fit: download or save it again"
        ) from None
    for target, value in made.items():
        shape, chain = tuple(value.shape), _chain(group)
        if len(made) == 1 and chain is not None and _num(chain) == value.numel():
            yield Parameter(target, ChainedTensor(target, shape, chain), chain, layout)
            continue
        dtype = value.dtype

        def make(target: str = target) -> Tensor:
            return _run(name, group, model, on_meta=False)[target]

        readable = ConvertedTensor(target, dtype, shape, make)
        yield Parameter(target, readable, group.tensors, layout)


def _run(
    name: str, group: _Group, model: transformers.PreTrainedModel, *, on_meta: bool
) -> dict[str, Tensor]:
    """Run a conversion of transformers on the tensors of a group, or on their shapes alone."""
    converter = copy.deepcopy(group.converter)
    assert converter is not None, "plain tensors are not converted"
    for pattern, tensors in group.collected.items():
        for tensor in tensors:
            if on_meta:
                value = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
            else:
                value = tensor.value(tensor.dtype)
            converter.add_tensor(name, tensor.name, pattern, value)
    made = converter.convert(name, model=model, config=model.config)
    return {
        target: value[0] if isinstance(value, list) else value for target, value in made.items()
    }


def _chain(group: _Group) -> tuple[StoredTensor, ...] | None:
    """Return the tensors in the order of the weight's elements; None if they are interleaved."""
    assert group.converter is not None, "plain tensors are no chain"
    operations = [
        (type(operation), getattr(operation, "dim", None))
        for operation in group.converter.operations
    ]
    patterns = [p for p in group.converter.source_patterns if p in group.collected]
    columns = [group.collected[pattern] for pattern in patterns]
    if operations in ([(MergeModulelist, 0)], [(Concatenate, 0)]):
        return tuple(tensor for column in columns for tensor in column)
    # Experts are stacked, and gate and up of each joined along their rows.
    if operations == [(MergeModulelist, 0), (Concatenate, 1)]:
        return tuple(tensor for row in zip(*columns, strict=True) for tensor in row)
    return None


def _resolve_ties(
    result: dict[str, Parameter], model: transformers.PreTrainedModel
) -> dict[str, str]:
    """Tie what the config ties, as far as the files allow it, as transformers does.

    Args:
        result: The weights in the files. A tied one that is there under its partner's name alone
            gets the name of the partner; a duplicate is dropped.

    Returns:
        Each weight that is one with another, and that other.
    """
    requested = dict(model.get_expanded_tied_weights_keys(all_submodels=True))
    ties: dict[str, str] = {}
    for target, source in requested.items():
        if target in result and source in result:
            if equal_values(result[target].value, result[source].value):
                del result[target]
                ties[target] = source
        elif target in result:
            moved = result.pop(target)
            result[source] = Parameter(source, moved.value, moved.sources, moved.layout)
            ties[target] = source
        elif source in result:
            ties[target] = source
    for target, source in requested.items():
        # Of three tied weights the first two may have been seen before the one that is there.
        if target not in result and source in result:
            ties[target] = source
    return ties


def _not_loaded(model: transformers.PreTrainedModel) -> set[str]:
    """Return the patterns of tensors that transformers ignores without a message."""
    patterns = set(model._keys_to_ignore_on_load_unexpected or ())
    buffers = [name for name, _ in model.named_buffers()]
    if any(name.endswith("rotary_emb.inv_freq") for name in buffers):
        patterns.add(r"rotary_emb\.inv_freq")
    if any(name.endswith("position_ids") for name in buffers):
        patterns.add(r"(^|\.)position_ids$")
    return patterns


def _without(names: Iterable[str], patterns: Iterable[str] | None) -> list[str]:
    """Return the names that no pattern matches."""
    compiled = [re.compile(pattern) for pattern in patterns or ()]
    return [name for name in names if not any(pattern.search(name) for pattern in compiled)]


def _num(tensors: Iterable[StoredTensor]) -> int:
    return sum(tensor.num_elements for tensor in tensors)


def _two_for_one(checkpoint: Checkpoint, first: str, second: str, name: str) -> ModelError:
    return ModelError(
        f"{checkpoint.source}: {first} and {second} are both the weight {name}; two saves are mixed "
        "in it: save the model again into an empty folder"
    )
