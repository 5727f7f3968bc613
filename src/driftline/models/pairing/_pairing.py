"""The weights of two checkpoints, paired, and those that stand alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..checkpoints import Checkpoint
from ._assembled import HeldTensor
from ._sliced_factors import SlicedFactors
from ._weight_pairs import WeightPair

Side = Literal["base", "tuned"]
AdapterChange = SlicedFactors | HeldTensor
"""The change that an adapter makes to a weight, or the value that it puts in its place."""


@dataclass(frozen=True)
class LoneWeight:
    """A weight that has no partner, so that no change of it can be read."""

    name: str
    side: Side
    num_elements: int
    is_missing: bool = False
    """The config of that side asks for it, and the files lack it; otherwise it is there alone."""


@dataclass(frozen=True)
class PairedCheckpoints:
    """The weights of base and tuned, paired, in the order in which the base has them on disk."""

    base: Checkpoint
    tuned: Checkpoint
    pairs: tuple[WeightPair, ...]
    lone: tuple[LoneWeight, ...] = ()
    tied: tuple[str, ...] = ()
    """Heads that are one with the embedding, and so count there."""
    untied: tuple[str, ...] = ()
    """Heads that are the embedding on one side and not on the other; compared with it."""
    beside: tuple[WeightPair, ...] = ()
    """Tensors on both sides that are no weights of the class: stored buffers, and what it does not
    load, such as a vision tower. They are in no number."""
    buffers: tuple[str, ...] = ()
    """Stored buffers among them."""
    passed_over: tuple[str, ...] = ()
    """Tensors that the model's class does not load, on either side."""
    wrappers: tuple[str, ...] = ()
    """Prefixes of training wrappers that were removed from names for pairing."""
    is_by_name: bool = False
    """No class of transformers told which tensor is which weight; the names alone did."""
    failures: tuple[str, ...] = ()
    """Errors of transformers that left only the names to pair by."""
    adapter: Checkpoint | None = None
    """An adapter whose merge into the base is to be replayed."""
    adapter_changes: Mapping[str, AdapterChange] | None = None
    """Changes by that adapter, by the name of the pair."""

    @property
    def only_in_base(self) -> tuple[str, ...]:
        """The names of tensors that the base alone has."""
        return self._names("base", is_missing=False)

    @property
    def only_in_tuned(self) -> tuple[str, ...]:
        """The names of tensors that the tuned model alone has."""
        return self._names("tuned", is_missing=False)

    @property
    def missing_in_base(self) -> tuple[str, ...]:
        """The names of weights that the base's config asks for and its files lack."""
        return self._names("base", is_missing=True)

    @property
    def missing_in_tuned(self) -> tuple[str, ...]:
        """The names of weights that the tuned model's config asks for and its files lack."""
        return self._names("tuned", is_missing=True)

    def _names(self, side: Side, *, is_missing: bool) -> tuple[str, ...]:
        return tuple(w.name for w in self.lone if w.side == side and w.is_missing == is_missing)
