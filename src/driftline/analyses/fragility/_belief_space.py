"""The belief space: how representation and output leave the base's, and which of them first.

It is read at a few texts of the suite itself: along real training, where the capabilities are scored
anyway, and along two straight lines, a random one and the probe's own update prolonged. A knee needs
evenly spaced scales from little to all, which the search for a radius does not give; so the lines
have points of their own.
"""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy

from ...capabilities import Capability, right_text
from ...engine import Anchors, Table
from ...models import (
    BASE,
    HeldDirection,
    LanguageModel,
    NoiseDirection,
    Point,
    num_layers,
    relative_norm,
)
from ...results import BeliefCurve, BeliefSpace, DriftShape, LayerDrift, LayerGeometry
from ...stats import find_knee, first_crossing
from ..probing import CONFIDENCE_LEVEL, Effort, Line, Study

DRIFT_THRESHOLD = 0.1
"""Threshold of both drifts: CKA below 0.9, or a divergence above 0.105 nats per token."""
_TOGETHER = 1.1
"""Critical scales that differ by no more than this factor are not told apart."""
_CHARACTERS_OF_A_TEXT = 120
"""More of one text would crowd out the others."""
_CHARACTERS_PER_TOKEN = 12
"""Texts are drawn until they fill the rows whatever the tokenizer."""

_Numbers = tuple[float | None, ...]


class _Path(NamedTuple):
    """Points on one path from the base, in the order of their scales."""

    direction: str
    kind: Literal["radius", "path"]
    scales: tuple[float, ...]
    points: tuple[Point, ...]


def suite_anchors(
    opened: LanguageModel, capabilities: Sequence[Capability], effort: Effort, *, seed: int
) -> Anchors | None:
    """Choose texts of the suite at which to read the belief space.

    Items are drawn from one capability after the other, each with its right answer.

    Args:
        capabilities: Capabilities of all suites.
        effort: Number of rows, and tokens per row.
        seed: Random seed of the draw.

    Returns:
        The anchors; None for a model without a plain list of layers.
    """
    layers = num_layers(opened)
    if layers is None:
        return None
    return Anchors(
        suite_texts(capabilities, effort, seed=seed),
        (None, *range(layers)),
        effort.num_anchor_rows,
        effort.anchor_row_tokens,
    )


def suite_texts(
    capabilities: Sequence[Capability], effort: Effort, *, seed: int
) -> tuple[str, ...]:
    """Choose texts of the suite that fill the anchors' rows, drawn as in `suite_anchors`."""
    requested = _CHARACTERS_PER_TOKEN * effort.num_anchor_rows * effort.anchor_row_tokens
    texts: list[str] = []
    for text in _drawn(capabilities, seed=seed):
        texts.append(text[:_CHARACTERS_OF_A_TEXT])
        if sum(map(len, texts)) >= requested:
            break
    return tuple(texts)


def belief_space(study: Study, probe_table: Table) -> BeliefSpace | None:
    """Read the belief space along training and along straight lines.

    Cost: a forward pass of the anchors per point; for lines, going to each point as well.

    Args:
        study: The planned run.
        probe_table: Result of `Study.probe_table`, which has the readings along training.

    Returns:
        The curves; None where the study has no anchors.
    """
    anchors = study.anchors
    if anchors is None:
        return None
    lines = tuple(_lines(study))
    points = [point for path in lines for point in path.points]
    table = Table({**probe_table.rows, **study.engine.evaluate(points, (anchors,)).rows})
    steps = tuple(float(step) for step in study.trajectory.kept_steps)
    paths = (_Path("planned training", "path", steps, study.path_points()), *lines)
    return BeliefSpace(
        num_texts=len(anchors.texts),
        num_tokens=study.engine.num_tokens((anchors,)),
        top_k=anchors.top_k,
        threshold=DRIFT_THRESHOLD,
        confidence_level=CONFIDENCE_LEVEL,
        base=tuple(_geometries(table, anchors)),
        curves=tuple(_curve(table, anchors, path) for path in paths),
    )


def _lines(study: Study) -> Iterator[_Path]:
    """Yield a random direction, and that of the probe's update."""
    effort, unit = study.effort, relative_norm(study.update_norms.values())
    # One of each kind: in so many dimensions random directions are alike.
    noise = Line(f"noise {study.seed}", HeldDirection(NoiseDirection(study.seed)))
    update = Line("update", HeldDirection(study.update), unit)
    for line, direction, norms in (
        (noise, "noise", effort.belief_norms),
        (update, "update", tuple(multiple * unit for multiple in effort.belief_multiples)),
    ):
        yield _Path(direction, "radius", norms, tuple(line.point(norm) for norm in norms))


def _drawn(capabilities: Sequence[Capability], *, seed: int) -> Iterator[str]:
    """Yield every item as a text, one of each capability in turn."""
    generator = random.Random(seed)
    waiting = [list(capability.items) for capability in capabilities]
    for items in waiting:
        generator.shuffle(items)
    while any(waiting):
        for items in waiting:
            if items:
                yield right_text(items.pop())


def _geometries(table: Table, anchors: Anchors) -> Iterator[LayerGeometry]:
    for place, layer in enumerate(anchors.layers):
        yield LayerGeometry(
            layer=layer,
            effective_rank=table.reading(BASE, anchors, "effective_rank")[place],
            participation_ratio=table.reading(BASE, anchors, "participation_ratio")[place],
            anisotropy=table.reading(BASE, anchors, "anisotropy")[place],
        )


def _curve(table: Table, anchors: Anchors, path: _Path) -> BeliefCurve:
    def readings(metric: str, place: int = 0) -> _Numbers:
        return tuple(table.reading(point, anchors, metric)[place] for point in path.points)

    layers = tuple(
        LayerDrift(
            layer=layer,
            cka=readings("cka", place),
            effective_rank=readings("effective_rank", place),
            participation_ratio=readings("participation_ratio", place),
            anisotropy=readings("anisotropy", place),
            largest_angle=readings("largest_angle", place),
            mean_angle=readings("mean_angle", place),
        )
        for place, layer in enumerate(anchors.layers)
    )
    kl = readings("kl")
    output = tuple(None if nats is None else -math.expm1(-nats) for nats in kl)
    representation = tuple(
        _mean_drift(table.reading(point, anchors, "cka")) for point in path.points
    )
    output_scale = _critical(path.scales, output)
    representation_scale = _critical(path.scales, representation)
    return BeliefCurve(
        direction=path.direction,
        kind=path.kind,
        scales=path.scales,
        kl_nats=kl,
        reverse_kl_nats=readings("reverse_kl"),
        output_drift=output,
        representation_drift=representation,
        layers=layers,
        output_scale=output_scale,
        representation_scale=representation_scale,
        first=_first(output_scale, representation_scale, output, representation),
        output_shape=_shape(path.scales, kl),
        representation_shape=_shape(path.scales, representation),
        reason=_reason({"output": output, "representation": representation}, path.scales, layers),
    )


def _mean_drift(cka: _Numbers) -> float | None:
    known = [number for number in cka if number is not None]
    return 1 - math.fsum(known) / len(known) if len(known) == len(cka) else None


def _critical(scales: tuple[float, ...], drifts: _Numbers) -> float | None:
    """Return the scale at which a drift first passes the threshold; interpolates its square root.

    Small drifts grow with the square of the scale.

    Returns:
        The scale; None where the threshold is not passed, or a drift is undefined.
    """
    if None in drifts:
        return None
    return first_crossing(numpy.array(scales), _roots(drifts), math.sqrt(DRIFT_THRESHOLD))


def _first(
    output_scale: float | None,
    representation_scale: float | None,
    output: _Numbers,
    representation: _Numbers,
) -> Literal["representation", "output", "together"] | None:
    """Return which drift passes the threshold first; None if neither does, or one is unknown."""
    if None in output or None in representation:
        return None
    if output_scale is None and representation_scale is None:
        return None
    ratio = (output_scale or math.inf) / (representation_scale or math.inf)
    if 1 / _TOGETHER <= ratio <= _TOGETHER:
        return "together"
    return "output" if ratio < 1 else "representation"


def _shape(scales: tuple[float, ...], squares: _Numbers) -> DriftShape:
    """Return the shape of the square root of a curve, which is straight without a knee."""
    knee = find_knee(numpy.array(scales), _roots(squares), confidence_level=CONFIDENCE_LEVEL)
    return DriftShape(**knee._asdict())


def _roots(squares: _Numbers) -> numpy.ndarray:
    """Compute square roots; undefined values become NaN."""
    # CKA is at most 1 but for rounding.
    roots: numpy.ndarray = numpy.sqrt(numpy.maximum(numpy.array(squares, dtype=float), 0.0))
    return roots


def _reason(
    drifts: dict[str, _Numbers], scales: tuple[float, ...], layers: tuple[LayerDrift, ...]
) -> str | None:
    """Return why numbers of a curve are None."""
    reasons = [
        f"the {name}'s drift stays below {DRIFT_THRESHOLD:g} up to {scales[-1]:.3g}"
        for name, drift in drifts.items()
        if None not in drift and _critical(scales, drift) is None
    ]
    if None in drifts["output"]:
        reasons.append("the divergence is infinite where one side rules out what the other says")
    hollow = [layer for layer in layers if None in layer.cka + layer.largest_angle]
    if hollow:
        reasons.append(
            f"in {len(hollow)} of {len(layers)} layers the states vary in too few directions, so "
            "that CKA or angles are undefined"
        )
    return "; ".join(reasons) or None
