"""An assessment as plain text, and the words and orders that every rendering of it shares."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ._assessment import Assessment, Cost, ModuleFragility, StabilityMargin

WIDTH = 100
DASH = "–"
NUM_NAMED = 5
SMALL, LARGE = 1e-3, 1e5


@dataclass(frozen=True)
class CapabilityLoss:
    """A forecast seen as a loss: positive is worse, whichever way the metric points."""

    capability: str
    metric: str
    unit: str
    base_value: float
    change: float
    """tuned - base, as the forecast has it; `change_low` and `change_high` are its interval."""
    change_low: float
    change_high: float
    loss: float
    low: float
    high: float
    confidence_level: float
    tolerance: float
    required: bool
    verdict: Literal["retained", "lost", "inconclusive"]

    @property
    def relative(self) -> float:
        """The loss in tolerances: above 1 the tolerance is passed. Infinite at tolerance 0."""
        if self.tolerance > 0:
            return self.loss / self.tolerance
        return math.copysign(math.inf, self.loss) if self.loss else 0.0


@dataclass(frozen=True)
class ModuleRank:
    """How early a module breaks, over the capabilities that the map covers."""

    module: str
    label: str
    mean_rank: float
    """Mean over capabilities of the module's rank; 1 is the most fragile that there can be."""
    first_for: tuple[str, ...]
    """The capabilities for which no module is more fragile."""


def loss_sign(assessment: Assessment, capability: str) -> int:
    """What a change is multiplied by to become a loss: -1 where a higher value is better.

    Args:
        assessment: Where the capability's score says which way is better.
        capability: The capability's name.

    Returns:
        -1 or 1. Without a score the forecast's metric decides: `nll_nats` is better when lower,
        everything else when higher.
    """
    for score in assessment.scores:
        if score.capability == capability:
            return -1 if score.higher_is_better else 1
    metrics = {f.metric for f in assessment.forecast if f.capability == capability}
    return 1 if metrics == {"nll_nats"} else -1


def forecast_losses(assessment: Assessment) -> tuple[CapabilityLoss, ...]:
    """The forecast as losses, the largest loss relative to its tolerance first."""
    losses = []
    for f in assessment.forecast:
        sign = loss_sign(assessment, f.capability)
        low, high = sorted((sign * f.low, sign * f.high))
        losses.append(
            CapabilityLoss(
                f.capability,
                f.metric,
                f.unit,
                f.base_value,
                f.predicted_change,
                f.low,
                f.high,
                sign * f.predicted_change,
                low,
                high,
                f.confidence_level,
                f.tolerance,
                f.required,
                f.verdict,
            )
        )
    return tuple(sorted(losses, key=lambda loss: (-loss.relative, loss.capability)))


def module_labels(fragility: Iterable[ModuleFragility]) -> dict[str, str]:
    """What to call each module, in the order of the forward pass as far as names tell it.

    Args:
        fragility: Rows of a map.

    Returns:
        Module name to label: `layer 3` for a whole layer, the role where one module alone has it
        (`embedding`), otherwise the module's own name. Embeddings come first, then layers by
        number, then the rest.
    """
    modules = {f.module: f for f in fragility}
    roles = [f.role for f in modules.values()]

    def place(f: ModuleFragility) -> tuple[int, int, str]:
        if f.layer is not None:
            return 1, f.layer, f.module
        return 0 if "embed" in f"{f.role} {f.module}" else 2, 0, f.module

    def label(f: ModuleFragility) -> str:
        if f.role == "layer" and f.layer is not None:
            return f"layer {f.layer}"
        return clean(f.role if roles.count(f.role) == 1 else f.module)

    return {f.module: label(f) for f in sorted(modules.values(), key=place)}


def module_ranks(assessment: Assessment) -> tuple[ModuleRank, ...]:
    """The mapped modules, the most fragile over all capabilities first."""
    ranks: dict[str, list[ModuleFragility]] = {}
    for f in assessment.fragility:
        ranks.setdefault(f.module, []).append(f)
    labels = module_labels(assessment.fragility)
    found = [
        ModuleRank(
            module,
            labels[module],
            math.fsum(f.rank for f in rows) / len(rows),
            tuple(f.capability for f in rows if f.rank == 1),
        )
        for module, rows in ranks.items()
    ]
    places = list(labels)
    return tuple(sorted(found, key=lambda r: (r.mean_rank, places.index(r.module))))


def margin_order(margin: StabilityMargin) -> tuple[float, float, str]:
    """A sort key: the margin that is used up most first, undefined ones last."""
    used = margin.used_fraction
    critical = margin.critical_relative_norm if margin.kind == "radius" else margin.critical_steps
    return (
        -used if used is not None else math.inf,
        critical if critical is not None else math.inf,
        margin.capability,
    )


def clean(text: str) -> str:
    """The text with everything unprintable replaced, so that it cannot steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def number(value: float | None, *, signed: bool = False) -> str:
    """A number with three significant digits, or a dash where there is none.

    Args:
        value: The number.
        signed: Whether a positive number gets its plus.

    Returns:
        Its text, without an exponent from 0.001 to 99,999.

    >>> [number(v) for v in (0.1, -1.2345, 12345.6, 2e-4, 0.0, None)]
    ['0.100', '-1.23', '12,346', '2e-4', '0', '–']
    """
    if value is None:
        return DASH
    if value == 0:
        return "0"
    if not SMALL <= abs(value) < LARGE:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    elif abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.3g}".rstrip(".")
    return f"+{text}" if signed and value > 0 else text


def percent(value: float | None) -> str:
    """A share as a percentage, or a dash where there is none.

    >>> percent(0.9), percent(1.874), percent(0.0042)
    ('90%', '187%', '0.42%')
    """
    if value is None:
        return DASH
    return f"{100 * value:,.0f}%" if abs(value) >= 0.0995 or value == 0 else f"{100 * value:.2g}%"


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """An interval; an open end is said in words, and nothing known is a dash.

    >>> interval(0.1, 0.25), interval(40, None), interval(None, None)
    ('[0.100, 0.250]', 'at least 40.0', '–')
    """
    if low is not None and high is not None:
        return f"[{number(low, signed=signed)}, {number(high, signed=signed)}]"
    if low is not None:
        return f"at least {number(low, signed=signed)}"
    return DASH if high is None else f"at most {number(high, signed=signed)}"


def duration(seconds: float) -> str:
    """A length of time in words.

    >>> duration(7.25), duration(95), duration(605), duration(7500)
    ('7.2 s', '95 s', '10 min 5 s', '2 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cost_sentence(cost: Cost) -> str:
    """What the answer cost, in one line."""
    share = cost.fraction_of_planned_run
    run = "no planned run to compare with" if share is None else f"{percent(share)} of its steps"
    return (
        f"{duration(cost.wall_seconds)}, {cost.tokens_forward:,} tokens forward, "
        f"{cost.tokens_backward:,} backward; planned run: {run}"
    )


def target_sentence(assessment: Assessment) -> str | None:
    """What the planned run does to its own task, in one line; None where nobody asked."""
    target = assessment.target
    if target is None:
        return None
    spread = interval(target.low, target.high, signed=True)
    spread = "no interval" if spread == DASH else f"interval {spread}"
    return (
        f"{clean(target.metric)} {number(target.base_value)} {clean(target.unit)}, predicted "
        f"change {number(target.predicted_change, signed=True)} ({spread}, "
        f"{target.num_items:,} held-out items)"
    )


def summary(assessment: Assessment) -> str:
    """An assessment for a terminal, without colour.

    Args:
        assessment: What to put in words.

    Returns:
        Text of lines up to about 100 characters: the verdict word and the first reason, what is at
        risk, the margins, the most fragile modules, the target, the cost, numbered caveats.
        A part that was not computed is left out. It ends in a newline.
    """
    blocks = [
        _verdict_lines(assessment),
        _forecast_lines(assessment),
        _margin_lines(assessment),
        _fragility_lines(assessment),
        _closing_lines(assessment),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _verdict_lines(assessment: Assessment) -> list[str]:
    word = assessment.verdict.upper() if assessment.verdict else None
    first = clean(assessment.reasons[0]) if assessment.reasons else None
    lines = [": ".join(part for part in (word, first) if part)]
    lines += [f"  also: {clean(reason)}" for reason in assessment.reasons[1:3]]
    if len(assessment.reasons) > 3:
        lines.append(f"  and {len(assessment.reasons) - 3} more in the report")
    return [line for line in lines if line]


def _forecast_lines(assessment: Assessment) -> list[str]:
    losses = forecast_losses(assessment)
    if not losses:
        return []
    rows = [("capability", "base", "change", "interval", "tolerance", "unit", "verdict", "")]
    rows += [
        (
            clean(loss.capability),
            number(loss.base_value),
            number(loss.change, signed=True),
            interval(loss.change_low, loss.change_high, signed=True),
            number(loss.tolerance),
            clean(loss.unit),
            loss.verdict,
            "" if loss.required else "(watched)",
        )
        for loss in losses
    ]
    level = percent(losses[0].confidence_level)
    head = f"Forecast of the planned run: tuned - base with its {level} interval, worst first"
    return [head, *_aligned(rows, numeric=(1, 2, 3, 4))]


def _margin_lines(assessment: Assessment) -> list[str]:
    if not assessment.margins:
        return []
    margins = sorted(assessment.margins, key=margin_order)
    names = dict.fromkeys(m.capability for m in margins)
    directions = list(dict.fromkeys(m.direction for m in margins if m.kind == "radius"))
    tightest: dict[tuple[str, str], StabilityMargin] = {}
    for m in margins:
        tightest.setdefault((m.capability, m.direction if m.kind == "radius" else ""), m)
    has_path = any(m.kind == "path" for m in margins)
    path_titles = ["steps", "used", "learning rate"] if has_path else []
    rows = [["capability", *path_titles, *map(clean, directions)]]
    for name in names:
        row = [clean(name)]
        if has_path:
            path = tightest.get((name, ""))
            row += [_critical(path), percent(path.used_fraction if path else None)]
            row.append(number(path.critical_learning_rate if path else None))
        row += [_critical(tightest.get((name, direction))) for direction in directions]
        rows.append(row)
    head = "Margins: "
    if has_path:
        head += "steps until the tolerance is passed, the share the run uses, highest safe rate"
    if directions:
        head += ("; " if has_path else "") + "norm relative to the base weights, by direction"
    lines = textwrap.wrap(head, WIDTH, subsequent_indent="  ")
    return [*lines, *_aligned(rows, numeric=range(1, len(rows[0]))), *_dash_lines(margins)]


def _critical(margin: StabilityMargin | None) -> str:
    if margin is None:
        return DASH
    critical = margin.critical_relative_norm if margin.kind == "radius" else margin.critical_steps
    if critical is None and margin.low is not None:
        return f"{DASH} (>={number(margin.low)})"
    return number(critical)


def _dash_lines(margins: Sequence[StabilityMargin]) -> list[str]:
    reasons: dict[str, dict[str, None]] = {}
    for m in margins:
        if m.reason is not None:
            reasons.setdefault(clean(m.reason), {})[clean(m.capability)] = None
    lines = [
        f"{DASH} {reason} ({', '.join(names)})"
        for reason, names in sorted(reasons.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]
    shown = [textwrap.shorten(line, WIDTH - 2, placeholder=" …") for line in lines[:3]]
    if len(lines) > 3:
        shown.append(f"{DASH} {len(lines) - 3} more reasons in the report")
    return [f"  {line}" for line in shown]


def _fragility_lines(assessment: Assessment) -> list[str]:
    ranks = module_ranks(assessment)
    if not ranks:
        return []
    named = ", ".join(f"{r.label} ({number(r.mean_rank)})" for r in ranks[:NUM_NAMED])
    firsts = "; ".join(
        f"{r.label} for {', '.join(map(clean, r.first_for))}" for r in ranks if r.first_for
    )
    lines = [f"Most fragile of {len(ranks)} modules, by mean rank over capabilities: {named}"]
    lines += [f"First to break: {firsts}"] if firsts else []
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")]


def _closing_lines(assessment: Assessment) -> list[str]:
    target = target_sentence(assessment)
    lines = [f"Target: {target}"] if target else []
    lines.append(f"Cost: {cost_sentence(assessment.cost)}")
    for index, caveat in enumerate(assessment.caveats, start=1):
        lines += textwrap.wrap(f"[{index}] {clean(caveat)}", WIDTH, subsequent_indent="    ")
    return lines


def _aligned(rows: Sequence[Sequence[str]], *, numeric: Iterable[int]) -> list[str]:
    right = set(numeric)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
