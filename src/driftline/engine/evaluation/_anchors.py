"""Anchors: a few texts at which the belief space is read, at the base and at every point.

What is compared with the base is kept as small as the comparison allows: for each layer the Gram
matrix of its states and their strongest directions, and for the output its log-probabilities.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

from jaxtyping import Float
from numpy import ndarray

from ...measures import (
    anisotropy,
    debiased_linear_cka,
    effective_rank,
    gram_matrix,
    kl_divergence_nats,
    participation_ratio,
    principal_angles,
    principal_directions,
    reverse_kl_divergence_nats,
)
from ...models import (
    LanguageModel,
    LogProbs,
    PackedRows,
    ScoringOptions,
    States,
    encode_packed,
    observe,
)
from ...provenance import digest_bytes, digest_value
from ..storage import StoredScores


@dataclass(frozen=True)
class Anchors:
    """Texts, and what is read of them.

    A reading has, for each layer, `cka` (debiased linear, with the base), `effective_rank`,
    `participation_ratio`, `anisotropy`, `largest_angle` and `mean_angle` (radians, between the
    strongest directions and those of the base); and for the output `kl` (base || point) and
    `reverse_kl` (point || base), in nats per token.
    """

    texts: tuple[str, ...]
    layers: tuple[int | None, ...]
    """Numbers of the layers, from 0, in the order of the model; None, which comes first, is the
    embedding."""
    num_rows: int = 8
    row_tokens: int = 32
    """The texts are packed into rows of so many tokens."""
    top_k: int = 8
    """Number of directions of a layer that are followed."""

    name: ClassVar[str] = "belief space"

    @cached_property
    def digest(self) -> str:
        """Digest of all that a reading depends on, other than the model."""
        return digest_value(
            {
                "anchors": list(self.texts),
                "layers": list(self.layers),
                "num_rows": self.num_rows,
                "row_tokens": self.row_tokens,
                "top_k": self.top_k,
            }
        )


class _Geometry(NamedTuple):
    """Statistics of one layer's states."""

    gram: Float[ndarray, "tokens tokens"]
    directions: Float[ndarray, "width top_k"] | None

    @classmethod
    def of(cls, states: States, top_k: int) -> "_Geometry":
        gram = gram_matrix(states)
        return cls(gram, principal_directions(states, gram, top_k=top_k))

    def readings(self, base: "_Geometry") -> Iterator[tuple[str, float | None]]:
        """Yield every number of the layer, by name."""
        yield "cka", debiased_linear_cka(base.gram, self.gram)
        yield "effective_rank", effective_rank(self.gram)
        yield "participation_ratio", participation_ratio(self.gram)
        yield "anisotropy", anisotropy(self.gram)
        largest = mean = None
        if base.directions is not None and self.directions is not None:
            angles = principal_angles(base.directions, self.directions)
            largest, mean = float(angles[-1]), float(angles.mean())
        yield "largest_angle", largest
        yield "mean_angle", mean


@dataclass(frozen=True)
class _BaseReading:
    """Anchor states of the base, with which later points are compared."""

    layers: Sequence[_Geometry]
    log_probs: LogProbs


@dataclass
class AnchorReader:
    """Reader of anchors on one model, at its current point."""

    opened: LanguageModel
    options: ScoringOptions
    _packed: dict[str, PackedRows] = field(default_factory=dict)
    _bases: dict[str, _BaseReading] = field(default_factory=dict)

    def num_tokens(self, anchors: Anchors) -> int:
        """Count the tokens that one reading puts through the model."""
        return sum(map(len, self._pack(anchors).rows))

    def tokens_digest(self, anchors: Anchors) -> str:
        """Compute the digest of the anchors in tokens, as this model's tokenizer makes them."""
        return digest_bytes(repr(self._pack(anchors)).encode())

    def read_base(self, anchors: Anchors) -> None:
        """Store the states with which later readings are compared; the model must be at the base.

        Cost: one reading, the first time. Kept, for n states of width d: for each layer n^2 and

        d * `top_k` numbers in float64, and at most 64 MiB of log-probabilities.
        """
        if anchors.digest in self._bases:
            return
        layers: list[_Geometry] = []
        log_probs = self._observe(anchors, layers)
        self._bases[anchors.digest] = _BaseReading(layers, log_probs)

    def read(self, anchors: Anchors) -> StoredScores:
        """Read the anchors where the model stands, against the base.

        Cost: one forward pass of the anchors, and per layer the eigenvalues of one n x n matrix.

        Args:
            anchors: Anchors to read; `read_base` must have been called for them.

        Returns:
            The readings by name, one number a layer, or one for the output; None where a number
            is not defined.

        Raises:
            RunError: A state or a log-probability is not a number.
        """
        base = self._bases[anchors.digest]
        layers: list[_Geometry] = []
        log_probs = self._observe(anchors, layers)
        columns: dict[str, list[float | None]] = {}
        for before, now in zip(base.layers, layers, strict=True):
            for name, number in now.readings(before):
                columns.setdefault(name, []).append(number)
        for name, divergence in (
            ("kl", kl_divergence_nats(base.log_probs, log_probs)),
            ("reverse_kl", reverse_kl_divergence_nats(base.log_probs, log_probs)),
        ):
            columns[name] = [divergence if math.isfinite(divergence) else None]
        values = {name: tuple(numbers) for name, numbers in columns.items()}
        return StoredScores(values, self.num_tokens(anchors))

    def _observe(self, anchors: Anchors, layers: list[_Geometry]) -> LogProbs:
        """Run one pass; each layer's states are dropped once their geometry is known."""
        return observe(
            self.opened,
            self._pack(anchors),
            self.options,
            layers=anchors.layers,
            on_states=lambda states: layers.append(_Geometry.of(states, anchors.top_k)),
        )

    def _pack(self, anchors: Anchors) -> PackedRows:
        if anchors.digest not in self._packed:
            self._packed[anchors.digest] = encode_packed(
                self.opened,
                anchors.texts,
                row_tokens=anchors.row_tokens,
                num_rows=anchors.num_rows,
            )
        return self._packed[anchors.digest]
