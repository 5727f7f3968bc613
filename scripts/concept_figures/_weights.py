"""Figures about the weights: points, margins along directions, fragility, region, belief space."""

import math
from collections.abc import Callable
from typing import Any

from ._drawing import Plot, arrow, box, dot, line, picture, text
from ._figure import Figure


def _point() -> str:
    base, update, noise = (86.0, 150.0), (346.0, 72.0), (150.0, 40.0)
    body = [
        arrow(base, noise, "second"),
        arrow(base, (update[0] + 28, update[1] - 8.4), "first"),
        text(noise[0] + 8, noise[1] + 4, "direction: noise"),
        text(404, update[1] - 30, "direction: update", "end"),
        dot(base, "open", 6),
        text(base[0] - 6, base[1] + 26, "base: scale 0", "middle"),
    ]
    for scale in (0.5, 1.0):
        place = tuple(b + scale * (u - b) for b, u in zip(base, update, strict=True))
        body += [dot((place[0], place[1]), "dot", 6),
                 text(place[0] + 4, place[1] + 26, f"point: scale {scale:g}", "middle")]  # fmt: skip
    return picture("From the base two directions lead through the space of weights; a point is the base "
                   "plus a scale times a direction.", body, 190)  # fmt: skip


def _stability_margin() -> str:
    plot, tolerance = Plot(y_ends=(0, 1)), 0.5
    body, crossing = _growing(plot, lambda x: 0.12 * x + 0.88 * x**3, tolerance, "first")
    body = [
        *plot.axes("distance from the base", "loss", {crossing: "margin"}),
        plot.level(tolerance, "tolerance"),
        *body,
    ]
    return picture("The loss grows with the distance from the base and reaches the tolerance at the margin.",
                   body)  # fmt: skip


def _worst_case() -> str:
    plot, tolerance = Plot(), 0.4
    worst, near = _growing(plot, lambda x: 9 * x**1.8, tolerance, "second")
    random, far = _growing(plot, lambda x: 0.55 * x**1.6, tolerance, "first")
    body = [
        *plot.axes("relative norm", "loss", {near: "worst-case radius", far: "radius of noise"}),
        plot.level(tolerance, ""),
        text(plot.x(0.5), plot.y(tolerance) - 7, "tolerance", "middle"),
        *random,
        *worst,
        text(plot.x(0.31), plot.y(0.9), "worst direction found"),
        text(plot.x(0.5), plot.y(0.05), "random direction"),
    ]
    return picture("Along the worst direction the loss reaches the tolerance at a much smaller norm than "
                   "along a random direction.", body)  # fmt: skip


def _growing(
    plot: Plot, loss: Callable[[float], float], tolerance: float, style: str
) -> tuple[list[str], float]:
    """Draw a loss up to the top of the plot, and where it reaches the tolerance."""
    xs = [x / 200 for x in range(201) if loss(x / 200) <= 1]
    crossing = next(x / 1000 for x in range(1001) if loss(x / 1000) >= tolerance)
    place = (plot.x(crossing), plot.y(tolerance))
    return [
        line([place, (place[0], plot.bottom)], "axis"),
        line(plot.at((x, loss(x)) for x in xs), style),
        dot(place, "dot" if style == "first" else "dot2"),
    ], crossing


def _radius(result: Any) -> str:  # noqa: ANN401
    names = ("grammar_pairs", "world_facts", "arithmetic", "code", "english_text")
    plot = Plot(x_ends=(0.001, 0.3), left=122, right=400, top=34, bottom=184, is_log=(True, False))
    body = plot.axes(
        "relative norm at the tolerance", x_ticks={0.001: "0.1 %", 0.01: "1 %", 0.1: "10 %"}
    )
    body += [dot((22, 18), "dot2"), text(34, 23, "update of a probe"),
             dot((196, 18)), dot((210, 18)), text(222, 23, "two random directions")]  # fmt: skip
    updates: list[float] = []
    others: list[float] = []
    for at, name in enumerate(names):
        y = plot.top + 16 + 29 * at
        body += [text(8, y + 5, name), line([(plot.left, y), (plot.right, y)], "axis")]
        for each in (each for each in result["curves"] if each["capability"] == name):
            is_update = each["line"] == "update"
            (updates if is_update else others).append(each["by_grid"])
            body.append(dot((plot.x(each["by_grid"]), y), "dot2" if is_update else "dot"))
    return picture(
        f"Radii of five capabilities: {100 * min(updates):.1f} to {100 * max(updates):.1f} % along a probe's update, "
        f"{100 * min(others):.1f} to {100 * max(others):.1f} % along two random directions.", body, 230)  # fmt: skip


def _fragility() -> str:
    bottom = 172.0
    shares = ((96.0, 30.0, 126.0), (190.0, 189.0, 20.0))
    body = [
        box((x, bottom - height), (width, height), style)
        for (x, width, height), styles in zip(
            shares, (("band2", "second"), ("band", "first")), strict=True
        )
        for style in styles
    ]
    body += [
        line([(40, 30), (40, bottom), (404, bottom)], "axis"),
        text(8, 20, "height: sensitivity"),
        text(404, bottom + 40, "width: relative norm", "end"),
        text(136, 66, "fragile, hardly moved"),
        text(136, 86, "area = its loss"),
        text(284, 142, "robust, moved far", "middle"),
        text(111, bottom + 19, "module A", "middle"),
        text(284, bottom + 19, "module B", "middle"),
    ]
    return picture("Two modules as rectangles of equal area: one is sensitive and hardly moved, the other "
                   "robust and moved far, and both cost the same loss.", body, 222)  # fmt: skip


def _region() -> str:
    centre, along, data = (176.0, 122.0), math.radians(-22), math.radians(-64)
    place: Callable[[float, float], tuple[float, float]] = lambda x, y: (  # noqa: E731
        centre[0] + x * math.cos(along) - y * math.sin(along),
        centre[1] + x * math.sin(along) + y * math.cos(along),
    )
    spread = (-140, -118, -96, -70, -44, -26, 30, 52, 74, 100, 122, 148)
    body = [line([place(-168, 0), place(196, 0)], "axis")]
    body += [dot(place(x, 9 * math.sin(7 * at)), "dot", 3.5) for at, x in enumerate(spread)]
    end = (centre[0] + 118 * math.cos(data), centre[1] + 118 * math.sin(data))
    inside = 118 * math.cos(data - along)
    body += [
        line([end, place(inside, 0)], "limit"),
        arrow(centre, place(inside, 0), "second"),
        arrow(centre, end, "second"),
        text(end[0] - 16, end[1] + 8, "gradient of your data", "end"),
        text(place(inside, 0)[0] + 12, place(inside, 0)[1] + 22, "part in the region"),
        text(20, 202, "dots: gradients of the capability"),
        text(404, 34, "region", "end"),
    ]
    return picture("The gradients of a capability lie along one line, its region; the gradient of the "
                   "training data has a part inside of it.", body, 212)  # fmt: skip


def _belief_space(result: Any) -> str:  # noqa: ANN401
    checks = result["runs"]["garbage-words/log"]["checks"]
    steps = [0, *(each["step"] for each in checks)]
    drifts = {
        "output": [0, *(1 - math.exp(-each["kl_suite_nats"]) for each in checks)],
        "representation": [0, *(each["representation_drift"] for each in checks)],
    }
    plot = Plot(x_ends=(0, steps[-1]), y_ends=(0, 0.9), bottom=200)
    body = [*plot.axes("step", "drift", {n: f"{n}" for n in (0, 5, 10, 15)}, {0.1: "0.1", 0.5: "0.5"}),
            plot.level(0.1, "")]  # fmt: skip
    for (name, values), style in zip(drifts.items(), ("first", "second"), strict=True):
        points = plot.at(zip(steps, values, strict=True))
        body += [
            line(points, style),
            *(dot(p, "dot" if style == "first" else "dot2", 4) for p in points[1:]),
        ]
        body.append(text(plot.right - 4, points[-1][1] - 13, f"{name} drift", "end"))
    body.append(text(plot.right - 4, plot.y(0.1) + 14, "above: broken", "end"))
    broken = {name: next(s for s, v in zip(steps, values, strict=True) if v > 0.1)
              for name, values in drifts.items()}  # fmt: skip
    return picture(f"Both drifts grow over {steps[-1]} steps; the output is beyond 0.1 at the check of step "
                   f"{broken['output']}, the representation at step {broken['representation']}.", body, 248)  # fmt: skip


FIGURES = (
    Figure("point", _point),
    Figure("stability-margin", _stability_margin),
    Figure("radius", _radius, "SmolLM2-135M, 12 items a capability", ("evidence/radius/result.json",)),
    Figure("worst-case", _worst_case),
    Figure("fragility", _fragility),
    Figure("region", _region),
    Figure(
        "belief-space",
        _belief_space,
        "stories15M trained on shuffled words",
        ("evidence/monitor/stories15m.json",),
    ),
)  # fmt: skip
