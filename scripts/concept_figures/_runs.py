"""Figures about a training run: probe, forecast, verdict, path margin, safe envelope, failure modes."""

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from evidence.realistic.records import Record

from ._drawing import Plot, arrow, box, dot, line, picture, text
from ._figure import Figure

_STORIES = "evidence/realistic/runs/stories15m-cut"


def _probe(record: Record) -> str:
    rates = record.facts["legs"]["run"]["learning_rates"]
    end = len(rates) // 5
    share = sum(rates[:end]) / sum(rates)
    plot = Plot(x_ends=(0, len(rates)), y_ends=(0, max(rates)), left=52)
    course = plot.at(enumerate(rates))
    area = [*course[: end + 1], (plot.x(end), plot.bottom), (plot.left, plot.bottom)]
    body = [
        line(area, "band", is_closed=True),
        *plot.axes("step", "learning rate", {n: f"{n}" for n in (0, end, 50, 100)},
                   {0: "0", max(rates): f"{max(rates):.0e}".replace("e-0", "e-")}),
        plot.wall(end),
        line(course, "first"),
        text(plot.x(end) + 10, plot.bottom - 30, f"probe: {end} of {len(rates)} steps,"),
        text(plot.x(end) + 10, plot.bottom - 10, f"share u = {share:.2f}"),
    ]  # fmt: skip
    return picture(f"The learning rate over {len(rates)} steps: the first {end} steps, the probe, have "
                   f"{share:.2f} of its sum.", body)  # fmt: skip


def _forecast(record: Record) -> str:
    # These load torch and fit, which only this figure needs.
    from driftline.analyses import Case, fit_forecaster, seen_by
    from evidence.realistic.calibrate import calibration
    from evidence.realistic.cells import benchmark_runs

    run, every = benchmark_runs([record])[0], calibration()
    kept = tuple(each for each in every.runs if each.task != run.task)
    forecaster = fit_forecaster(kept, every.model_copy(update={"runs": kept}))
    course, tolerance = _course(record, "world_facts"), 100 * run.tolerances["world_facts"]
    clock = run.finished.probe.clock
    looks = tuple(look for look in clock if clock[look] <= clock["early_20"])
    probe = seen_by(run.finished.probe, looks)
    case = Case(probe, next(c for c in probe.capabilities if c.capability == "world_facts"))
    start = clock["early_20"]
    shares = [start + (1 - start) * (at / 24) ** 2 for at in range(25)]
    bands = [forecaster.predict(case, share=share) for share in shares]
    plot = Plot(y_ends=(-3, 11))
    edges = [
        plot.at((s, 100 * end) for s, end in zip(shares, ends, strict=True))
        for ends in ([b.high for b in bands], [b.low for b in bands])
    ]
    low, high = 100 * bands[-1].low, 100 * bands[-1].high
    body = [
        line([*edges[0], *reversed(edges[1])], "band", is_closed=True),
        line(edges[0], "first"), line(edges[1], "first"),
        *plot.axes("share of the summed learning rate", "loss in points",
                   {0: "0", round(start, 2): f"{start:.2f}", 1: "1"}, {0: "0", 5: "5", 10: "10"}),
        plot.level(tolerance, ""), plot.wall(start),
        text(plot.right - 4, plot.y(tolerance) + 17, "tolerance", "end"),
        text(plot.x(start) + 6, plot.top + 8, "end of the probe"),
        *(dot(place, "dot" if share <= start + 1e-9 else "open")
          for (share, _), place in zip(course, plot.at(course), strict=True)),
        text(plot.right - 4, plot.bottom - 6, "open dots: measured later", "end"),
    ]  # fmt: skip
    return picture(f"Losses of a capability are measured up to the end of the probe; from there a band widens to "
                   f"{low:.1f} to {high:.1f} points at the end of the run. The loss measured there is {course[-1][1]:.1f}.",
                   body)  # fmt: skip


def _course(record: Record, capability: str) -> list[tuple[float, float]]:
    """List share of the summed learning rate and loss in points, from the base to the end."""
    summed = record.facts["legs"]["run"]["summed_learning_rate"]
    whole = max(summed.values())
    steps = sorted(
        r.step for r in record.readings if (r.leg, *r[2:4]) == ("run", capability, "log_odds")
    )
    values = [
        float((1 / (1 + math.e ** -record.values("run", step, capability, "log_odds"))).mean())
        for step in steps
    ]
    return [(summed[str(step)] / whole if step else 0.0, 100 * (values[0] - value))
            for step, value in zip(steps, values, strict=True)]  # fmt: skip


def _verdict(result: Any) -> str:  # noqa: ANN401
    chance, risk = result["probability_any_lost"], result["risk"]
    plot, y = Plot(left=20, right=400), 74.0
    low, high = plot.x(risk), plot.x(1 - risk)
    body = [
        box((plot.left, y), (low - plot.left, 36), "band"),
        box((low, y), (high - low, 36), "axis"),
        box((high, y), (plot.right - high, 36), "band2"),
        box((plot.left, y), (low - plot.left, 36), "first"),
        box((high, y), (plot.right - high, 36), "second"),
        text(plot.left, y - 12, "safe"),
        text((low + high) / 2, y - 12, "at risk", "middle"),
        text(plot.right, y - 12, "unsafe", "end"),
        text(plot.left - 8, y + 56, "0"),
        text(low, y + 56, f"{risk:g}", "middle"),
        text(high, y + 56, f"{1 - risk:g}", "middle"),
        text(plot.right + 8, y + 56, "1", "end"),
        text(210, y + 56, "P of any loss", "middle"),
        dot((plot.x(chance), y + 18)),
        dot((plot.left + 6, 21)),
        text(plot.left + 18, 26, f"a run with P = {chance:.2f}: {result['verdict']}"),
    ]
    return picture(f"Verdicts by P, at a risk of {risk:g}: safe up to {risk:g}, unsafe from {1 - risk:g}, at risk "
                   f"between. A run with P = {chance:.2f} is {result['verdict']}.", body, 146)  # fmt: skip


def _path_margin(record: Any, result: Any) -> str:  # noqa: ANN401
    tolerance, end = 0.25, 12
    own = next(each for each in result["cells"]
               if (each["run"], each["capability"]) == (record["run"], "arithmetic"))  # fmt: skip
    losses = record["trajectories"]["1"]["item_losses"]["arithmetic"]
    course = [(0.0, 0.0)] + [(int(s), statistics.fmean(each)) for s, each in losses.items()]
    plot = Plot(x_ends=(0, 60), y_ends=(-0.1, 0.6), left=52)
    y = plot.y(tolerance)
    body = [
        *plot.axes("step", "loss in nats", {0: "0", end: f"{end}", own["real_step"]: "", 40: "40", 60: "60"},
                   {0: "0", tolerance: f"{tolerance:g}", 0.5: "0.5"}),
        plot.wall(end), text(plot.x(end) - 4, plot.top + 6, "probe", "end"),
        plot.level(tolerance, ""),
        line([(plot.x(own["real_step"]), y), (plot.x(own["real_step"]), plot.bottom)], "axis"),
        text(plot.x(own["real_step"]) + 3, plot.bottom + 18, f"{own['real_step']:.0f}", "middle"),
        *(dot(place, "dot" if step <= end else "open")
          for (step, _), place in zip(course, plot.at(course), strict=True)),
        arrow((plot.x(own["low"]), plot.y(0.12)), (plot.right, plot.y(0.12)), "first"),
        dot((plot.x(own["step"]), plot.y(0.12))),
        text(plot.x(own["step"]) + 12, plot.y(0.12) + 20, f"forecast: step {own['step']:.0f}, at least {own['low']:.0f}"),
        text(plot.right - 4, y + 17, "tolerance", "end"),
        text(plot.right - 4, y - 16, "open dots: measured later", "end"),
    ]  # fmt: skip
    return picture(f"The loss of arithmetic passes its tolerance at step {own['real_step']:.0f}; after the probe of {end} "
                   f"steps step {own['step']:.0f} was forecast, not before {own['low']:.0f}.", body)  # fmt: skip


def _safe_envelope(powers: Any) -> str:  # noqa: ANN401
    rate = powers["rate_exponent"]["value"]
    lengths = [2 ** (n / 4) for n in range(-12, 5)]
    plot = Plot(x_ends=(0.125, 2), y_ends=(0.38, 8), is_log=(True, True), left=52)

    def course(exponent: float) -> list[tuple[float, float]]:
        return plot.at((each, each ** (-exponent / rate)) for each in lengths)

    full, lora = powers["steps_exponents"]["full"], powers["steps_exponents"]["lora"]
    body = [
        line([*course(full["low"]), *reversed(course(full["high"]))], "band", is_closed=True),
        *plot.axes("steps, times the plan", "safe rate, times that of the plan",
                   {0.125: "1/8", 0.25: "1/4", 0.5: "1/2", 1: "1", 2: "2"},
                   {0.5: "1/2", 1: "1", 2: "2", 4: "4", 8: "8"}),
        line(course(full["low"]), "first"), line(course(full["high"]), "first"),
        line(course(lora["value"]), "second"),
        dot((plot.x(1), plot.y(1)), "open", 6),
        text(plot.x(0.25), plot.y(4.2), "LoRA"),
        text(plot.x(0.14), plot.y(1.4), "full fine-tuning"),
        text(plot.x(1) - 4, plot.y(1) - 28, "the plan", "middle"),
    ]  # fmt: skip
    return picture("The safe learning rate falls with the number of steps under LoRA; with full fine-tuning its "
                   "range holds rates that fall and rates that rise.", body)  # fmt: skip


def _failure_modes() -> str:
    modes: Mapping[str, tuple[str, tuple[Callable[[float], float], ...]]] = {
        "selective": ("one passes it", (
            lambda x: 0.9 * x**1.5, lambda x: 0.16 * x, lambda x: 0.06 * x, lambda x: -0.08 * x,
        )),
        "collapse": ("most pass it", (
            lambda x: 0.95 * x**1.6, lambda x: 0.82 * x**1.4, lambda x: 0.68 * x**1.3, lambda x: 0.14 * x,
        )),
        "instability": ("steps jump", (
            lambda x: 0.42 * x + 0.5 * x**1.5 * (-1) ** round(10 * x),
            lambda x: 0.3 * x - 0.3 * x**1.5 * (-1) ** round(10 * x),
        )),
    }  # fmt: skip
    body = []
    for at, (name, (words, curves)) in enumerate(modes.items()):
        left = 14 + 136 * at
        plot = Plot(y_ends=(-0.15, 1), left=left, right=left + 120, top=36, bottom=160)
        limit = plot.y(0.45)
        body += [*plot.axes("", " "), line([(left, limit), (plot.right, limit)], "limit")]
        for of in curves:
            ends = [of(x / 10) for x in range(11)]
            style = "first" if max(ends) > 0.45 else "axis"
            body.append(line(plot.at((x / 10, end) for x, end in enumerate(ends)), style))
        body += [text(left + 60, 24, name, "middle"), text(left + 60, 180, words, "middle")]
    body.append(text(404, 202, "losses over steps; dashed: tolerance", "end"))
    return picture("Three courses of losses: one capability passes its tolerance; most pass it together; "
                   "losses jump further with each step.", body, 212)  # fmt: skip


FIGURES = (
    Figure("probe", _probe, "a run of the benchmark, warm-up and cosine",
           (f"{_STORIES}/math-full-1e-4-0.parquet",)),
    Figure("forecast", _forecast, "world facts of a run on Shakespeare, with the 90 % band of a fit that has not seen Shakespeare",
           (f"{_STORIES}/shakespeare-full-1e-4-0.parquet",)),
    Figure("verdict", _verdict, "a forecast of a gentle run", ("benchmarks/results/harmless_run.json",)),
    Figure("path-margin", _path_margin, "SmolLM2-135M on Spanish pairs, full fine-tuning",
           ("evidence/path_margin/runs/tatoeba-full-1e-4.json", "evidence/path_margin/result.json")),
    Figure("safe-envelope", _safe_envelope, "powers measured on seven runs, with their spread",
           ("src/driftline/analyses/margins/path_calibration.json",)),
    Figure("failure-modes", _failure_modes),
)  # fmt: skip
