"""Other ways to say which module is fragile, for comparison: weak, or too dear, or both."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from driftline.models import (
    BASE,
    Direction,
    LanguageModel,
    Scorer,
    ScoringOptions,
    TokenSequence,
    WeighedSequences,
    at_point,
)

FLOAT32 = ScoringOptions(bfloat16=False)


@dataclass(frozen=True)
class FisherSums:
    """Per module, means over items of what their gradients say; one number a module each."""

    diagonal_distance: dict[str, float]
    """sum_i F_ii delta_i^2 with the diagonal of the empirical Fisher."""
    trace: dict[str, float]
    """E ||g||^2, the trace of the empirical Fisher's block."""


def changes(opened: LanguageModel, direction: Direction, names: Sequence[str]) -> dict[str, Tensor]:
    """The change of each matrix, whole, in float32."""
    weights = dict(opened.model.named_parameters())
    found = {name: direction.delta(name, weights[name].detach()) for name in names}
    return {name: change for name, change in found.items() if change is not None}


def fisher_sums(
    opened: LanguageModel, items: Sequence[WeighedSequences], change: dict[str, Tensor]
) -> FisherSums:
    """The diagonal of the empirical Fisher (the data's own losses), through each item's gradient.

    Args:
        opened: The model at its base.
        items: Of one capability.
        change: Of each matrix.

    Returns:
        Sums by matrix.
    """
    weights = dict(opened.model.named_parameters())
    chosen = [weights[name] for name in change]
    distance: dict[str, float] = defaultdict(float)
    trace: dict[str, float] = defaultdict(float)
    for item in items:
        loss = _loss(opened, item)
        if not loss.requires_grad:
            continue
        gradients = torch.autograd.grad(loss, chosen)
        for name, gradient in zip(change, gradients, strict=True):
            distance[name] += float((gradient * change[name]).square().sum()) / len(items)
            trace[name] += float(gradient.square().sum()) / len(items)
    return FisherSums(
        {name: distance[name] for name in change}, {name: trace[name] for name in change}
    )


def _loss(opened: LanguageModel, item: WeighedSequences) -> Tensor:
    """An item's loss to first order, so that its gradient is the loss's own."""
    found = []
    for sequence in item.sequences:
        tokens = torch.tensor([sequence.tokens])
        scores = opened.model(tokens[:, :-1]).logits[0].log_softmax(-1)
        each = scores.gather(1, tokens[0, 1:, None])[:, 0]
        found.append(each[sequence.start - 1 :].sum())
    weights = item.weigh([float(value.detach()) for value in found])
    total = torch.zeros(())
    for weight, value in zip(weights, found, strict=True):
        if weight != 0.0:
            total = total + weight * value
    return total


def functional_magnitude(
    opened: LanguageModel, sequences: Sequence[TokenSequence], change: dict[str, Tensor]
) -> dict[str, float]:
    """Mean over tokens of ||dW x|| / ||x||: how far the update moves a module's output (CLoRA's F).

    Args:
        opened: The model at its base.
        sequences: Whose tokens go in.
        change: Of each matrix; the embedding's is taken relative to its rows.

    Returns:
        One number a matrix.
    """
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    handles = []
    for name, module in opened.model.named_modules():
        weight = f"{name}.weight"
        if weight in change:
            handles.append(module.register_forward_hook(_measure(weight, change, sums, counts)))
    try:
        with at_point(opened, BASE):
            Scorer(opened, FLOAT32).score(sequences)
    finally:
        for handle in handles:
            handle.remove()
    return {name: sums[name] / max(1, counts[name]) for name in change}


def _measure(
    weight: str, change: dict[str, Tensor], sums: dict[str, float], counts: dict[str, int]
) -> object:
    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        given = inputs[0]
        if isinstance(module, torch.nn.Embedding):
            moved, before = change[weight][given].norm(dim=-1), output.norm(dim=-1)
        else:
            moved, before = (given @ change[weight].T).norm(dim=-1), given.norm(dim=-1)
        sums[weight] += float((moved / before.clamp_min(1e-9)).sum())
        counts[weight] += moved.numel()

    return hook


def split_half(values: numpy.ndarray) -> Iterator[numpy.ndarray]:
    """Means over even and over odd items."""
    for start in (0, 1):
        yield values[start::2].mean(axis=0)


def is_number(value: float) -> bool:
    """Whether a correlation is defined."""
    return math.isfinite(value)
