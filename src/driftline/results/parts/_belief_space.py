"""The belief space along curves: how representation and output leave the base's."""

from typing import Annotated, Literal

from pydantic import Field

from ._document import Value

Probability = Annotated[float, Field(gt=0, lt=1)]
Numbers = tuple[float | None, ...]
"""One number a scale of the curve; an undefined one is None."""


class LayerGeometry(Value):
    """The states of one layer at the base, over the anchor tokens."""

    layer: int | None
    """The layer that the states leave, from 0; None: the embedding, before the first layer."""
    effective_rank: float | None
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli 2007)."""
    participation_ratio: float | None
    """(sum l)^2 / sum l^2 over the eigenvalues of the covariance."""
    anisotropy: float | None
    """Mean cosine between the states of two distinct tokens."""


class LayerDrift(Value):
    """The states of one layer along a curve."""

    layer: int | None
    cka: Numbers
    """Debiased linear CKA with the base: 1 where nothing but axes, size and mean have changed."""
    effective_rank: Numbers
    participation_ratio: Numbers
    anisotropy: Numbers
    largest_angle: Numbers
    """The largest principal angle between the `top_k` strongest directions and those of the base,
    in radians."""
    mean_angle: Numbers
    """The mean of the `top_k` angles, in radians."""


class DriftShape(Value):
    """Shape of a drift along a curve, gradual or with a knee, by its square root."""

    shape: Literal["knee", "gradual"] | None
    """None where it cannot be told; the reason says why."""
    scale: float | None = None
    """Scale of the knee."""
    low: float | None = None
    high: float | None = None
    """Ends of its interval; None where the measured range does not bound it."""
    slope_ratio: float | None = None
    """Slope after the knee over the slope before it."""
    pvalue: float | None = None
    """P-value of "no knee"."""
    reason: str | None = None


class BeliefCurve(Value):
    """Representation and output along one kind of direction from the base, scale by scale."""

    direction: str
    kind: Literal["radius", "path"]
    """As for margins: scales are relative norms along a line, or optimiser steps of training."""
    scales: tuple[float, ...]
    """Ascending. At scale 0, which is left out, there is no drift."""
    kl_nats: Numbers
    """Forward: D(base || point), nats per token."""
    reverse_kl_nats: Numbers
    """Reverse: D(point || base), nats per token."""
    output_drift: Numbers
    """1 - exp(-forward KL): 0 at the base, 1 where nothing is shared."""
    representation_drift: Numbers
    """1 - the mean of CKA over layers: 0 at the base, 1 where nothing is shared."""
    layers: tuple[LayerDrift, ...]
    output_scale: float | None
    """Scale at which the output's drift first passes the threshold; None if it does not."""
    representation_scale: float | None
    """Scale at which the representation's drift first passes the threshold; None if it does not."""
    first: Literal["representation", "output", "together"] | None
    """First to pass the threshold; None if neither does."""
    output_shape: DriftShape
    representation_shape: DriftShape
    reason: str | None = None
    """Reason why a number of the curve is None."""


class BeliefSpace(Value):
    """Belief space of the base, and its change along the directions of an assessment."""

    num_texts: int
    num_tokens: int
    """Whose states are looked at."""
    top_k: int
    """Directions of a layer that are followed."""
    threshold: float
    """The drift that counts as broken, for representation and output alike."""
    confidence_level: Probability
    """Confidence level of the intervals of knees."""
    base: tuple[LayerGeometry, ...]
    curves: tuple[BeliefCurve, ...]
