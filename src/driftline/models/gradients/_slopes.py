"""Slopes: how fast each item's loss changes when one module alone moves along a direction.

A module gives y = f(x; W). When its weights move by s * change, an item's loss moves by

    s * sum over the item's positions of <dL/dy, df/dW [change]>

to first order. Both factors are available in one forward and one backward pass, position by
position, so one pass gives the slopes of all modules and all items, and no gradient of a weight is
formed. Where a weight is used in another way (fused experts, convolutions, positions that rows share)
its gradient is formed item by item and dropped at once (`_slope_tags`). Two short sequences decide
which way is right for which module. No `.grad` or `requires_grad` is touched.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from ...errors import RunError
from .._failures import describe_error, failed_module
from ..language_model import (
    LanguageModel,
    ScoringOptions,
    plain_weights,
    rounded_products,
    tied_names,
)
from ..points import Direction
from ..scoring import (
    Entry,
    Row,
    TokenSequence,
    WeighedSequences,
    gradient_batches,
    lay_out,
    layers_of,
    num_row_tokens,
    queries_of,
    run_body,
    run_head,
    side_by_side,
    weigh_queries,
)
from ._module_changes import ModuleChange, read_changes
from ._slope_hooks import HiddenGradients, SlopeRecorder
from ._slope_tags import Holder, tagged

_PROOF_TOKENS = 24
"""Tokens of each sequence on which hooks are held against autograd."""


@dataclass(frozen=True)
class Slopes:
    """Result of one forward and one backward pass over some items."""

    slopes: Float[ndarray, "items modules"]
    """d loss / d scale of each module alone, at the point where the model stands."""
    log_likelihoods: tuple[tuple[float, ...], ...]
    hidden: tuple[HiddenGradients, ...]
    """Layer by layer; empty if none were asked for."""
    num_tokens: int


class SlopeMeter:
    """Measurement of the slopes of all modules along one direction, at the current weights."""

    def __init__(
        self,
        opened: LanguageModel,
        direction: Direction,
        options: ScoringOptions | None = None,
        *,
        share: bool = True,
    ) -> None:
        """Read the direction; the model must stand at its base.

        Memory: the change of all weights in the dtype of the products, as long as this lives.

        Args:
            opened: The model.
            direction: Direction of the movement of each module.
            options: Numerics; `batch_tokens` bounds a batch.
            share: Let the sequences of an item share their beginning in one row (tree attention).
        """
        self.opened = opened
        self.options = options or ScoringOptions()
        self._share = share
        self._dtype = torch.bfloat16 if self.options.bfloat16 else torch.float32
        self._changes: dict[str, tuple[int, Tensor]] = {}
        """Weight name to the number of its module and its change."""
        self.modules = self._read(direction)
        self.unread: tuple[str, ...] = ()
        """Modules that move and could not be measured in the last pass, by name."""
        self._tagged: frozenset[int] | None = None
        """Numbers of the modules that hooks cannot read; None before that is known."""

    def measure(
        self,
        items: Sequence[WeighedSequences],
        *,
        max_hidden_rows: int = 0,
        seed: int = 0,
        on_tokens: Callable[[int], None] = lambda _count: None,
    ) -> Slopes:
        """Measure the slopes of every item's loss in every module, at the current weights.

        Cost: about three forward passes over the items' tokens; where some weights take autograd,
        item by item, and their gradients on top. Memory: the activations of one batch, three times
        its scored logits (128 MiB, or those of the longest item), the rows of hidden gradients that
        are asked for, and the gradient of one weight where weights take autograd.

        Args:
            items: Items to measure.
            max_hidden_rows: Approximate number of rows of hidden gradients to keep per layer; 0 for none.
            seed: Random seed of the choice of those rows.
            on_tokens: Called after each batch with the number of tokens that went in.

        Returns:
            The slopes. The model is as it was: weights, flags, gradients and hooks.

        Raises:
            RunError: A slope is not finite, or a module of the model failed.
        """
        if self._tagged is None:
            self._tagged = self._unreadable(items)
        plan = lay_out(items, share=self._share)
        num_tokens = num_row_tokens(plan)
        recorder = SlopeRecorder(
            slopes=torch.zeros((len(items), len(self.modules)), dtype=torch.float64),
            generator=numpy.random.default_rng(seed),
            share=min(1.0, max_hidden_rows / num_tokens) if num_tokens else 0.0,
        )
        result = self._passes(items, plan, recorder, self._tagged, self.options, on_tokens)
        self._check_finite(recorder)
        self.unread = tuple(m.name for n, m in enumerate(self.modules) if n not in recorder.seen)
        return Slopes(
            recorder.slopes.numpy(),
            tuple(result[index] for index in range(len(items))),
            recorder.hidden(),
            num_tokens,
        )

    def _read(self, direction: Direction) -> tuple[ModuleChange, ...]:
        direction.prepare()
        modules = []
        for number, (module, changes) in enumerate(read_changes(self.opened, direction)):
            modules.append(module)
            for name, change in changes.items():
                dtype = self._dtype if change.ndim > 1 else torch.float32
                self._changes[name] = number, change.to(dtype)
        return tuple(modules)

    def _unreadable(self, items: Sequence[WeighedSequences]) -> frozenset[int]:
        """Find the modules whose hooks disagree with autograd on two short sequences."""
        plain = plain_weights(self.opened.model)
        can_tag = {number for number, _ in self._changes.values()}
        can_tag -= {number for name, (number, _) in self._changes.items() if name not in plain}
        samples = _samples(items)
        if not samples or not can_tag:
            return frozenset()
        exact = ScoringOptions(bfloat16=False)
        slopes, seen = [], []
        for tags in (frozenset[int](), frozenset(can_tag)):
            recorder = SlopeRecorder(
                slopes=torch.zeros((len(samples), len(self.modules)), dtype=torch.float64),
                generator=numpy.random.default_rng(0),
                share=0.0,
            )
            self._passes(samples, lay_out(samples, share=False), recorder, tags, exact)
            self._check_finite(recorder)
            slopes.append(recorder.slopes)
            seen.append(recorder.seen)
        hooks, truth = slopes
        rough = self._dtype != torch.float32 or self.opened.model.dtype != torch.float32
        relative, floor = (0.05, 2e-3) if rough else (0.01, 2e-4)
        allowed = relative * truth.abs() + floor * truth.abs().max()
        agrees = ((hooks - truth).abs() <= allowed).all(dim=0)
        return frozenset(n for n in can_tag if n not in seen[0] or not agrees[n])

    def _passes(
        self,
        items: Sequence[WeighedSequences],
        plan: Sequence[Entry],
        recorder: SlopeRecorder,
        tags: frozenset[int],
        options: ScoringOptions,
        on_tokens: Callable[[int], None] = lambda _count: None,
    ) -> dict[int, tuple[float, ...]]:
        """Run all forward and backward passes; return the items' log-likelihoods."""
        result: dict[int, tuple[float, ...]] = {}
        # A tag sees the gradient of a whole batch, so that items go one by one.
        batches = (
            ([entry] for entry in plan) if tags else gradient_batches(self.opened, options, plan)
        )
        try:
            with self._recording(recorder, tags, options):
                for batch in batches:
                    result.update(self._pass(items, batch, recorder, tags))
                    on_tokens(num_row_tokens(batch))
        except Exception as error:
            name = failed_module(error, self.opened.model)
            if name is None or isinstance(error, RunError):
                raise
            raise RunError(
                f"{name}: its slope cannot be measured: {describe_error(error)}"
            ) from error
        return result

    def _check_finite(self, recorder: SlopeRecorder) -> None:
        bad = (~recorder.slopes.isfinite()).any(dim=0).nonzero().flatten().tolist()
        if bad:
            raise RunError(
                f"{self.modules[bad[0]].name}: a gradient is not finite; the weights or the update "
                "are out of the range of the dtype"
            )

    def _pass(
        self,
        items: Sequence[WeighedSequences],
        batch: Sequence[Entry],
        recorder: SlopeRecorder,
        tags: frozenset[int],
    ) -> dict[int, tuple[float, ...]]:
        """Run one forward and one backward pass; return the items' log-likelihoods."""
        rows = side_by_side(batch)
        recorder.item = batch[0][0]
        anchors = [torch.zeros((), requires_grad=True)] if tags else []
        with contextlib.ExitStack() as stack:
            if anchors:
                stack.enter_context(tagged(self._holders(tags), anchors[0], recorder.tell))
            return self._way_back(items, rows, recorder, anchors)

    def _way_back(
        self,
        items: Sequence[WeighedSequences],
        rows: Sequence[tuple[int, Row]],
        recorder: SlopeRecorder,
        anchors: list[Tensor],
    ) -> dict[int, tuple[float, ...]]:
        width = max(len(row.tokens) for _, row in rows)
        owners = numpy.full((len(rows), width), -1)
        for number, (index, row) in enumerate(rows):
            owners[number, : len(row.tokens)] = index
        recorder.enter(owners.reshape(-1))
        output, _ = run_body(self.opened, [row for _, row in rows], None, keep=False)
        hidden: Tensor = output.last_hidden_state
        request = queries_of(rows, width)
        places, inverse = numpy.unique(request[:, 0], return_inverse=True)
        chosen = hidden.flatten(0, 1)[torch.from_numpy(places).to(hidden.device)]
        recorder.enter(owners.reshape(-1)[places], hidden=False)
        head = partial(run_head, self.opened, type(output))
        gradient, result = _head_gradient(head, items, (request, inverse), chosen.detach(), anchors)
        assert recorder.source is not None
        requested = [recorder.source, *anchors]
        torch.autograd.grad(chosen, requested, gradient.to(chosen.dtype), allow_unused=True)
        recorder.source = None
        return result

    def _holders(self, tags: frozenset[int]) -> list[Holder]:
        """List all places of these modules' weights, those of tied weights included."""
        return [
            Holder(module, own, *self._changes[name])
            for module, own, name in self._held()
            if self._changes[name][0] in tags
        ]

    def _held(self) -> Iterator[tuple[torch.nn.Module, str, str]]:
        """Yield every parameter that moves: its holder, its name there, and the weight's name."""
        model = self.opened.model
        aliases = tied_names(model)
        for prefix, module in model.named_modules():
            for own in module._parameters:
                whole = f"{prefix}.{own}" if prefix else own
                name = aliases.get(whole, whole)
                if name in self._changes:
                    yield module, own, name

    @contextlib.contextmanager
    def _recording(
        self, recorder: SlopeRecorder, tags: frozenset[int], options: ScoringOptions
    ) -> Iterator[None]:
        """Set evaluation mode, gradients, autocast, and hooks on untagged modules that move."""
        model = self.opened.model
        was_training = model.training
        with contextlib.ExitStack() as stack:
            model.eval()
            stack.callback(model.train, was_training)
            source = model.get_input_embeddings().register_forward_hook(recorder.start)
            stack.callback(source.remove)
            for module, own, name in self._held():
                number, change = self._changes[name]
                # Others are used in ways of their own, and a module with parts is more than one map.
                if number in tags or own not in ("weight", "bias") or any(module.children()):
                    continue
                hook = recorder.reader(number, own, change)
                stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
            if recorder.share > 0:
                for layer, module in enumerate(_layers(self.opened)):
                    hook_ = recorder.hidden_reader(layer)
                    stack.callback(module.register_forward_hook(hook_).remove)
            autocast = torch.autocast(
                self.opened.device.type, dtype=torch.bfloat16, enabled=options.bfloat16
            )
            # Autocast keeps the cast weights until its end, so each is cast once a call.
            stack.enter_context(autocast)
            stack.enter_context(rounded_products(model, bfloat16=options.bfloat16))
            stack.enter_context(torch.enable_grad())
            yield


def _head_gradient(
    head: Callable[[Tensor], Tensor],
    items: Sequence[WeighedSequences],
    request: tuple[Int[ndarray, "queries 4"], Int[ndarray, " queries"]],
    leaf: Tensor,
    anchors: list[Tensor],
) -> tuple[Tensor, dict[int, tuple[float, ...]]]:
    """Compute the gradient of the summed losses at the scored positions."""
    queries, inverse = request
    leaf.requires_grad_()
    logits = head(leaf)
    where, targets = (torch.from_numpy(a).to(logits.device) for a in (inverse, queries[:, 1]))
    scored = logits[where, targets] - logits.logsumexp(dim=1)[where]
    weights, result = weigh_queries(items, queries, scored.detach().double().cpu().numpy())
    loss = (scored * torch.from_numpy(weights).to(scored)).sum()
    gradient, *_ = torch.autograd.grad(loss, [leaf, *anchors], allow_unused=True)
    return gradient, result


def _layers(opened: LanguageModel) -> Sequence[torch.nn.Module]:
    """Return the layers whose states are read; empty without a plain list of layers."""
    try:
        return list(layers_of(opened))
    except LookupError:
        return []


def _samples(items: Sequence[WeighedSequences]) -> list[WeighedSequences]:
    """Return two short sequences of different lengths, each with a loss at all of its tokens."""
    sequences = [sequence for item in items for sequence in item.sequences]
    long = [s.tokens[:_PROOF_TOKENS] for s in sequences if len(s.tokens) > 3]
    if not long:
        return []
    chosen = (long[0], long[-1][1:] if len(long[-1]) == len(long[0]) else long[-1])
    return [
        WeighedSequences((TokenSequence(tokens, 1),), lambda _values: [-1.0]) for tokens in chosen
    ]
