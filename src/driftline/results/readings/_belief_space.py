"""Wording for a belief space: what broke first, gradually or with a knee."""

from collections.abc import Iterator

from ..parts import BeliefCurve, BeliefSpace, DriftShape, LayerDrift
from ._readings import DASH, clean, interval, number


def layer_label(layer: int | None) -> str:
    """Return the label of the states that leave a layer."""
    return "embedding" if layer is None else f"layer {layer}"


def rank_ratios(space: BeliefSpace, drift: LayerDrift) -> tuple[float | None, ...]:
    """Return the effective rank of a layer along a curve, as a share of the base's."""
    before = {geometry.layer: geometry.effective_rank for geometry in space.base}[drift.layer]
    return tuple(
        now / before if now is not None and before else None for now in drift.effective_rank
    )


def breaking_sentence(curve: BeliefCurve) -> str:
    """Say which of representation and output breaks first along a curve, and where."""
    at = "norm" if curve.kind == "radius" else "step"
    output, representation = curve.output_scale, curve.representation_scale
    if curve.first is None:
        return f"neither is shown to break first: {clean(curve.reason or 'no reason')}"
    if curve.first == "together":
        scales = sorted(s for s in (output, representation) if s is not None)
        return f"both together, at {at} {' and '.join(number(s) for s in scales)}"
    ends = {"output": output, "representation": representation}
    other = "representation" if curve.first == "output" else "output"
    later = f"{other} at {number(ends[other])}" if ends[other] is not None else f"{other} not"
    return f"{curve.first} first, at {at} {number(ends[curve.first])} ({later})"


def shape_sentence(shape: DriftShape) -> str:
    """Say whether a drift is gradual or has a knee."""
    if shape.shape == "knee":
        text = f"a knee at {number(shape.scale)}"
        if shape.low is not None or shape.high is not None:
            text += f" (interval {interval(shape.low, shape.high)})"
        if shape.slope_ratio is not None:
            text += f", {number(shape.slope_ratio)} times as steep beyond it"
        return text
    if shape.shape == "gradual":
        return "gradual"
    return f"of unknown shape: {clean(shape.reason or 'no reason')}"


def shapes_sentence(curve: BeliefCurve) -> str:
    """Describe the shapes of both drifts of a curve."""
    output = shape_sentence(curve.output_shape)
    representation = shape_sentence(curve.representation_shape)
    if output == representation:
        return f"both: {output}"
    return f"output: {output}; representation: {representation}"


def belief_lines(space: BeliefSpace) -> Iterator[str]:
    """Yield two sentences per direction: what breaks first along it, and how."""
    for curve in space.curves:
        shapes = shapes_sentence(curve)
        yield f"{clean(curve.direction)}: {breaking_sentence(curve)}. {shapes[:1].upper()}{shapes[1:]}."


def belief_rows(space: BeliefSpace) -> list[tuple[str, ...]]:
    """Return the same as a table with titles, one row per direction.

    Returns:
        Where output and representation break, which of them first; then the end of the direction: its
        scale, the forward divergence, the lowest CKA of a layer, the range of rank ratios.
    """
    rows: list[tuple[str, ...]] = [
        ("along", "output", "representation", "first", "to", "KL", "CKA", "rank x")
    ]
    for curve in space.curves:
        worst, _ = lowest_cka(curve, -1)
        rows.append(
            (
                clean(curve.direction),
                _cell(curve.output_scale, curve.output_shape),
                _cell(curve.representation_scale, curve.representation_shape),
                curve.first or DASH,
                number(curve.scales[-1]),
                number(curve.kl_nats[-1]),
                number(worst),
                interval(*rank_range(space, curve, -1)),
            )
        )
    return rows


def _cell(scale: float | None, shape: DriftShape) -> str:
    """Format the scale at which a drift breaks, and whether at a knee, for a table."""
    how = {"knee": f", knee {number(shape.scale)}", "gradual": ", gradual", None: ""}
    return number(scale) + how[shape.shape]


def lowest_cka(curve: BeliefCurve, place: int) -> tuple[float | None, str]:
    """Return the layer least similar to the base at one scale of a curve, and its similarity.

    Args:
        place: Index of the scale.

    Returns:
        Its CKA and what to call it; None and a dash where no layer has one.
    """
    result = [
        (cka, layer_label(layer.layer))
        for layer in curve.layers
        if (cka := layer.cka[place]) is not None
    ]
    return min(result, default=(None, DASH))


def rank_range(
    space: BeliefSpace, curve: BeliefCurve, place: int
) -> tuple[float | None, float | None]:
    """Return the smallest and largest share of the base's effective rank over layers, at one scale.

    Args:
        space: Belief space, which holds the base's reading.
        place: Index of the scale.

    Returns:
        Both; None where no layer has one.
    """
    ratios = [
        ratio for layer in curve.layers if (ratio := rank_ratios(space, layer)[place]) is not None
    ]
    return min(ratios, default=None), max(ratios, default=None)
