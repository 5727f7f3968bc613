"""Figures about what is measured: nats, probabilities, capabilities, tolerances."""

import math
from typing import Any

from ._drawing import Plot, box, dot, line, picture, text
from ._figure import Figure

_SURE = 1.645
"""Standard errors on either side of an interval of 90 %."""


def _nat() -> str:
    plot = Plot(x_ends=(0, 3), left=40)
    marks = {0.1: "0.1 nats less: 0.90 times", 0.7: "0.7 nats less: half", 2.3: "2.3: a tenth"}
    curve = [(x / 20, math.exp(-x / 20)) for x in range(61)]
    body = [
        *plot.axes("nats less", "times the probability", {0: "0", 1: "1", 2: "2", 3: "3"},
                   {0: "0", 0.5: "0.5", 1: "1"}),
        line(plot.at(curve), "first"),
    ]  # fmt: skip
    for nats, words in marks.items():
        place = (plot.x(nats), plot.y(math.exp(-nats)))
        body += [dot(place), text(place[0] + 10, place[1] - 5, words)]
    return picture("A probability against the nats that it has lost: 0.90 of it is left after 0.1 nats, "
                   "half after 0.7, a tenth after 2.3.", body)  # fmt: skip


def _probability() -> str:
    likelihoods = {"A, right": -2.0, "B": -3.0, "C": -3.5, "D": -5.0}
    whole = sum(math.exp(each) for each in likelihoods.values())
    plot = Plot(left=136, right=370, top=40, bottom=184)
    body = [text(8, 24, "option"), text(78, 24, "l"), text(plot.left, 24, "p = softmax of l")]
    for at, (name, each) in enumerate(likelihoods.items()):
        share, y = math.exp(each) / whole, plot.top + 10 + 34 * at
        end = plot.x(share)
        body += [
            text(8, y + 14, name),
            text(78, y + 14, f"{each:.1f}".replace("-", "−")),
            box((plot.left, y), (end - plot.left, 20), "dot" if at == 0 else "axis"),
            text(404, y + 15, f"{share:.2f}", "end"),
        ]
    body += [line([(plot.left, plot.top), (plot.left, plot.bottom)], "axis"),
             plot.wall(0.25, "limit"), text(plot.x(0.25), 202, "a guess: 0.25", "middle")]  # fmt: skip
    right = math.exp(-2.0) / whole
    return picture(f"Four options with their log-likelihoods; the metric is the softmax at the right one, {right:.2f}.",
                   body, 214)  # fmt: skip


def _capability(result: Any) -> str:  # noqa: ANN401
    names = ("grammar_pairs", "commonsense_pairs", "world_facts", "arithmetic", "german")
    plot = Plot(x_ends=(0.2, 0.9), left=148, right=400, bottom=184)
    ticks = {each / 10: f"{10 * each} %" for each in (2, 4, 6, 8)}
    body, has = plot.axes("accuracy", x_ticks=ticks), []
    for at, name in enumerate(names):
        each, y = result["stories15m core"]["capabilities"][name], plot.top + 14 + 29 * at
        low, value, high = (
            each["accuracy"] + n * each["accuracy_error"] for n in (-_SURE, 0, _SURE)
        )
        chance = plot.x(each["chance"])
        has += [name] if low > each["chance"] else []
        body += [
            text(8, y + 5, name),
            line([(chance, y - 10), (chance, y + 10)], "second"),
            line([(plot.x(low), y), (plot.x(high), y)], "first"),
            dot((plot.x(value), y)),
        ]
    body += [line([(100, 12), (100, 32)], "second"), text(108, 27, "a guess"),
             line([(186, 22), (222, 22)], "first"), dot((204, 22)),
             text(230, 27, "value and 90 % interval")]  # fmt: skip
    told = f"it has {', '.join(has)}, whose intervals lie above a guess, and not the others"
    return picture(f"Accuracies of a small model against a guess: {told}.", body, 230)


def _tolerance(gentle: Any, rough: Any) -> str:  # noqa: ANN401
    rows = [
        (name, each["loss"], each["margin"])
        for name, each in (
            ("induction, rough", _claim(rough, "induction")),
            ("arithmetic, gentle", _claim(gentle, "arithmetic")),
            ("arithmetic, rough", _claim(rough, "arithmetic")),
        )
    ]
    tolerance = rows[0][2]
    plot = Plot(x_ends=(-3, 6.5), left=132, right=404, top=38, bottom=152)
    ticks = {
        float(each): f"{each:+d}".replace("-", "−").replace("+0", "0") for each in (-3, 0, 3, 6)
    }
    body = [*plot.axes("loss in points", x_ticks=ticks)]
    for at, (name, loss, _) in enumerate(rows):
        y, (start, end) = plot.top + 10 + 36 * at, sorted((plot.x(0), plot.x(loss)))
        is_lost = loss > tolerance
        words = "lost" if is_lost else "better" if loss < 0 else "within"
        body += [
            text(8, y + 14, name),
            box((start, y), (max(2.0, end - start), 20), "dot2" if is_lost else "dot"),
            text(plot.x(max(loss, 0)) + 8, y + 15, words),
        ]
    body += [plot.wall(0), plot.wall(tolerance, "limit"),
             text(plot.x(tolerance), 26, f"tolerance: {tolerance:g} points", "middle")]  # fmt: skip
    losses = "; ".join(f"{name}: {loss:+.1f} points" for name, loss, _ in rows)
    return picture(f"Losses against a tolerance of {tolerance:g} points. {losses}.", body, 198)


def _claim(certification: Any, name: str) -> dict[str, float]:  # noqa: ANN401
    claim = next(each for each in certification["claims"] if each["capability"] == name)
    return {"loss": -100 * claim["change"], "margin": 100 * claim["margin"]}


FIGURES = (
    Figure("nat", _nat),
    Figure("probability", _probability),
    Figure("capability", _capability, "stories15M on the suite `core`", ("evidence/suites/base.json",)),
    Figure(
        "tolerance",
        _tolerance,
        "SmolLM2-135M after a gentle run on GSM8K, and with a share of the update of a rough one",
        tuple(f"evidence/certification/results/core-{each}.json" for each in ("gentle", "five-points")),
    ),
)  # fmt: skip
