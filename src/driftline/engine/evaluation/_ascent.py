"""Directions in which a capability's loss grows fastest, made in this process."""

import torch

from ...capabilities import Capability
from ...models import BASE, GradientDirection, Point, WeighedLoss, gradient_obstacle
from ._engine import Engine
from ._slopes import has_slope, weighed_items

GRADIENT_TOKEN = 3
"""Forward, backward to the activations and to the weights, in forward passes."""


def ascent_obstacle(engine: Engine, capability: Capability) -> str | None:
    """Return why no ascent of a capability's loss can start from this base; None if one can."""
    if not has_slope(capability):
        return f"{capability.metric} has no gradient"
    held = engine.opened.model.dtype
    if held != torch.float32 and engine.opened.packing is None:
        dtype = str(held).removeprefix("torch.")
        return f"the base is held in {dtype}, which rounds such small changes away; use float32"
    return gradient_obstacle(engine.opened)


def ascent_tokens(engine: Engine, capability: Capability) -> int:
    """Count the tokens that go forward and backward for one gradient of a capability's loss."""
    return _direction(engine, capability, BASE).num_tokens


def ascent_direction(engine: Engine, capability: Capability, at: Point = BASE) -> GradientDirection:
    """Compute the steepest ascent of a mean loss, each matrix moving by the same share.

    Cost: nothing yet; about three forward passes over the items when a point on it is first scored.
    Its tokens count now, because they are behind the answer also where the store has the scores.

    Args:
        engine: Holds the model, and computes in this process.
        capability: Capability whose loss rises; for an accuracy, the loss of its margin.
        at: Point of the gradient.

    Returns:
        The direction.
    """
    direction = _direction(engine, capability, at)
    engine.tokens_used += direction.num_tokens
    engine.tokens_backward += direction.num_tokens
    return direction


def _direction(engine: Engine, capability: Capability, at: Point) -> GradientDirection:
    scorer = engine.scorer
    loss = WeighedLoss(
        tuple(weighed_items(engine, capability)),
        {
            "capability": capability.digest,
            "tokens": scorer.tokens_digest(capability),
            "metric": capability.measure.gradient_metric,
        },
    )
    return GradientDirection(
        engine.opened,
        loss,
        at,
        engine.options,
        share=scorer.sequences.shares_beginnings,
        on_tokens=lambda count: engine.meter.advance(count * GRADIENT_TOKEN),
    )
