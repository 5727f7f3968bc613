"""Log-likelihoods of token sequences, as fast as plain PyTorch gives them.

Four savings carry it: a beginning that several sequences share runs once (tree attention, and
kept keys and values for long ones), batches hold rows of like length, the output head sees only
the positions that are scored, and a pass starts at the first layer that has moved.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.utils import ModelOutput

from ...errors import ModelError, RunError
from ..language_model import LanguageModel, ScoringOptions, batch_tokens, scoring_mode
from ..points import Point
from ._forward import ending_at, layers_of, run_body, run_head, starting_at
from ._prefix_tree import Branch, Layout, Row, TokenSequence, plan_batches

_LOG = logging.getLogger(__name__)

_LOGITS_AT_ONCE = 2**26
"""Logits that are held at a time: 256 MiB of float32."""
_ENTRY_BYTES = 2**31
"""Hidden states that are kept to start later passes at a layer."""
_PROOF_NATS, _PROOF_NATS_HALF = 1e-3, 0.25
"""Largest difference of scores in the proof, with float32 weights and with half-precision ones."""
_UNFIT = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Exceptions of architectures that do not accept Driftline's masks, caches or replaced layers."""


@dataclass(frozen=True)
class SequenceScore:
    """Score of one sequence's scored tokens."""

    log_likelihood: float
    """Sum of natural-log probabilities, in nats."""
    num_tokens: int


@dataclass(frozen=True)
class _Plan:
    """Sequences laid out for the model; made once and used at every point."""

    sequences: tuple[TokenSequence, ...]
    root: Branch

    @cached_property
    def num_tokens(self) -> int:
        return self.root.num_tokens()


@dataclass
class EntryStates:
    """The base's hidden states where they enter one layer, pass by pass."""

    plan: _Plan
    layer: int
    """They are the output of the layers before this one; at least 1."""
    passes: list[Tensor] = field(default_factory=list)


class Scorer:
    """Scorer of sequences on one model, at its current point."""

    def __init__(self, opened: LanguageModel, options: ScoringOptions | None = None) -> None:
        """Prepare to score, and prove on a few tokens that the model allows what saves work.

        Args:
            opened: The model, at its base.
            options: Numerics and batch size.

        Raises:
            ModelError: Its scores would not be those of its own logits, or what follows a token
                changes that token's score.
        """
        self.opened = opened
        self.options = options or ScoringOptions()
        self._layout = Layout(batch_tokens=batch_tokens(opened, self.options))
        self._plans: dict[tuple[TokenSequence, ...], _Plan] = {}
        self._entry: EntryStates | None = None
        self._check_cut()
        self._reuses = self.options.prefix_reuse and self._reuse_is_exact()

    @property
    def shares_beginnings(self) -> bool:
        """True if sequences with a common prefix run in one row, as was proved on opening."""
        return self._reuses

    def score(
        self,
        sequences: Sequence[TokenSequence],
        *,
        entry: EntryStates | None = None,
        on_tokens: Callable[[int], None] = lambda _count: None,
    ) -> list[SequenceScore]:
        """Score sequences, in the order given.

        Cost: one forward pass over the tree of their inputs; memory of one batch, its scored logits
        (256 MiB at most) and the keys and values of its trunks. Where memory does not suffice,
        batches are halved until it does, which is logged.

        Args:
            sequences: Sequences to score; `start` must be at least 1.
            entry: Result of `entry_states` for the current point.
            on_tokens: Called after each batch with the number of tokens that went in.

        Returns:
            One score a sequence.

        Raises:
            RunError: The model gave a log-probability that is not finite, or one row alone is too
                large for the memory.
            RuntimeError: Anything else that torch says.
        """
        while True:
            plan = self._plan(sequences)
            known = entry if entry is not None and entry.plan is plan else None
            try:
                return self._score(plan, known, options=self.options, on_tokens=on_tokens)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if not self._halve_batches(plan):
                    raise RunError(
                        "out of memory with a single row in the batch; shorten the longest item, "
                        "or hold the model in a smaller dtype"
                    ) from error

    def entry_states(self, point: Point, sequences: Sequence[TokenSequence]) -> EntryStates | None:
        """Compute the states that enter the first layer a point moves, with the model at the base.

        Points that are asked for in the order of their first layer share the work below it.

        Args:
            point: Next point of the model.
            sequences: Sequences to score there.

        Returns:
            The states for `score`; None where a pass must run whole, or memory does not hold them.

        Raises:
            RuntimeError: Anything else that torch says.
        """
        layer = self.first_layer(point)
        plan = self._plan(sequences)
        if layer == 0 or self._is_too_much(plan):
            return None
        known = self._entry
        if known is None or known.plan is not plan or known.layer > layer:
            known = None
        if known is None or known.layer < layer:
            try:
                self._entry = self._advance(plan, known, layer, options=self.options)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                # The pass runs whole then, and halves its batches until it fits.
                self._entry = None
        return self._entry

    def num_tokens(self, sequences: Sequence[TokenSequence]) -> int:
        """Count the tokens that scoring these sequences puts through the model, without padding."""
        return self._plan(sequences).num_tokens

    def first_layer(self, point: Point) -> int:
        """Return the first layer whose output a point changes, or the number of layers if none.

        Args:
            point: Any point.

        Returns:
            0 where the embedding moves, and where there is nothing to start from: for the base
            itself, and for a model that cannot be entered at a layer.
        """
        if not self._reuses or not point.terms:
            return 0
        num_layers = len(layers_of(self.opened))
        first, is_behind = num_layers, False
        for weight in self.opened.weights:
            is_behind = is_behind or weight.layer is not None
            if point.may_move(weight.name):
                # Outside the layers, the order of the model's own modules tells before from behind.
                outside = num_layers if is_behind else 0
                first = min(first, outside if weight.layer is None else weight.layer)
        return first

    def _score(
        self,
        plan: _Plan,
        entry: EntryStates | None,
        *,
        options: ScoringOptions,
        on_tokens: Callable[[int], None] = lambda _count: None,
    ) -> list[SequenceScore]:
        totals = torch.zeros(len(plan.sequences), dtype=torch.float64)
        with scoring_mode(self.opened, options):
            for rows, output in self._passes(plan.root, entry):
                self._add(totals, rows, output)
                on_tokens(sum(len(row.tokens) for row in rows))
        if not totals.isfinite().all():
            raise RunError(
                "the model gives a log-probability that is not finite; its weights or the "
                "perturbation are out of the range of the dtype"
            )
        return [
            SequenceScore(total, len(sequence.tokens) - sequence.start)
            for total, sequence in zip(totals.tolist(), plan.sequences, strict=True)
        ]

    def _passes(
        self, root: Branch, entry: EntryStates | None
    ) -> Iterator[tuple[Sequence[Row], ModelOutput]]:
        """Yield the rows of each pass with the body's output, trunks before their branches."""
        states = iter(entry.passes if entry is not None else ())

        def run(
            rows: Sequence[Row], before: DynamicCache | None, *, keep: bool
        ) -> tuple[ModelOutput, DynamicCache | None]:
            if entry is None:
                return run_body(self.opened, rows, before, keep=keep)
            with starting_at(self.opened, entry.layer, next(states)):
                return run_body(self.opened, rows, before, keep=keep)

        def visit(
            branch: Branch, before: DynamicCache | None
        ) -> Iterator[tuple[Sequence[Row], ModelOutput]]:
            if branch.trunk is not None:
                output, before = run((branch.trunk,), before, keep=True)
                yield (branch.trunk,), output
            for rows in branch.batches:
                yield rows, run(rows, before, keep=False)[0]
            for child in branch.branches:
                yield from visit(child, before)

        return visit(root, None)

    def _add(self, totals: Tensor, rows: Sequence[Row], output: ModelOutput) -> None:
        """Add the log-probabilities that the rows' queries ask for to their sequences' totals."""
        hidden: Tensor = output.last_hidden_state
        width = hidden.shape[1]
        request = numpy.array(
            [
                (number * width + query.node, query.target, query.sequence)
                for number, row in enumerate(rows)
                for query in row.queries
            ],
            dtype=numpy.int64,
        ).reshape(-1, 3)
        places, inverse = numpy.unique(request[:, 0], return_inverse=True)
        chosen = hidden.flatten(0, 1)[torch.from_numpy(places).to(hidden.device)]
        at_once = max(
            1, _LOGITS_AT_ONCE // self.opened.model.get_output_embeddings().weight.shape[0]
        )
        for first in range(0, len(places), at_once):
            logits = run_head(self.opened, type(output), chosen[first : first + at_once])
            mine = (inverse >= first) & (inverse < first + at_once)
            where = torch.from_numpy(inverse[mine] - first).to(logits.device)
            targets = torch.from_numpy(request[mine, 1]).to(logits.device)
            result = logits[where, targets] - logits.logsumexp(dim=1)[where]
            totals.index_add_(0, torch.from_numpy(request[mine, 2]), result.double().cpu())

    def _advance(
        self, plan: _Plan, known: EntryStates | None, layer: int, *, options: ScoringOptions
    ) -> EntryStates:
        """Compute the states that enter a layer, from an earlier one's or from the tokens."""
        reached = EntryStates(plan, layer)
        with (
            scoring_mode(self.opened, options),
            ending_at(self.opened, layer, reached.passes.append),
        ):
            for _pass in self._passes(plan.root, known):
                pass
        return reached

    def _plan(self, sequences: Sequence[TokenSequence]) -> _Plan:
        requested = tuple(sequences)
        if requested not in self._plans:
            layout, share = self._layout, self._reuses
            if self._positions_depend_on_length(requested):
                layout, share = Layout(batch_tokens=1), False
            self._plans[requested] = _Plan(requested, plan_batches(requested, layout, share=share))
        return self._plans[requested]

    def _positions_depend_on_length(self, sequences: Sequence[TokenSequence]) -> bool:
        """Return whether a sequence is so long that its length changes its batch's positions."""
        config = self.opened.model.config.get_text_config()
        rotary = getattr(config, "rope_parameters", None) or {}
        if rotary.get("rope_type") != "longrope":
            return False
        longest = max((len(sequence.tokens) - 1 for sequence in sequences), default=0)
        return longest > int(rotary["original_max_position_embeddings"])

    def _is_too_much(self, plan: _Plan) -> bool:
        width = int(self.opened.model.config.get_text_config().hidden_size)
        return plan.num_tokens * width * 4 > _ENTRY_BYTES

    def _halve_batches(self, plan: _Plan) -> bool:
        """Make batches smaller; False where each holds one row already."""
        if plan.root.max_rows() <= 1:
            return False
        halved = self._layout.batch_tokens // 2
        _LOG.warning("out of memory: batches are halved to %d tokens", halved)
        self._layout = Layout(batch_tokens=halved)
        self._plans.clear()
        self._entry = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return True

    def _check_cut(self) -> None:
        """Score a made-up sequence through body and head, and by the model's own logits.

        Raises:
            ModelError: They differ, or what follows a token changes its score.
        """
        tokens, exact = (1, 2, 3, 4, 5, 6, 7), ScoringOptions(bfloat16=False)
        sequences = (TokenSequence(tokens, 1),)
        plan = _Plan(sequences, plan_batches(sequences, self._layout, share=False))
        try:
            (result,) = self._score(plan, None, options=exact)
        except (AttributeError, LookupError, TypeError) as error:
            raise ModelError(f"{self._unsupported()} ({error})") from error
        with scoring_mode(self.opened, exact):
            whole, begun = self._log_likelihoods(tokens), self._log_likelihoods(tokens[:4])
        if float((whole[:3] - begun).abs().max()) > self._proof_nats:
            raise ModelError(
                f"{self.opened.source}: the tokens that follow change a token's score, so this is "
                "no causal language model; take a decoder-only one"
            )
        if abs(result.log_likelihood - float(whole.sum())) > self._proof_nats:
            raise ModelError(self._unsupported())

    def _unsupported(self) -> str:
        return (
            f"{self.opened.source}: {type(self.opened.model).__name__} cannot be run as a body and "
            "a head, so it is not supported; take a model of another architecture"
        )

    def _log_likelihoods(self, tokens: tuple[int, ...]) -> Tensor:
        """Compute the log-likelihood of each token but the first, by the model's forward pass."""
        ids = torch.tensor([tokens], device=self.opened.device)
        logits: Tensor = self.opened.model(input_ids=ids[:, :-1], use_cache=False).logits[0]
        rows = logits.double().log_softmax(dim=-1).cpu()
        return rows[range(len(tokens) - 1), tokens[1:]]

    @property
    def _proof_nats(self) -> float:
        is_exact = self.opened.model.dtype == torch.float32 and self.opened.packing is None
        return _PROOF_NATS if is_exact else _PROOF_NATS_HALF

    def _reuse_is_exact(self) -> bool:
        """Score a few made-up sequences in all ways: not every architecture can be cut like this."""
        sequences = tuple(
            TokenSequence((1, 2, 3, 4, 5, *ending), 2)
            for ending in ((6, 7), (6, 8, 9, 1), (7, 6, 1), (8, 1, 2, 3))
        )
        small = Layout(row_tokens=6, row_stretch=1, min_trunk_tokens=3)
        plain = _Plan(sequences, plan_batches(sequences, small, share=False))
        shared = _Plan(sequences, plan_batches(sequences, small))
        exact = ScoringOptions(bfloat16=False)
        try:
            requested = self._score(plain, None, options=exact)
            # From the second layer on, and from behind the last: layers may share more than states.
            ends = dict.fromkeys((1, len(layers_of(self.opened))))
            entries = [self._advance(shared, None, layer, options=exact) for layer in ends]
            result = (self._score(shared, known, options=exact) for known in (None, *entries))
            differences = [
                abs(a.log_likelihood - b.log_likelihood)
                for scores in result
                for a, b in zip(requested, scores, strict=True)
            ]
        except _UNFIT as unfit:
            _LOG.info("%s: every sequence runs by itself (%s)", self.opened.source, unfit)
            return False
        return all(difference <= self._proof_nats for difference in differences)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
