"""The engine's one verb, and the engine that runs it in this process."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from ...capabilities import Capability
from ...models import LanguageModel, Point, ScoringOptions, numerics
from ...provenance import digest_value
from ...results import Numerics
from ..storage import ResultStore, StoredScores
from ._evaluate import CapabilityScorer, Pending, Scored, Watched
from ._meter import Meter
from ._table import Table


@dataclass
class Engine(ABC):
    """Evaluation of capabilities and anchors at points; stored scores are not computed again.

    What is asked, keyed and kept is the same for every engine; they differ in who computes.
    """

    opened: LanguageModel
    store: ResultStore
    options: ScoringOptions = field(default_factory=ScoringOptions)
    meter: Meter = field(default_factory=Meter)
    tokens_used: int = 0
    """Tokens behind all answers so far, whether scored now or by an earlier process."""
    tokens_backward: int = 0
    """Tokens that went backward too, for gradients of capabilities."""
    scorer: CapabilityScorer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Open the tokenizer, which every key needs."""
        self.scorer = CapabilityScorer(self.opened, self.options, self.meter)

    @property
    @abstractmethod
    def numerics(self) -> Numerics:
        """Settings other than weights and items on which the scores depend."""

    @abstractmethod
    def check_unchanged(self) -> None:
        """Check that every copy of the model is bit for bit the one that was opened.

        Raises:
            ModelError: One is not.
        """

    @abstractmethod
    def _compute(self, pending: Sequence[Pending]) -> Generator[Scored, None, None]:
        """Score what is pending and yield each point as it is done, in any order."""

    def evaluate(self, points: Sequence[Point], capabilities: Sequence[Watched]) -> Table:
        """Score every capability and read all anchors at every point, unless the store has it.

        Each point is stored as soon as it is scored, so that whatever stops the evaluation in the
        middle, nothing that was scored is lost; the base comes back bit for bit.

        Args:
            points: Points to move to.
            capabilities: Capabilities to score there, and the anchors to read there.

        Returns:
            The whole table.

        Raises:
            RunError: A point could not be scored.
        """
        return self.evaluate_each([(point, capabilities) for point in points])

    def evaluate_each(self, requested: Sequence[tuple[Point, Sequence[Watched]]]) -> Table:
        """Do the same as `evaluate`, with a list of capabilities for every point.

        Args:
            requested: Points, each with what to score there.

        Returns:
            The table, without the cells that were not asked for.

        Raises:
            RunError: A point could not be scored.
        """
        rows, pending = self._look_up(requested)
        # Closed at once if storing fails, so that the computation can stop.
        with contextlib.closing(self._compute(pending)) as computed:
            for work, scores in computed:
                self._keep(work, scores)
                for capability, scored in zip(work.capabilities, scores, strict=True):
                    self.tokens_used += scored.num_tokens
                    rows[work.point.digest(), capability.digest] = scored
        return Table(rows)

    def num_tokens(self, capabilities: Sequence[Watched]) -> int:
        """Count the tokens of one evaluation of these capabilities and anchors."""
        return sum(self.scorer.num_tokens(capability) for capability in capabilities)

    def in_float32(self) -> "LocalEngine":
        """Return an engine for changes so small that bfloat16 would round them away.

        Returns:
            An engine on the same store that computes in this process, all products in float32. Its
            tokens count here once `count` is told of them.
        """
        options = replace(self.options, bfloat16=False)
        return LocalEngine(self.opened, self.store, options, self.meter)

    def count(self, other: "Engine") -> None:
        """Add the tokens of another engine to this one's."""
        self.tokens_used += other.tokens_used
        self.tokens_backward += other.tokens_backward

    def _look_up(
        self, requested: Sequence[tuple[Point, Sequence[Watched]]]
    ) -> tuple[dict[tuple[str, str], StoredScores], list[Pending]]:
        """Return the stored scores and the pending points; duplicates count once."""
        points: dict[str, Point] = {}
        request: dict[str, dict[str, Watched]] = {}
        for point, capabilities in requested:
            points.setdefault(point.digest(), point)
            request.setdefault(point.digest(), {}).update((c.digest, c) for c in capabilities)
        rows: dict[tuple[str, str], StoredScores] = {}
        pending = []
        for digest, point in points.items():
            missing = []
            for capability in request[digest].values():
                items, metric = None, None
                if isinstance(capability, Capability):
                    items, metric = len(capability.items), capability.metric
                result = self.store.get(
                    self._key(point, capability), num_items=items, metric=metric
                )
                if result is None:
                    missing.append(capability)
                    continue
                rows[digest, capability.digest] = result
                self.tokens_used += result.num_tokens
                self.meter.skip(result.num_tokens)
            if missing:
                pending.append(Pending(point, tuple(missing)))
        return rows, pending

    def _keep(self, work: Pending, scores: Sequence[StoredScores]) -> None:
        """Store a point's scores, all or none.

        In bfloat16 a score moves with what else is in its batch, so a part that is scored again
        alone would not give the same document.
        """
        with self.store.together():
            for capability, scored in zip(work.capabilities, scores, strict=True):
                self.store.put(
                    self._key(work.point, capability),
                    scored,
                    point=work.point.label,
                    capability=capability.name,
                )

    def _key(self, point: Point, capability: Watched) -> str:
        # A row of an earlier version may lack a metric that is asked for now.
        metrics: list[JsonValue] = []
        if isinstance(capability, Capability):
            metrics = list(capability.metrics)
        return digest_value(
            {
                "base": self.opened.digest,
                "point": point.digest(),
                "capability": capability.digest,
                "metrics": metrics,
                "tokens": self.scorer.tokens_digest(capability),
                "numerics": self.numerics.model_dump(),
            }
        )


@dataclass
class LocalEngine(Engine):
    """Engine that computes in this process, on the given model."""

    @property
    def numerics(self) -> Numerics:
        """Settings of this process on which the scores depend, other than weights and items."""
        return numerics(self.opened, self.options)

    def check_unchanged(self) -> None:
        """Check that the model is bit for bit the one that was opened.

        Raises:
            ModelError: It is not.
        """
        self.opened.check_unchanged()

    def _compute(self, pending: Sequence[Pending]) -> Generator[Scored, None, None]:
        yield from self.scorer.compute(pending)
