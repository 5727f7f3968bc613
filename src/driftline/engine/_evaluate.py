"""The engine's one verb, run in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..capabilities import (
    Capability,
    Generation,
    Likelihood,
    Metric,
    likelihood_request,
    score_answer,
    score_likelihoods,
)
from ..errors import ModelError, SuiteError
from ..models import (
    LanguageModel,
    Point,
    Scorer,
    ScoringOptions,
    SequenceScore,
    TokenSequence,
    at_point,
    encode_completions,
    encode_prompt,
    generate_greedily,
    num_tree_tokens,
    numerics,
)
from ..provenance import digest_bytes, digest_value
from ._meter import Meter
from ._store import ResultStore, StoredScores

_ANSWER_TOKENS = 32
"""Greedy answers are cut here."""


@dataclass(frozen=True)
class Table:
    """The scores of capabilities at points."""

    rows: dict[tuple[str, str], StoredScores] = field(default_factory=dict)
    """(point digest, capability digest) to scores."""

    def values(self, point: Point, capability: Capability) -> Float[ndarray, " items"]:
        """The capability's metric for each of its items at a point."""
        row = self.rows[point.digest(), capability.digest]
        return numpy.array(row.values[capability.metric])

    def metric(self, point: Point, capability: Capability, metric: str) -> float | None:
        """The mean of any metric that the scorer gives; None where it gives no such one."""
        values = self.rows[point.digest(), capability.digest].values.get(metric)
        return None if values is None else sum(values) / len(values)

    def item_losses(
        self, point: Point, capability: Capability, *, base: Point
    ) -> Float[ndarray, " items"]:
        """Loss of each item from the base to a point: positive is worse."""
        before, after = self.values(base, capability), self.values(point, capability)
        sign = -1.0 if capability.higher_is_better else 1.0
        losses: Float[ndarray, " items"] = sign * (after - before)
        return losses


@dataclass
class _Encoded:
    """A capability in tokens; either sequences or prompts, by its scorer."""

    sequences: list[TokenSequence]
    spans: list[tuple[int, int]]
    """For each item, its sequences from and to."""
    num_bytes: list[int]
    prompts: list[tuple[int, ...]]

    def digest(self) -> str:
        """The digest of the tokens, which hang on the tokenizer and its chat template too."""
        scored = ((*sequence.tokens, sequence.start) for sequence in self.sequences)
        return digest_bytes(repr([*scored, *self.prompts]).encode())

    def num_tokens(self) -> int:
        """Tokens that go through the model; a beginning that sequences share goes through once."""
        inputs = [sequence.tokens[:-1] for sequence in self.sequences]
        generated = sum(len(prompt) + _ANSWER_TOKENS for prompt in self.prompts)
        return num_tree_tokens(inputs) + generated


@dataclass
class LocalEngine:
    """Evaluates in this process, on the model that it was given."""

    opened: LanguageModel
    store: ResultStore
    options: ScoringOptions = field(default_factory=ScoringOptions)
    meter: Meter = field(default_factory=Meter)
    tokens_used: int = 0
    """Tokens behind all answers so far, whether scored now or by an earlier process."""
    _encoded: dict[str, _Encoded] = field(default_factory=dict)

    def evaluate(self, points: Sequence[Point], capabilities: Sequence[Capability]) -> Table:
        """Score every capability at every point, unless the store has it already.

        A point is put in once for all its capabilities, and only if one of them is missing; the
        base comes back bit for bit.

        Args:
            points: Where to.
            capabilities: What to score there.

        Returns:
            The whole table.
        """
        rows: dict[tuple[str, str], StoredScores] = {}
        pending: list[tuple[Point, list[Capability]]] = []
        for point in points:
            missing = []
            for capability in capabilities:
                found = self.store.get(self._key(point, capability))
                if found is None:
                    missing.append(capability)
                else:
                    rows[point.digest(), capability.digest] = found
                    self.tokens_used += found.num_tokens
                    self.meter.skip(found.num_tokens)
            if missing:
                pending.append((point, missing))
        # In this order, neighbours share what lies below the first layer that they move.
        for point, missing in sorted(pending, key=lambda p: self.scorer.first_layer(p[0])):
            scored = self._score_at(point, missing)
            # All or none: in bfloat16 a score moves with what else is in its batch, so a part
            # that is scored again alone would not give the same document.
            with self.store.together():
                for capability, scores in zip(missing, scored, strict=True):
                    self.store.put(
                        self._key(point, capability),
                        scores,
                        point=point.label,
                        capability=capability.name,
                    )
            for capability, scores in zip(missing, scored, strict=True):
                self.tokens_used += scores.num_tokens
                rows[point.digest(), capability.digest] = scores
        return Table(rows)

    @cached_property
    def scorer(self) -> Scorer:
        """Scores on this engine's model."""
        return Scorer(self.opened, self.options)

    def num_tokens(self, capabilities: Sequence[Capability]) -> int:
        """Tokens that one evaluation of these capabilities puts through the model."""
        return sum(self._encode(capability).num_tokens() for capability in capabilities)

    def _key(self, point: Point, capability: Capability) -> str:
        return digest_value(
            {
                "base": self.opened.digest,
                "point": point.digest(),
                "capability": capability.digest,
                "tokens": self._encode(capability).digest(),
                "numerics": numerics(self.opened, self.options).model_dump(),
            }
        )

    def _score_at(self, point: Point, capabilities: Sequence[Capability]) -> list[StoredScores]:
        """The capabilities at a point; the base comes back bit for bit.

        All sequences go through together: like lengths meet in one batch, and autocast casts the
        weights once and not once a capability.

        Returns:
            The scores of each capability.
        """
        sequences = [s for c in capabilities for s in self._encode(c).sequences]
        entry = self.scorer.entry_states(point, sequences)
        # Capabilities share tokens with each other; the plan of the work counts each one's own.
        own = self.num_tokens([c for c in capabilities if c.scorer != "generate"])
        share = own / max(1, self.scorer.num_tokens(sequences))
        with at_point(self.opened, point):
            scored = iter(
                self.scorer.score(
                    sequences,
                    entry=entry,
                    on_tokens=lambda count: self.meter.advance(count * share),
                )
            )
            return [
                self._score_answers(capability)
                if capability.scorer == "generate"
                else self._score_likelihoods(
                    capability, list(islice(scored, len(self._encode(capability).sequences)))
                )
                for capability in capabilities
            ]

    def _score_likelihoods(
        self, capability: Capability, scored: Sequence[SequenceScore]
    ) -> StoredScores:
        encoded = self._encode(capability)
        likelihoods = [
            Likelihood(score.log_likelihood, score.num_tokens, num_bytes)
            for score, num_bytes in zip(scored, encoded.num_bytes, strict=True)
        ]
        scores = [
            score_likelihoods(item, likelihoods[a:b], normalization=capability.normalization)
            for item, (a, b) in zip(capability.items, encoded.spans, strict=True)
        ]
        return _stored(scores, encoded.num_tokens())

    def _score_answers(self, capability: Capability) -> StoredScores:
        encoded = self._encode(capability)
        answers = generate_greedily(
            self.opened, encoded.prompts, self.options, max_new_tokens=_ANSWER_TOKENS
        )
        self.meter.advance(encoded.num_tokens())
        scores = [
            score_answer(item, answer)
            for item, answer in zip(capability.items, answers, strict=True)
            if isinstance(item, Generation)
        ]
        return _stored(scores, encoded.num_tokens())

    def _encode(self, capability: Capability) -> _Encoded:
        if capability.digest not in self._encoded:
            self._encoded[capability.digest] = self._encode_items(capability)
        return self._encoded[capability.digest]

    def _encode_items(self, capability: Capability) -> _Encoded:
        encoded = _Encoded([], [], [], [])
        for item in capability.items:
            try:
                if isinstance(item, Generation):
                    encoded.prompts.append(encode_prompt(self.opened, item.context()))
                    continue
                context, completions = likelihood_request(item)
                sequences = encode_completions(self.opened, context, completions)
            except ModelError as error:
                raise SuiteError(
                    f"capability {capability.name}: item {item.id}: {error}"
                ) from error
            first = len(encoded.sequences)
            encoded.sequences.extend(sequences)
            encoded.num_bytes.extend(len(text.encode()) for text in completions)
            encoded.spans.append((first, len(encoded.sequences)))
        return encoded


def _stored(scores: Sequence[Mapping[Metric, float]], num_tokens: int) -> StoredScores:
    """The items' metrics, metric by metric."""
    values = {str(metric): tuple(score[metric] for score in scores) for metric in scores[0]}
    return StoredScores(values, num_tokens)
