"""Scores of each capability of one model, item by item."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ...capabilities import Capability, Suite
from ...engine import Engine, Meter, Progress, RayOptions, RunFolder, Table, open_session
from ...errors import ConfigError
from ...metrics import METRICS
from ...models import BASE, LanguageModel, ScoringOptions, numerics
from ...provenance import provenance_fields
from ...results import CapabilityScore, Cost, ItemScore, Provenance, Scores
from ...stats import mean_interval, share_interval
from ..comparison import nothing_to_lose
from ..items import SuiteRequest
from ..probing import CONFIDENCE_LEVEL, base_standard_error

_TOKENS_TOGETHER = 100_000
"""Capabilities are scored and stored together up to so many tokens: a kill loses no more."""

_CAVEATS = (
    "Each interval is about the mean over items of this kind, and holds by itself: of ten 90 % "
    "intervals, one is expected to miss.",
    "In bfloat16 a score moves a little with what else is in its batch: compare two models on the "
    "same suites, scored together.",
)


@dataclass(frozen=True)
class ScoreRequest(SuiteRequest):
    """Request: one model, and the suites to score it on."""

    opened: LanguageModel
    suites: tuple[Suite, ...]
    seed: int = 0
    options: ScoringOptions = field(default_factory=ScoringOptions)
    ray: RayOptions | None = None
    """Have the points computed on Ray; None computes them in this process."""


@dataclass(frozen=True)
class ScoredModel:
    """The scores of one model, as a document and item by item."""

    document: Scores
    items: tuple[ItemScore, ...]


def score(
    request: ScoreRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> ScoredModel:
    """Score a model, taking up what an earlier process stored in the folder.

    Cost: one forward pass over the items of all capabilities.

    Args:
        request: Model, data and settings.
        folder: Folder of the store.
        listener: Told about progress.

    Returns:
        The scores; the model is as it was.

    Raises:
        ConfigError: Two suites have a capability of one name.
    """
    started = time.monotonic()
    capabilities = request.capabilities
    check_names(capabilities)
    meter = Meter(listener)
    meter.enter("reading the suites")
    with open_session(folder, request.opened, request.options, meter, ray=request.ray) as engine:
        meter.plan(engine.num_tokens(capabilities))
        meter.enter("scoring")
        rows = {}
        for together in batches(capabilities, engine):
            rows.update(engine.evaluate((BASE,), together).rows)
    table = Table(rows)
    document = Scores(
        scores=tuple(capability_score(c, table) for c in capabilities),
        cost=Cost.since(started, forward=engine.tokens_used),
        caveats=_CAVEATS if request.options.bfloat16 else _CAVEATS[:1],
        provenance=_provenance(request),
    )
    return ScoredModel(document, tuple(i for c in capabilities for i in _items(c, table)))


def capability_score(capability: Capability, table: Table) -> CapabilityScore:
    """Return a capability's score at the base, with its interval.

    Args:
        table: Holds its scores at the base.

    Returns:
        The mean of its metric, with an interval that treats a group as one draw and holds no value
        that the metric cannot have.
    """
    metric = METRICS[capability.metric]
    compute = share_interval if metric.is_binary else mean_interval
    interval = compute(
        table.values(BASE, capability),
        groups=capability.groups(),
        confidence_level=CONFIDENCE_LEVEL,
    )
    lowest, highest = metric.bounds
    return CapabilityScore(
        capability=capability.name,
        description=capability.description,
        metric=capability.metric,
        unit=capability.unit,
        higher_is_better=capability.higher_is_better,
        value=interval.value,
        low=max(interval.low, lowest),
        high=min(interval.high, highest),
        standard_error=base_standard_error(table, capability),
        confidence_level=interval.confidence_level,
        num_items=len(capability.items),
        num_groups=len(set(capability.groups())),
        accuracy=table.metric(BASE, capability, "accuracy"),
        chance=capability.chance,
        tolerance=capability.tolerance,
        required=capability.required,
        nothing_to_lose=nothing_to_lose(capability, table),
    )


def check_names(capabilities: Sequence[Capability], *, reserved: Collection[str] = ()) -> None:
    """Refuse capabilities that a document could not tell apart."""
    names = [capability.name for capability in capabilities]
    for name in sorted(set(names)):
        if names.count(name) > 1 or name in reserved:
            raise ConfigError(f"--suite: the capability name {name} is taken; rename one of them")


def batches(capabilities: Sequence[Capability], engine: Engine) -> Iterator[tuple[Capability, ...]]:
    """Yield capabilities that are stored together; the same ones in every process of one request.

    Args:
        capabilities: All of them.
        engine: Knows their tokens.

    Yields:
        Some of them, in order.
    """
    batch: list[Capability] = []
    held = 0
    for capability in capabilities:
        num_tokens = engine.num_tokens((capability,))
        if batch and held + num_tokens > _TOKENS_TOGETHER:
            yield tuple(batch)
            batch, held = [], 0
        batch.append(capability)
        held += num_tokens
    yield tuple(batch)


def _items(capability: Capability, table: Table) -> Iterator[ItemScore]:
    metrics = table.item_metrics(BASE, capability)
    for item, values in zip(capability.items, metrics, strict=True):
        yield ItemScore(capability=capability.name, id=item.id, group=item.group, values=values)


def _provenance(request: ScoreRequest) -> Provenance:
    return Provenance(
        **provenance_fields("score", request.seed),
        model=request.opened.provenance(),
        data=None,
        config=None,
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=numerics(request.opened, request.options),
    )
