"""Slopes: how fast each item's loss changes when one module alone moves along a direction.

A module gives y = f(x; W). When its weights move by s * change, an item's loss moves by

    s * sum over the item's positions of <dL/dy, df/dW [change]>

to first order. Both factors are at hand during one forward and one backward pass, position by
position, so one pass gives the slopes of all modules and all items. No gradient of a weight is
formed, and no `.grad` or `requires_grad` is touched.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from transformers.utils import ModelOutput

from ..errors import RunError
from ._directions import Direction
from ._forward import layers_of, run_body, run_head
from ._numerics import ScoringOptions
from ._opening import LanguageModel
from ._places import list_places, tied_names
from ._slope_tape import HiddenGradients, Tape
from ._weighed import (
    Entry,
    WeighedSequences,
    gradient_batches,
    lay_out,
    num_row_tokens,
    queries_of,
    side_by_side,
    weigh_queries,
)
from ._weights import weight_role


@dataclass(frozen=True)
class ModuleChange:
    """A module that a direction moves, with the size of its change at scale 1."""

    name: str
    layer: int | None
    role: str
    num_parameters: int
    change_norm: float
    """Frobenius norm of the change of all its weights that move, taken together."""
    base_norm: float
    """The same of those weights in the base."""

    @property
    def relative_norm(self) -> float:
        """||change||_F / ||W||_F."""
        return self.change_norm / self.base_norm if self.base_norm else math.inf


@dataclass(frozen=True)
class Slopes:
    """What one forward and one backward pass over some items gave."""

    slopes: Float[ndarray, "items modules"]
    """d loss / d scale of each module alone, at the point where the model stands."""
    log_likelihoods: tuple[tuple[float, ...], ...]
    hidden: tuple[HiddenGradients, ...]
    """Layer by layer; empty if none were asked for."""
    num_tokens: int


class SlopeMeter:
    """Measures the slopes of all modules along one direction, wherever the model stands."""

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
            direction: What moves which module how far.
            options: Numerics; `batch_tokens` bounds a batch.
            share: Let the sequences of an item share their beginning in one row (tree attention).
        """
        self.opened = opened
        self.options = options or ScoringOptions()
        self._share = share
        self._dtype = torch.bfloat16 if self.options.bfloat16 else torch.float32
        self._changes: dict[str, dict[str, Tensor]] = {}
        """Module name to its weights' own names and changes."""
        self.modules = self._read(direction)
        self.unread: tuple[str, ...] = ()
        """Modules that move and could not be measured in the last pass, by name."""

    def measure(
        self,
        items: Sequence[WeighedSequences],
        *,
        max_hidden_rows: int = 0,
        seed: int = 0,
        on_tokens: Callable[[int], None] = lambda _count: None,
    ) -> Slopes:
        """Slopes of every item's loss in every module, where the model stands now.

        Cost: about three forward passes over the items' tokens. Memory: the activations of one
        batch, three times its scored logits (128 MiB, or those of the longest item), and the rows
        of hidden gradients that are asked for.

        Args:
            items: What to measure.
            max_hidden_rows: How many rows of hidden gradients to keep a layer, about; 0 for none.
            seed: Of the choice of those rows.
            on_tokens: Called after each batch with the number of tokens that went in.

        Returns:
            The slopes. The model is as it was: weights, flags, gradients and hooks.

        Raises:
            RunError: A slope is not finite.
        """
        plan = lay_out(items, share=self._share)
        num_tokens = num_row_tokens(plan)
        share = min(1.0, max_hidden_rows / num_tokens) if num_tokens else 0.0
        tape = Tape(
            slopes=torch.zeros((len(items), len(self.modules)), dtype=torch.float64),
            generator=numpy.random.default_rng(seed),
            share=share,
        )
        found: dict[int, tuple[float, ...]] = {}
        with self._recording(tape):
            for batch in gradient_batches(self.opened, self.options, plan):
                found.update(self._pass(items, batch, tape))
                on_tokens(num_row_tokens(batch))
        if not tape.slopes.isfinite().all():
            raise RunError(
                "a gradient is not finite; the weights or the update are out of the range of the "
                "dtype"
            )
        self.unread = tuple(m.name for m in self.modules if m.name not in tape.seen)
        return Slopes(
            tape.slopes.numpy(),
            tuple(found[index] for index in range(len(items))),
            tape.hidden(),
            num_tokens,
        )

    def _read(self, direction: Direction) -> tuple[ModuleChange, ...]:
        direction.prepare()
        weights = {weight.name: weight for weight in self.opened.weights}
        sizes: dict[str, list[tuple[float, float, int]]] = {}
        first: dict[str, str] = {}
        with torch.no_grad():
            for name, place in list_places(self.opened.model).items():
                base = place.value()
                change = direction.delta(name, base)
                if change is None or not change.any():
                    continue
                module, _, own = name.rpartition(".")
                norms = (float(change.norm()), float(base.float().norm()), change.numel())
                sizes.setdefault(module, []).append(norms)
                first.setdefault(module, name)
                kept = change.to(base.device, self._dtype if change.ndim > 1 else torch.float32)
                self._changes.setdefault(module, {})[own] = kept
        return tuple(
            ModuleChange(
                module,
                weights[first[module]].layer,
                weight_role(first[module]),
                sum(num for _, _, num in parts),
                math.hypot(*(change for change, _, _ in parts)),
                math.hypot(*(base for _, base, _ in parts)),
            )
            for module, parts in sizes.items()
        )

    def _pass(
        self,
        items: Sequence[WeighedSequences],
        batch: Sequence[Entry],
        tape: Tape,
    ) -> dict[int, tuple[float, ...]]:
        """One forward and one backward pass; the log-likelihoods of each item's sequences."""
        rows = side_by_side(batch)
        width = max(len(row.tokens) for _, row in rows)
        owners = numpy.full((len(rows), width), -1)
        for number, (index, row) in enumerate(rows):
            owners[number, : len(row.tokens)] = index
        tape.enter(owners.reshape(-1))
        output, _ = run_body(self.opened, [row for _, row in rows], None, keep=False)
        hidden: Tensor = output.last_hidden_state
        asked = queries_of(rows, width)
        places, inverse = numpy.unique(asked[:, 0], return_inverse=True)
        chosen = hidden.flatten(0, 1)[torch.from_numpy(places).to(hidden.device)]
        tape.enter(owners.reshape(-1)[places], hidden=False)
        gradient, found = self._head(items, asked, inverse, chosen.detach(), type(output))
        assert tape.source is not None
        torch.autograd.grad(chosen, tape.source, gradient.to(chosen.dtype))
        tape.source = None
        return found

    def _head(
        self,
        items: Sequence[WeighedSequences],
        asked: Int[ndarray, "queries 4"],
        inverse: Int[ndarray, " queries"],
        leaf: Tensor,
        kind: type[ModelOutput],
    ) -> tuple[Tensor, dict[int, tuple[float, ...]]]:
        """The gradient of the summed losses at the positions that are scored."""
        leaf.requires_grad_()
        logits = run_head(self.opened, kind, leaf)
        where, targets = (torch.from_numpy(a).to(logits.device) for a in (inverse, asked[:, 1]))
        scored = logits[where, targets] - logits.logsumexp(dim=1)[where]
        weights, found = weigh_queries(items, asked, scored.detach().double().cpu().numpy())
        loss = (scored * torch.from_numpy(weights).to(scored)).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        return gradient, found

    @contextlib.contextmanager
    def _recording(self, tape: Tape) -> Iterator[None]:
        """Evaluation mode, gradients, autocast, and a hook on every module that moves."""
        model = self.opened.model
        was_training = model.training
        aliases = tied_names(model)
        columns = {module.name: number for number, module in enumerate(self.modules)}
        with contextlib.ExitStack() as stack:
            model.eval()
            stack.callback(model.train, was_training)
            source = model.get_input_embeddings().register_forward_hook(tape.start)
            stack.callback(source.remove)
            for name, module in model.named_modules():
                for own, _ in module.named_parameters(recurse=False):
                    whole = f"{name}.{own}" if name else own
                    home, _, weight = aliases.get(whole, whole).rpartition(".")
                    if weight in self._changes.get(home, ()):
                        change = self._changes[home][weight]
                        hook = tape.reader(home, columns[home], own, change)
                        stack.callback(module.register_forward_hook(hook).remove)
            if tape.share > 0:
                for layer, module in enumerate(layers_of(self.opened)):
                    hook = tape.hidden_reader(layer)
                    stack.callback(module.register_forward_hook(hook).remove)
            autocast = torch.autocast(
                self.opened.device.type, dtype=torch.bfloat16, enabled=self.options.bfloat16
            )
            # Autocast keeps the cast weights until its end, so each is cast once a call.
            stack.enter_context(autocast)
            stack.enter_context(torch.enable_grad())
            yield
