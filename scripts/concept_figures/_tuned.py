"""Figures about a tuned model: non-inferiority, certificate, levers."""

import statistics
from typing import Any

from ._drawing import Plot, box, dot, line, picture, text
from ._figure import Figure

_VERDICTS = {"non_inferior": "retained", "inferior": "lost", "inconclusive": "inconclusive"}


def _non_inferiority(*certifications: Any) -> str:  # noqa: ANN401
    plot = Plot(x_ends=(-4, 32), left=14, right=404, top=34, bottom=184)
    ticks = {float(each): f"{each}" for each in (0, 10, 20, 30)}
    body, told, margin = plot.axes("loss of accuracy in points", x_ticks=ticks), [], 0.0
    claims = [
        next(each for each in one["claims"] if each["capability"] == "arithmetic")
        for one in certifications
    ]
    margin = 100 * claims[0]["margin"]
    body += [plot.wall(margin, "limit"), text(plot.x(margin) + 2, 24, f"margin: {margin:g} points")]
    for at, claim in enumerate(claims):
        low, value, high = (-100 * claim[key] for key in ("high", "change", "low"))
        verdict, y = _VERDICTS[claim["verdict"]], plot.top + 26 + 48 * at
        words = {
            "retained": f"retained: below {high:.1f}",
            "inconclusive": f"inconclusive: below {high:.1f}",
            "lost": f"lost: above {low:.1f}",
        }[verdict]
        told.append(f"{verdict}: {low:.1f} to {high:.1f}")
        right = (plot.x(max(high, margin)) + 12, "start")
        beside = (plot.x(low) - 12, "end") if verdict == "lost" else right
        body += [
            line([(plot.x(low), y), (plot.x(high), y)], "first"),
            dot((plot.x(value), y)),
            text(beside[0], y + 5, words, beside[1]),
        ]
    return picture(f"Intervals of a loss against a margin of {margin:g} points. {'; '.join(told)}.",
                   body, 230)  # fmt: skip


def _certificate() -> str:
    body = [
        box((10, 10), (400, 196), "axis"),
        text(24, 34, "DSSE envelope"),
        box((24, 46), (372, 112), "first"),
        text(38, 70, "in-toto statement"),
        box((38, 82), (152, 62), "axis"),
        text(114, 108, "digests of", "middle"),
        text(114, 128, "all files", "middle"),
        box((206, 82), (176, 62), "axis"),
        text(294, 108, "certification:", "middle"),
        text(294, 128, "margins, verdicts", "middle"),
        box((24, 168), (372, 28), "second"),
        text(210, 187, "Ed25519 signature of the statement", "middle"),
    ]
    return picture("An envelope holds a statement and its signature; the statement holds the digests of "
                   "all files and the certification.", body, 216)  # fmt: skip


def _lever(result: Any) -> str:  # noqa: ANN401
    methods = {
        "full": "no lever",
        "loss_adaptive_rate": "loss-adaptive rate",
        "l2_sp": "L2-SP",
        "replay_5": "5 % replay",
        "kl_to_base": "KL to the base",
    }
    plans = [each for each in result["stories15m"]["plans"] if each["task"] == "spanish"]
    reached = [each["at_matched_gain"]["methods"] for each in plans]
    plot = Plot(x_ends=(0, 3), left=142, right=396, top=36, bottom=186)
    body = plot.axes("worst loss, in tolerances", x_ticks={n: f"{n}" for n in range(4)})
    told = []
    for at, (key, name) in enumerate(methods.items()):
        loss, y = statistics.fmean(each[key]["worst"] for each in reached), plot.top + 5 + 29 * at
        told.append(f"{name} {loss:.1f}")
        body += [
            text(8, y + 15, name),
            box((plot.left, y), (plot.x(loss) - plot.left, 20), "axis" if at == 0 else "dot"),
            text(plot.x(loss) + 7, y + 15, f"{loss:.1f}"),
        ]
    body += [plot.wall(1, "limit"), text(plot.x(1), 26, "tolerance", "middle")]
    return picture(f"At the same gain, the worst loss in tolerances: {', '.join(told)}.", body, 232)


FIGURES = (
    Figure(
        "non-inferiority",
        _non_inferiority,
        "arithmetic of SmolLM2-135M after three runs, 160 items, 90 % intervals",
        tuple(
            f"evidence/certification/results/{each}.json"
            for each in ("harmless", "adapter", "damaged")
        ),
    ),
    Figure("certificate", _certificate),
    Figure(
        "lever",
        _lever,
        "stories15M on Spanish pairs, every method at the gain of the plan, mean of three seeds",
        ("evidence/protocols/result.json",),
    ),
)
