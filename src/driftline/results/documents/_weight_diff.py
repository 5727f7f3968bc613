"""Document of `diff`: the change of the weights by tuning."""

from typing import Literal

from pydantic import Field

from ...choices import PresenceState, SpectraEffort
from ...verdicts import TestVerdict
from ..parts import Document, RunProvenance, SourceProvenance, Value

SpectrumMethod = Literal["factors", "gram", "krylov"]


class Spectrum(Value):
    """The singular values of the change of one matrix.

    Ranks count directions; `None` where they cannot be told from what was computed, and `reason`
    says why.
    """

    method: SpectrumMethod
    """`factors`: from the two thin matrices of an adapter. `gram`: from the Gram matrix of the
    smaller side. `krylov`: an estimate of the largest values from a random subspace."""
    is_exact: bool
    """Up to rounding; an estimate of a singular value is never above it."""
    largest_singular_values: tuple[float, ...]
    effective_rank: float | None
    stable_rank: float | None
    energy_rank: int | None
    """Directions that hold 90 % of the squared change."""
    reason: str | None = None


class Intruders(Value):
    """Strong directions of the tuned matrix that are none of the base's."""

    num_intruders: int
    top_k: int
    """Number of the strongest left singular vectors that were examined."""
    threshold: float
    """Below this |cosine| with every left singular vector of the base, one is an intruder."""
    largest_cosines: tuple[float, ...]
    """Largest cosine of each examined vector, the strongest first."""


class TensorChange(Value):
    """One weight that moved."""

    name: str
    layer: int | None
    """None outside the layers."""
    role: str
    shape: tuple[int, ...]
    base_dtype: str
    tuned_dtype: str
    """The dtype of the factors where an adapter makes the change."""
    base_norm: float
    """Frobenius norm."""
    change_norm: float
    relative_change: float | None
    """change_norm / base_norm; None where the base is all zeros."""
    share: float
    """Share of the squared change of all weights together."""
    rounding_floor: float | None
    """The relative change that rounding once to the coarser of the two dtypes makes; None where
    the change was not rounded."""
    at_rounding: bool
    """Half of the squared change, or more, may be rounding."""
    spectrum: Spectrum | None
    spectrum_reason: str | None
    """Reason why there is none."""
    intruders: Intruders | None
    intruders_reason: str | None


class ChangeGroup(Value):
    """The weights of one layer, of one role, or of one role in one layer."""

    layer: int | None
    """None outside the layers, or where the group is a role over all layers."""
    role: str | None
    """None where the group is a layer with all its roles."""
    num_weights: int
    num_changed: int
    num_parameters: int
    relative_change: float | None
    """Norm of their change over their norm; None where the base is all zeros."""
    share: float | None
    """Share of the squared change of all weights together; None if nothing moved."""


class BadTensor(Value):
    """A weight that holds NaN or infinity, and is in no number here."""

    name: str
    side: Literal["base", "tuned", "both"]


class Subject(Value):
    """A checkpoint or a log of its scores, and the digests of the files that were read of it."""

    source: str
    revision: str | None
    kind: Literal["model", "adapter", "log"]
    """log: what another tool wrote about a model that Driftline did not open."""
    files: tuple[SourceProvenance, ...]


class LonePart(Value):
    """A part of one model that has no partner, so that no change of it can be read."""

    side: Literal["base", "tuned"]
    name: str
    """The part's name, such as `model.vision_tower`, `model.layers.3` or `lm_head`."""
    is_missing: bool
    """The side's config asks for it, and its files lack it. Otherwise it is on that side alone."""
    num_weights: int
    num_parameters: int
    share: float
    """Share of all parameters of that side."""


class MergedWeight(Value):
    """One weight that an adapter changes, as it is in the merged model."""

    name: str
    layer: int | None
    state: PresenceState
    """`present`: the adapter's change is there. `scaled`: at another strength than 1. `absent`: the
    weight is the base's. `other`: it differs from the base by more than the adapter and rounding.
    `undecided`: rounding hides the change, so that it cannot be told."""
    strength: float | None
    """The multiple of the adapter's change that is there; None where it cannot be told."""
    residual: float | None
    """Norm of what the adapter at this strength does not explain, in units of the norm that rounding
    once makes; None where it cannot be told."""
    is_exact: bool
    """Every number is the one that the replayed merge gives, or for `absent`, that of the base."""


class MergeReplay(Value):
    """Comparison of a merged model with its adapter, merged again."""

    verdict: TestVerdict
    """`pass`: every weight that the adapter changes holds the change, and no other weight moved.
    `inconclusive`: no weight speaks against that, but some cannot be told or have no partner."""
    adapter: Subject
    weights: tuple[MergedWeight, ...]
    """Every weight that the adapter changes."""
    moved_elsewhere: tuple[str, ...]
    """Weights that the adapter leaves alone, and that moved."""


class DiffProvenance(RunProvenance):
    """Everything that is needed to compare the same again."""

    base: Subject
    tuned: Subject


class WeightDiff(Document):
    """The document of `diff`: where the update went, from the weights alone."""

    schema_: Literal["driftline/diff/1"] = Field(default="driftline/diff/1", alias="schema")
    verdict: TestVerdict | None = None
    """None: all weights were compared, and weights alone judge nothing. `inconclusive`: some have no
    partner. With an adapter, the verdict of `merge`."""
    headline: str = ""
    """The first line that people read."""
    total: ChangeGroup
    """All weights that stand on both sides."""
    by_layer: tuple[ChangeGroup, ...]
    by_role: tuple[ChangeGroup, ...]
    by_module: tuple[ChangeGroup, ...]
    """Role by role in each layer."""
    changes: tuple[TensorChange, ...]
    """Every weight that moved, in the order of the forward pass as far as names tell it."""
    num_rounded_copies: int
    """Weights that are the base's but for the rounding to another dtype; counted as unmoved."""
    changed_beside: tuple[str, ...] = ()
    """Tensors that differ and are no weights of the model's class, so that they are in no number:
    stored buffers, and what it does not load, such as a vision tower."""
    only_in_base: tuple[str, ...]
    only_in_tuned: tuple[str, ...]
    missing_in_base: tuple[str, ...] = ()
    """Weights that the base's config asks for and its files lack."""
    missing_in_tuned: tuple[str, ...] = ()
    lone_parts: tuple[LonePart, ...] = ()
    """The weights of the four lists above, by part, with their shares."""
    merge: MergeReplay | None = None
    """Replay of the merge, if an adapter was given with a merged model."""
    tied: tuple[str, ...]
    """Heads that are one with the embedding and count there."""
    untied: tuple[str, ...]
    """Heads that one side ties to its embedding and the other does not."""
    not_finite: tuple[BadTensor, ...]
    spectra: SpectraEffort
    wall_seconds: float
    num_bytes: int
    """Bytes of both checkpoints' weights."""
    caveats: tuple[str, ...]
    provenance: DiffProvenance
