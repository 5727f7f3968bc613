"""The direction in which a mean loss grows fastest, where every matrix moves by the same share."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy
import torch
from pydantic import JsonValue
from torch import Tensor

from ...errors import ModelError, RunError
from ..language_model import (
    LanguageModel,
    ScoringOptions,
    in_memory_weights,
    list_places,
    numerics,
    scoring_mode,
)
from ..points import BASE, Point, at_point
from ..scoring import (
    Entry,
    WeighedSequences,
    gradient_batches,
    lay_out,
    num_row_tokens,
    queries_of,
    run_body,
    run_head,
    side_by_side,
    weigh_queries,
)


@dataclass(frozen=True)
class WeighedLoss:
    """A loss that is the mean over items."""

    items: tuple[WeighedSequences, ...]
    recipe: JsonValue
    """Value that determines the items and their losses, tokens included."""


def gradient_obstacle(opened: LanguageModel) -> str | None:
    """Return why gradients of the weights are not available here; None if they are."""
    if opened.packing is not None:
        return f"the base is quantised ({opened.packing}), and packed weights have no gradient"
    if opened.is_offloaded:
        return "some weights of the base are fetched for each pass, so they have no gradient"
    if in_memory_weights(opened.model) is None:
        return "tied weights of the base lie on several devices, so they have no one gradient"
    return None


def loss_gradient(
    opened: LanguageModel,
    items: Sequence[WeighedSequences],
    options: ScoringOptions,
    *,
    share: bool = True,
    on_tokens: Callable[[int], None] = lambda _count: None,
) -> dict[str, Tensor]:
    """Compute the gradient of a mean loss with respect to every matrix, at the current weights.

    Cost: about three forward passes over the items' tokens. Memory: twice the matrices in float32
    (once, where one batch holds all items), the activations of one batch and its scored logits.

    Args:
        opened: The model; weights, flags, `.grad`, modes and random states are left as they are.
        items: Items over which the loss is a mean.
        options: Numerics; `batch_tokens` bounds a batch.
        share: Let the sequences of an item share their beginning in one row (tree attention).
        on_tokens: Called after each batch with the number of tokens that went in.

    Returns:
        Weight name to gradient, of the weight's shape, in the weight's dtype or in float32 where it
        is a sum over batches; matrices on which the loss does not depend are left out.

    Raises:
        ModelError: The weights have no gradient where they lie.
    """
    obstacle = gradient_obstacle(opened)
    weights = in_memory_weights(opened.model)
    if obstacle is not None or weights is None:
        raise ModelError(f"{opened.source}: {obstacle}")
    matrices = {name: weight for name, weight in weights.items() if weight.ndim >= 2}
    total: dict[str, Tensor] = {}
    with (
        scoring_mode(opened, options),
        torch.enable_grad(),
        asking_for_gradients(matrices.values()),
    ):
        for batch in gradient_batches(opened, options, lay_out(items, share=share)):
            loss = _summed_loss(opened, items, batch) / len(items)
            # Into no `.grad`, so that the user's own stay.
            result = torch.autograd.grad(loss, list(matrices.values()), allow_unused=True)
            for name, gradient in zip(matrices, result, strict=True):
                if gradient is not None:
                    total[name] = total[name].float() + gradient if name in total else gradient
            on_tokens(num_row_tokens(batch))
    return total


def _summed_loss(
    opened: LanguageModel, items: Sequence[WeighedSequences], batch: Sequence[Entry]
) -> Tensor:
    """Return a sum whose gradient is that of a batch's losses; its value has no meaning."""
    rows = side_by_side(batch)
    width = max(len(row.tokens) for _, row in rows)
    output, _ = run_body(opened, [row for _, row in rows], None, keep=False)
    queries = queries_of(rows, width)
    places, inverse = numpy.unique(queries[:, 0], return_inverse=True)
    hidden: Tensor = output.last_hidden_state
    chosen = hidden.flatten(0, 1)[torch.from_numpy(places).to(hidden.device)]
    logits = run_head(opened, type(output), chosen)
    where, targets = (torch.from_numpy(a).to(logits.device) for a in (inverse, queries[:, 1]))
    log_probs = logits[where, targets] - logits.logsumexp(dim=1)[where]
    by, _ = weigh_queries(items, queries, log_probs.detach().double().cpu().numpy())
    return (log_probs * torch.from_numpy(by).to(log_probs)).sum()


@contextlib.contextmanager
def asking_for_gradients(weights: Iterable[Tensor]) -> Iterator[None]:
    """Make weights require gradients, whatever their own flags are."""
    flags = [(weight, weight.requires_grad) for weight in weights]
    try:
        for weight, _ in flags:
            weight.requires_grad_(True)
        yield
    finally:
        for weight, request in flags:
            weight.requires_grad_(request)


@dataclass(eq=False)
class GradientDirection:
    """The steepest ascent of a mean loss among changes that move each matrix by an equal share.

    Each matrix W changes by ||W||_F * G / ||G||_F, with G the gradient of the loss with respect to W
    at the point `at`; vectors (norms, biases) stay, as do matrices without a gradient. Of all changes
    with these norms it is the one with the largest inner product with the gradient, so a scale is the
    relative Frobenius norm of the change, the same in every matrix, as for `NoiseDirection`.

    At the base this is the first step of an ascent, and at base + r * earlier direction the next one:
    the power method for maximising a convex function over a compact set, conditional gradient
    with a full step (Journée et al. 2010, arXiv 0811.4724), which never falls where the loss is
    convex. That it finds the largest loss there is, nobody says.

    Cost: `prepare` takes one gradient, the first time. Memory: two bytes a weight from then on, on the
    CPU, as the gradient is held in bfloat16 (its norm is taken after that rounding).
    """

    opened: LanguageModel
    loss: WeighedLoss
    at: Point = BASE
    """Point at which the gradient is taken."""
    options: ScoringOptions = field(default_factory=ScoringOptions)
    share: bool = True
    on_tokens: Callable[[int], None] = lambda _count: None
    _held: dict[str, tuple[Tensor, float]] | None = None
    """The gradient of each matrix, and what makes it as long as the matrix."""
    _slope: float = 0.0

    def identity(self) -> JsonValue:
        """Return base, loss, the point of the gradient, and how it is computed."""
        return {
            "kind": "gradient",
            "base": self.opened.digest,
            "loss": self.loss.recipe,
            "at": [term.identity() for term in self.at.terms],
            "numerics": numerics(self.opened, self.options).model_dump(),
            "share": self.share,
        }

    @property
    def num_tokens(self) -> int:
        """Tokens that go forward and backward for it."""
        return num_row_tokens(lay_out(self.loss.items, share=self.share))

    @property
    def slope(self) -> float:
        """Slope of the loss along it at `at`: sum over matrices of ||W||_F * ||G||_F, per unit."""
        self.prepare()
        return self._slope

    def prepare(self) -> None:
        """Compute the gradient, the first time; the model must be at its base.

        Raises:
            ModelError: The weights have no gradient where they lie.
            RunError: The gradient is not finite.
        """
        if self._held is not None:
            return
        with at_point(self.opened, self.at):
            gradient = loss_gradient(
                self.opened,
                self.loss.items,
                self.options,
                share=self.share,
                on_tokens=self.on_tokens,
            )
        held, slope = {}, 0.0
        places = list_places(self.opened.model)
        for name in list(gradient):
            # Popped, so that no more than one matrix is held twice.
            result = gradient.pop(name)
            norm = float(places[name].value().float().norm())
            slope += norm * float(result.float().norm())
            kept = result.to("cpu", torch.bfloat16)
            if kept.any():
                held[name] = kept, norm / float(kept.float().norm())
        if not numpy.isfinite(slope):
            raise RunError(
                "a gradient is not finite; the weights or the perturbation are out of the range of "
                "the dtype"
            )
        self._held, self._slope = held, slope

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Return the gradient scaled to the norm of the weight; None if there is none."""
        assert self._held is not None, "prepare first"
        if name not in self._held:
            return None
        gradient, factor = self._held[name]
        return gradient.float().mul_(factor)
