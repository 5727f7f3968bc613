"""Provenance of every document: models, data, software and hardware."""

from pydantic import Field, JsonValue

from ._document import Value


class SourceProvenance(Value):
    """A file that went into a result."""

    name: str
    """The name that the user gave."""
    digest: str
    """`sha256:` and the hex digest of its content."""
    num_records: int | None = None
    """Examples or items, where the file holds any."""


class ModelProvenance(Value):
    """A model that went into a result."""

    source: str
    revision: str | None
    digest: str
    """`sha256:` over names, dtypes, shapes and bytes of all weights."""
    architecture: str
    num_parameters: int
    dtype: str


class Numerics(Value):
    """Settings other than weights and items on which a score depends."""

    compute_dtype: str
    """The dtype that matrix products run in."""
    device: str
    num_threads: int
    torch_version: str
    batch_tokens: int
    """Bound for the tokens of one batch; in bfloat16 a score moves a little with its batch."""
    prefix_reuse: bool
    """True if prefixes that sequences share run once, if the model allows it."""
    transformers_version: str | None = None
    """None in documents of earlier versions."""
    config_digest: str | None = None
    """Digest of the model's config.json as it was opened, without names: equal weights under
    another config are another model. None in documents of earlier versions."""


class RunProvenance(Value):
    """The software, the command and the time of a result: a part of every document's provenance."""

    driftline_version: str
    python_version: str
    packages: dict[str, str]
    command: str
    seed: int
    """Random seed of all of Driftline's own sampling."""
    created: str
    """Time of writing, ISO 8601, UTC."""


class Provenance(RunProvenance):
    """Everything that is needed to measure the same again."""

    model: ModelProvenance
    data: SourceProvenance | None
    config: SourceProvenance | None
    config_values: dict[str, JsonValue] = Field(default_factory=dict)
    suites: tuple[SourceProvenance, ...]
    numerics: Numerics
