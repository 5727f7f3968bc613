"""Location of each weight, and methods to read it and to apply and undo a change.

A weight in memory is moved in place. One that accelerate keeps in main memory or on disk and
fetches for each pass is not touched: the pass fetches a moved copy instead. A quantised one is not
touched either: its change runs beside it.
"""

import contextlib
import math
import mmap
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from accelerate.hooks import AlignDevicesHook, SequentialHook
from torch import Tensor

from ._quantised import PackedPlace, is_packed


class Place(Protocol):
    """Location of one weight."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The weight's own shape, in whatever form it is kept."""
        ...

    def value(self) -> Tensor:
        """Return the weight: in memory, fetched, or dequantised. It may be the weight itself."""
        ...

    def stored(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that store it, by the suffix of their name."""
        ...

    def move(self, change: Tensor) -> Callable[[], None]:
        """Apply a change.

        Args:
            change: Change, of the weight's shape, in float32. The stored sum is rounded once, after
                the sum.

        Returns:
            Function that undoes it; of several changes the last must be undone first.
        """
        ...


@dataclass(frozen=True)
class _InMemory:
    """A plain parameter, moved in place; the way back is a copy of what was there."""

    parameter: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.parameter.shape)

    def value(self) -> Tensor:
        return self.parameter.detach()

    def stored(self) -> Iterator[tuple[str, Tensor]]:
        yield "", self.value()

    def move(self, change: Tensor) -> Callable[[], None]:
        parameter, original = self.value(), self.value().clone()
        change = change.to(parameter.device)
        if parameter.dtype == torch.float32:
            parameter.add_(change)
        else:
            parameter.copy_(parameter.float() + change)

        def put_back() -> None:
            parameter.copy_(original)

        return put_back


@dataclass(frozen=True)
class _Offloaded:
    """A weight that a hook of accelerate fetches for each pass, from main memory or from disk."""

    hook: AlignDevicesHook
    key: str
    shape: tuple[int, ...]
    is_on_disk: bool

    def value(self) -> Tensor:
        value: Tensor = self.hook.weights_map[self.key]
        return value.detach()

    def stored(self) -> Iterator[tuple[str, Tensor]]:
        yield "", self.value()

    def move(self, change: Tensor) -> Callable[[], None]:
        value = self.value()
        moved = (value.float().cpu() + change).to(value.dtype)
        if self.is_on_disk:
            # What does not fit into memory does not fit there moved either.
            moved = _on_disk(moved)
        hook, fetched = self.hook, self.hook.weights_map
        hook.weights_map = _With(fetched, self.key, moved)

        def put_back() -> None:
            hook.weights_map = fetched
            # Tied weights are remembered by address, and this address will be another tensor's.
            if hook.tied_params_map is not None:
                hook.tied_params_map.pop(moved.data_ptr(), None)

        return put_back


@dataclass(frozen=True)
class _Tied:
    """One weight that lies in several places, as tied weights do once accelerate has parted them."""

    places: tuple[Place, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.places[0].shape

    def value(self) -> Tensor:
        return self.places[0].value()

    def stored(self) -> Iterator[tuple[str, Tensor]]:
        return self.places[0].stored()

    def move(self, change: Tensor) -> Callable[[], None]:
        with contextlib.ExitStack() as stack:
            for place in self.places:
                stack.callback(place.move(change))
            # What is on stays on only if all of them are.
            return stack.pop_all().close


class _With(Mapping[str, Tensor]):
    """A map of weights with one of them replaced."""

    def __init__(self, weights: Mapping[str, Tensor], key: str, value: Tensor) -> None:
        self._weights, self._key, self._value = weights, key, value

    def __getitem__(self, key: str) -> Tensor:
        return self._value if key == self._key else self._weights[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def list_places(model: torch.nn.Module) -> dict[str, Place]:
    """Return the place of every weight by name, in the model's order, tied weights once."""
    offloaded = _offloaded_places(model)
    modules = dict(model.named_modules())
    aliases = _parted_ties(model) if offloaded or _device_map(model) else {}
    result: dict[str, list[Place]] = {}
    seen: set[Tensor] = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        place: Place
        if name in offloaded:
            # Each holder fetches for itself, so all of them count, also while they are one object.
            place = offloaded[name]
        elif parameter in seen:
            continue
        elif is_packed(parameter):
            place = PackedPlace(modules[name.rpartition(".")[0]])
        else:
            place = _InMemory(parameter)
        seen.add(parameter)
        result.setdefault(aliases.get(name, name), []).append(place)
    return {name: ps[0] if len(ps) == 1 else _Tied(tuple(ps)) for name, ps in result.items()}


def in_memory_weights(model: torch.nn.Module) -> dict[str, Tensor] | None:
    """Return the parameters by name, if every weight is one plain tensor in memory.

    Args:
        model: A model, wherever its weights lie.

    Returns:
        The names and order of `list_places`; None where some weight is fetched, packed, or lies in
        several places.
    """
    result = plain_weights(model)
    return result if len(result) == len(list_places(model)) else None


def plain_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """Return the parameters that are one plain tensor in memory, by name.

    Args:
        model: A model, wherever its weights lie.

    Returns:
        Those of `list_places` that are neither fetched, nor packed, nor in several places.
    """
    places = list_places(model)
    return {name: p.parameter for name, p in places.items() if isinstance(p, _InMemory)}


def tied_names(model: torch.nn.Module) -> dict[str, str]:
    """Return the other names of tied weights."""
    own = {parameter: name for name, parameter in model.named_parameters()}
    everything = model.named_parameters(remove_duplicate=False)
    same = {alias: own[parameter] for alias, parameter in everything if own[parameter] != alias}
    return {**same, **(_parted_ties(model) if _offloaded_places(model) else {})}


def execution_device(model: torch.nn.Module, module: torch.nn.Module) -> torch.device:
    """Return the device on which a module computes.

    Args:
        model: A model, wherever its weights lie.
        module: One of its modules, with a weight.

    Returns:
        The device that accelerate fetches its weight to, or the one that it lies on.
    """
    for hook in _align_hooks(module):
        if hook.execution_device is not None:
            return torch.device(hook.execution_device)
    return next(module.parameters(), next(model.parameters())).device


def is_offloaded(model: torch.nn.Module) -> bool:
    """Return whether some weights are stored elsewhere, and fetched for each pass."""
    return bool(_offloaded_places(model))


def _offloaded_places(model: torch.nn.Module) -> dict[str, _Offloaded]:
    result = {}
    device_map = _device_map(model)
    for module_name, module in model.named_modules():
        for hook in _align_hooks(module):
            if hook.offload:
                for key, parameter in module.named_parameters(recurse=hook.place_submodules):
                    name = f"{module_name}.{key}" if module_name else key
                    on_disk = _mapped_device(name, device_map) == "disk"
                    result[name] = _Offloaded(hook, key, tuple(parameter.shape), on_disk)
    return result


def _align_hooks(module: torch.nn.Module) -> Iterator[AlignDevicesHook]:
    hook = vars(module).get("_hf_hook")
    for each in hook.hooks if isinstance(hook, SequentialHook) else (hook,):
        if isinstance(each, AlignDevicesHook):
            yield each


def _device_map(model: torch.nn.Module) -> dict[str, object]:
    result: dict[str, object] = vars(model).get("hf_device_map", {})
    return result


def _mapped_device(name: str, device_map: Mapping[str, object]) -> object:
    """Return the device of the longest entry that the name begins with."""
    fitting = [key for key in device_map if key in ("", name) or name.startswith(f"{key}.")]
    return device_map[max(fitting, key=len)] if fitting else None


def _parted_ties(model: torch.nn.Module) -> dict[str, str]:
    """Alias to name as transformers declares them: parted, tied weights are no longer one object."""
    declared: dict[str, str] = vars(model).get("all_tied_weights_keys", {})
    return dict(declared)


def _on_disk(tensor: Tensor) -> Tensor:
    """Store the tensor in an unnamed file, which is deleted with the last reference to it."""
    content = tensor.contiguous().view(-1).view(torch.uint8)
    with tempfile.TemporaryFile(prefix="driftline-") as file:
        # Written, not copied into the mapping: a full disk is an error here and a crash there.
        file.write(content.numpy().data)
        file.flush()
        mapped = mmap.mmap(file.fileno(), math.prod(content.shape))
    return torch.frombuffer(mapped, dtype=tensor.dtype).view(tensor.shape)
