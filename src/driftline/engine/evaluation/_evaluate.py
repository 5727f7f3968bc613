"""Capabilities and anchors at points, scored and read in this process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from ...capabilities import (
    PREFERRED_OPTION,
    Capability,
    Generation,
    Likelihood,
    Passage,
    completion_bytes,
    likelihood_requests,
    preferred_option,
    score_answer,
    score_likelihoods,
)
from ...errors import ModelError, SuiteError
from ...metrics import MetricName
from ...models import (
    LanguageModel,
    Point,
    Scorer,
    ScoringOptions,
    SequenceScore,
    TokenSequence,
    at_point,
    encode_completions,
    encode_passage,
    encode_prompt,
    generate_greedily,
    num_tree_tokens,
)
from ...provenance import digest_bytes
from ..storage import StoredScores
from ._anchors import AnchorReader, Anchors
from ._meter import Meter

Watched = Capability | Anchors
"""Anything that can be evaluated at a point."""

_ANSWER_TOKENS = 32
"""Greedy answers are cut here."""


@dataclass
class Encoded:
    """A capability in tokens; either sequences or prompts, by its scorer."""

    sequences: list[TokenSequence]
    spans: list[tuple[int, int]]
    """For each item, its sequences from and to."""
    num_bytes: list[int]
    prompts: list[tuple[int, ...]]

    def digest(self) -> str:
        """Digest of the tokens; they depend on the tokenizer and its chat template too."""
        scored = ((*sequence.tokens, sequence.start) for sequence in self.sequences)
        return digest_bytes(repr([*scored, *self.prompts]).encode())

    def num_tokens(self) -> int:
        """Return tokens that go through the model; a prefix that sequences share counts once."""
        inputs = [sequence.tokens[:-1] for sequence in self.sequences]
        generated = sum(len(prompt) + _ANSWER_TOKENS for prompt in self.prompts)
        return num_tree_tokens(inputs) + generated


class Pending(NamedTuple):
    """A point, and those of its capabilities and anchors that are not scored yet."""

    point: Point
    capabilities: tuple[Watched, ...]


class Scored(NamedTuple):
    """Result of a pending point: the scores of each of its capabilities."""

    pending: Pending
    scores: Sequence[StoredScores]


@dataclass
class CapabilityScorer:
    """Scorer of capabilities and reader of anchors in this process, on the given model."""

    opened: LanguageModel
    options: ScoringOptions
    meter: Meter = field(default_factory=Meter)
    _encoded: dict[str, Encoded] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def compute(self, pending: Sequence[Pending]) -> Iterator[Scored]:
        """Score what is pending, point by point, in whatever order is best.

        A point is put in once for all its capabilities, and the base is back, bit for bit, whenever
        a point comes out.

        Args:
            pending: Points and capabilities to score.

        Yields:
            Each point with its scores, as soon as it is done.
        """
        # In this order, neighbours share what lies below the first layer that they move.
        for work in sorted(pending, key=lambda work: self.sequences.first_layer(work.point)):
            yield Scored(work, self._score_at(work.point, work.capabilities))

    @cached_property
    def sequences(self) -> Scorer:
        """Scores sequences of tokens on this model."""
        return Scorer(self.opened, self.options)

    @cached_property
    def anchors(self) -> AnchorReader:
        """Reads anchors on this model."""
        return AnchorReader(self.opened, self.options)

    def num_tokens(self, watched: Watched) -> int:
        """Count the tokens of one evaluation of a capability, or of anchors."""
        if isinstance(watched, Anchors):
            return self.anchors.num_tokens(watched)
        return self.encode(watched).num_tokens()

    def tokens_digest(self, watched: Watched) -> str:
        """Compute the digest of a capability, or of anchors, in this tokenizer's tokens."""
        # Every key asks for it, and it goes over all tokens.
        if watched.digest not in self._digests:
            self._digests[watched.digest] = (
                self.anchors.tokens_digest(watched)
                if isinstance(watched, Anchors)
                else self.encode(watched).digest()
            )
        return self._digests[watched.digest]

    def _score_at(self, point: Point, watched: Sequence[Watched]) -> list[StoredScores]:
        """Score capabilities and anchors at a point; the base is restored bit for bit.

        All sequences go through together: like lengths meet in one batch, and autocast casts the
        weights once and not once a capability.

        Returns:
            The scores of each capability, and the readings of anchors.
        """
        for anchors in watched:
            if isinstance(anchors, Anchors):
                self.anchors.read_base(anchors)
        capabilities = [c for c in watched if isinstance(c, Capability)]
        sequences = [s for c in capabilities for s in self.encode(c).sequences]
        entry = self.sequences.entry_states(point, sequences)
        # Capabilities share tokens with each other; the plan of the work counts each one's own.
        own = sum(self.num_tokens(c) for c in capabilities if c.scorer != "generate")
        share = own / max(1, self.sequences.num_tokens(sequences))
        with at_point(self.opened, point):
            scored: list[SequenceScore] = []
            if sequences:
                scored = self.sequences.score(
                    sequences,
                    entry=entry,
                    on_tokens=lambda count: self.meter.advance(count * share),
                )
            waiting = iter(scored)
            return [self._score(each, waiting) for each in watched]

    def _score(self, watched: Watched, scored: Iterator[SequenceScore]) -> StoredScores:
        """Score a capability from its sequences, or anchors, at the current weights."""
        if isinstance(watched, Anchors):
            self.meter.advance(self.num_tokens(watched))
            return self.anchors.read(watched)
        if watched.scorer == "generate":
            return self._score_answers(watched)
        own = list(islice(scored, len(self.encode(watched).sequences)))
        return self._score_likelihoods(watched, own)

    def _score_likelihoods(
        self, capability: Capability, scored: Sequence[SequenceScore]
    ) -> StoredScores:
        encoded = self.encode(capability)
        likelihoods = [
            Likelihood(score.log_likelihood, score.num_tokens, num_bytes)
            for score, num_bytes in zip(scored, encoded.num_bytes, strict=True)
        ]
        scores = [
            score_likelihoods(item, likelihoods[a:b], normalization=capability.normalization)
            for item, (a, b) in zip(capability.items, encoded.spans, strict=True)
        ]
        preferred = [
            preferred_option(item, likelihoods[a:b], normalization=capability.normalization)
            for item, (a, b) in zip(capability.items, encoded.spans, strict=True)
        ]
        stored = _stored(scores, encoded.num_tokens())
        if any(option is None for option in preferred):
            return stored
        options = tuple(float(option) for option in preferred if option is not None)
        return StoredScores({**stored.values, PREFERRED_OPTION: options}, stored.num_tokens)

    def _score_answers(self, capability: Capability) -> StoredScores:
        encoded = self.encode(capability)
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

    def answers(self, point: Point, items: Sequence[Generation]) -> tuple[str, ...]:
        """Generate the model's answers at a point; the base is restored bit for bit.

        Args:
            point: Point to move to.
            items: Each with a prompt.

        Returns:
            The greedy answers, which are scored but not kept by `compute`.
        """
        prompts = [encode_prompt(self.opened, item.context()) for item in items]
        with at_point(self.opened, point):
            return tuple(
                generate_greedily(self.opened, prompts, self.options, max_new_tokens=_ANSWER_TOKENS)
            )

    def encode(self, capability: Capability) -> Encoded:
        """Encode a capability in tokens; cached."""
        if capability.digest not in self._encoded:
            self._encoded[capability.digest] = self._encode_items(capability)
        return self._encoded[capability.digest]

    def _encode_items(self, capability: Capability) -> Encoded:
        encoded = Encoded([], [], [], [])
        for item in capability.items:
            try:
                if isinstance(item, Generation):
                    encoded.prompts.append(encode_prompt(self.opened, item.context()))
                    continue
                if isinstance(item, Passage):
                    sequences = encode_passage(self.opened, item.text)
                    num_bytes = [completion_bytes(item.text)] * len(sequences)
                else:
                    requests = likelihood_requests(item)
                    sequences = [s for r in requests for s in encode_completions(self.opened, *r)]
                    num_bytes = [completion_bytes(c) for r in requests for c in r[1]]
            except ModelError as error:
                raise SuiteError(
                    f"capability {capability.name}: item {item.id}: {error}"
                ) from error
            first = len(encoded.sequences)
            encoded.sequences.extend(sequences)
            encoded.num_bytes.extend(num_bytes)
            encoded.spans.append((first, len(encoded.sequences)))
        return encoded


def _stored(scores: Sequence[Mapping[MetricName, float]], num_tokens: int) -> StoredScores:
    """Return the items' metrics, metric by metric."""
    values = {str(metric): tuple(score[metric] for score in scores) for metric in scores[0]}
    return StoredScores(values, num_tokens)
