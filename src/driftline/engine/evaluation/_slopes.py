"""Slopes of capabilities: how fast each item's loss changes as one module alone moves.

Gradients are taken in this process, on the model that the driver holds, whatever engine scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability, Item, Likelihood, loss_weights
from ...models import (
    Direction,
    HiddenGradients,
    ModuleChange,
    Point,
    SlopeMeter,
    Term,
    WeighedSequences,
    at_point,
)
from ._engine import Engine

SLOPE_TOKEN = 4
"""Forward, backward to the activations, and each change times its input, in forward passes."""


@dataclass(frozen=True)
class CapabilitySlopes:
    """One capability's slopes along a direction, averaged over nodes of the segment."""

    capability: Capability
    slopes: Float[ndarray, "items modules"]
    """d loss / d scale of each module alone; positive is worse. Of the metric that has a gradient:
    the capability's own, or the margin behind an accuracy."""
    hidden: tuple[HiddenGradients, ...]
    """Gradients of the items' losses with respect to what leaves each layer, at the last node."""


@dataclass(frozen=True)
class SlopeTable:
    """The slopes of capabilities in the modules that a direction moves."""

    modules: tuple[ModuleChange, ...]
    """Those that could be measured, in the model's order."""
    unread: tuple[ModuleChange, ...]
    """Modules that move and could not be measured."""
    rows: tuple[CapabilitySlopes, ...]
    num_tokens: int
    """Tokens that went forward and backward."""


def has_slope(capability: Capability) -> bool:
    """Return whether a capability's loss, or that of its underlying margin, has a gradient."""
    return capability.measure.has_gradient


def measure_slopes(
    engine: Engine,
    direction: Direction,
    capabilities: Sequence[Capability],
    *,
    nodes: Sequence[tuple[float, float]] = ((0.5, 1.0),),
    max_hidden_rows: int = 0,
    seed: int = 0,
) -> SlopeTable:
    """Measure the mean gradient of each item's loss on the segment from the base along a direction.

    The slope of module m is sum over nodes of weight * <grad_m loss(base + t * direction),
    direction_m>: integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) along the
    segment, by quadrature. Over all modules, and with enough nodes, slopes add up to the loss from
    the base to base + direction.

    Cost: for each node, one point and about four forward passes over the items.

    Args:
        engine: Holds the model, at its base.
        direction: Direction of the segment.
        capabilities: Capabilities to measure; each must have a slope.
        nodes: (t, weight) of the quadrature; weights add up to 1. The midpoint alone by default.
        max_hidden_rows: Rows of hidden gradients to keep a layer and capability, about.
        seed: Random seed of the choice of those rows.

    Returns:
        The table; the model is at its base, bit for bit.
    """
    scorer = engine.scorer
    meter = SlopeMeter(
        engine.opened, direction, engine.options, share=scorer.sequences.shares_beginnings
    )
    items = [weighed_items(engine, capability) for capability in capabilities]
    sums = [numpy.zeros((len(c.items), len(meter.modules))) for c in capabilities]
    hidden: list[tuple[HiddenGradients, ...]] = [()] * len(capabilities)
    num_tokens, unread = 0, set[str]()
    for number, (t, weight) in enumerate(nodes):
        rows = max_hidden_rows if number == len(nodes) - 1 else 0
        with at_point(engine.opened, Point(f"slopes at {t:g}", (Term(direction, t),))):
            for place, weighed in enumerate(items):
                result = meter.measure(
                    weighed,
                    max_hidden_rows=rows,
                    seed=seed,
                    on_tokens=lambda count: engine.meter.advance(count * SLOPE_TOKEN),
                )
                sums[place] += weight * result.slopes
                hidden[place] = result.hidden
                num_tokens += result.num_tokens
                unread |= set(meter.unread)
    engine.tokens_used += num_tokens
    engine.tokens_backward += num_tokens
    # From zero no movement is relative to anything, so such a module has no place in the ranking.
    unread |= {m.name for m in meter.modules if m.base_norm == 0}
    kept = [number for number, m in enumerate(meter.modules) if m.name not in unread]
    return SlopeTable(
        tuple(meter.modules[number] for number in kept),
        tuple(m for m in meter.modules if m.name in unread),
        tuple(
            CapabilitySlopes(capability, total[:, kept], states)
            for capability, total, states in zip(capabilities, sums, hidden, strict=True)
        ),
        num_tokens,
    )


def weighed_items(engine: Engine, capability: Capability) -> list[WeighedSequences]:
    """Return a capability's items as sequences, with the weights of likelihoods in their losses."""
    encoded = engine.scorer.encode(capability)
    return [
        WeighedSequences(
            tuple(encoded.sequences[a:b]),
            _weigh(
                item,
                [len(s.tokens) - s.start for s in encoded.sequences[a:b]],
                encoded.num_bytes[a:b],
                capability,
            ),
        )
        for item, (a, b) in zip(capability.items, encoded.spans, strict=True)
    ]


def _weigh(
    item: Item,
    num_tokens: Sequence[int],
    num_bytes: Sequence[int],
    capability: Capability,
) -> Callable[[Sequence[float]], Sequence[float]]:
    def weigh(log_likelihoods: Sequence[float]) -> Sequence[float]:
        likelihoods = [
            Likelihood(*each) for each in zip(log_likelihoods, num_tokens, num_bytes, strict=True)
        ]
        return loss_weights(
            item,
            likelihoods,
            normalization=capability.normalization,
            metric=capability.measure.gradient_metric,
        )

    return weigh
