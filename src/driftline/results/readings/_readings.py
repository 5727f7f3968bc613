"""Wording for an assessment: losses, orders and words that all its renderings share."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ...escapes import replaced
from ...metrics import METRICS
from ...verdicts import LossVerdict
from ..documents import Assessment, Cost, ModuleFragility, StabilityMargin, TargetGain

DASH = "–"
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
    verdict: LossVerdict
    probability_lost: float | None = None
    """Probability that the run ends beyond the tolerance; None in documents of earlier versions."""

    @property
    def relative(self) -> float:
        """The loss in tolerances: above 1 the tolerance is passed. Infinite at tolerance 0."""
        if self.tolerance > 0:
            return self.loss / self.tolerance
        return math.copysign(math.inf, self.loss) if self.loss else 0.0


@dataclass(frozen=True)
class ModuleRank:
    """Fragility rank of a module over the capabilities of the map."""

    module: str
    label: str
    mean_rank: float
    """Mean over capabilities of the module's rank; 1 is the most fragile that there can be."""
    first_for: tuple[str, ...]
    """The capabilities for which no module is more fragile."""


def loss_sign(assessment: Assessment, capability: str) -> int:
    """Return the factor that turns a change into a loss: -1 if a higher value is better.

    Args:
        assessment: Assessment with the capability's score, which says which way is better.
        capability: The capability's name.

    Returns:
        -1 or 1. Without a score the forecast's metric decides; one that is not known is taken to
        be better when higher.
    """
    for score in assessment.scores:
        if score.capability == capability:
            return -1 if score.higher_is_better else 1
    named = {f.metric for f in assessment.forecast if f.capability == capability}
    known = [METRICS[name] for name in named if name in METRICS]
    return 1 if known and not any(metric.higher_is_better for metric in known) else -1


def forecast_losses(assessment: Assessment) -> tuple[CapabilityLoss, ...]:
    """Return the forecast as losses, the most likely beyond its tolerance first."""
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
                f.probability_lost,
            )
        )
    # Documents of earlier versions have no probability.
    return tuple(
        sorted(
            losses,
            key=lambda x: (-round(x.probability_lost or 0.0, 2), -x.relative, x.capability),
        )
    )


def held_losses(assessment: Assessment) -> tuple[CapabilityLoss, ...]:
    """Return the forecast losses of the capabilities that the base is shown to have; of all if it has none."""
    lacking = {s.capability for s in assessment.scores if s.nothing_to_lose is not None}
    losses = forecast_losses(assessment)
    return tuple(loss for loss in losses if loss.capability not in lacking) or losses


def module_columns(fragility: Iterable[ModuleFragility]) -> dict[str, str]:
    """Return each module's name within its layer, or outside the layers.

    Args:
        fragility: Rows of a map.

    Returns:
        Module name to its role where one module alone has that role in its layer (`q`), otherwise
        to the last part of its own name (`input_layernorm`).
    """
    modules = {f.module: f for f in fragility}
    counts = Counter((f.layer, f.role) for f in modules.values())
    shared = {role for (_, role), count in counts.items() if count > 1}
    return {
        f.module: clean(f.module.rpartition(".")[2] if f.role in shared else f.role)
        for f in modules.values()
    }


def protected_by_role(assessment: Assessment) -> str | None:
    """Count the modules to protect by role: `30 of 30 v, 23 of 30 o`; None if there are none.

    Args:
        assessment: With a map and its `protect`.

    Returns:
        Roles with most of their modules taken first.
    """
    roles = {f.module: clean(f.role) for f in assessment.fragility if f.layer is not None}
    total = Counter(roles.values())
    taken = Counter(roles[module] for module in assessment.protect if module in roles)
    if not taken:
        return None
    order = sorted(taken, key=lambda role: (-taken[role] / total[role], role))
    return ", ".join(f"{taken[role]} of {total[role]} {role}" for role in order)


def protected_share(assessment: Assessment) -> str:
    """Say which share the modules to protect hold, and which share has no map.

    Args:
        assessment: With a map and its `protect`.

    Returns:
        Such as `24 % of the parameters inside layers`; of a document that does not say the share, what
        it is at most.
    """
    share = assessment.protect_share
    if share is None:
        return "up to a quarter of the parameters inside layers that could be mapped"
    text = f"{percent(share)} of the parameters inside layers"
    if not assessment.unmapped_share:
        return text
    text += f"; {percent(assessment.unmapped_share)} move and could not be mapped"
    has_experts = any(f.role == "experts" for f in assessment.fragility)
    if not has_experts and any(".experts" in module for module in assessment.unmapped):
        text += ", no expert was looked at"
    return text


def module_labels(fragility: Iterable[ModuleFragility]) -> dict[str, str]:
    """Return a label for each module, in the order of the forward pass as far as names tell it.

    Args:
        fragility: Rows of a map.

    Returns:
        Module name to label: `layer 3` for a whole layer, `layer 3 q` for a part of one, the role
        beside the layers (`embedding`); the module's own name where that would not tell modules
        apart. Embeddings come first, then layers by number, then the rest.
    """
    modules = {f.module: f for f in fragility}
    columns = module_columns(modules.values())

    def place(item: tuple[int, ModuleFragility]) -> tuple[int, int, int]:
        order, f = item
        if f.layer is not None:
            return 1, f.layer, order
        return 0 if "embed" in f"{f.role} {f.module}" else 2, 0, order

    def label(f: ModuleFragility) -> str:
        if f.layer is None:
            return columns[f.module]
        return f"layer {f.layer}" + ("" if f.role == "layer" else f" {columns[f.module]}")

    labels = {f.module: label(f) for _, f in sorted(enumerate(modules.values()), key=place)}
    counts = Counter(labels.values())
    return {m: text if counts[text] == 1 else clean(m) for m, text in labels.items()}


def module_ranks(assessment: Assessment) -> tuple[ModuleRank, ...]:
    """Return the mapped modules, the most fragile over all capabilities first."""
    ranks: dict[str, list[ModuleFragility]] = {}
    for f in assessment.fragility:
        ranks.setdefault(f.module, []).append(f)
    labels = module_labels(assessment.fragility)
    result = [
        ModuleRank(
            module,
            labels[module],
            math.fsum(f.rank for f in rows) / len(rows),
            tuple(f.capability for f in rows if f.rank == 1),
        )
        for module, rows in ranks.items()
    ]
    places = list(labels)
    return tuple(sorted(result, key=lambda r: (r.mean_rank, places.index(r.module))))


def margin_order(margin: StabilityMargin) -> tuple[float, float, str]:
    """Return a sort key: the most used margin first, undefined ones last."""
    used = margin.used_fraction
    critical = margin.critical_relative_norm if margin.kind == "radius" else margin.critical_steps
    return (
        -used if used is not None else math.inf,
        critical if critical is not None else math.inf,
        margin.capability,
    )


def clean(text: str) -> str:
    """Replace everything unprintable in a text, so that it cannot control a terminal."""
    return replaced(text, keep="")


def number(value: float | None, *, signed: bool = False) -> str:
    """Format a number with three significant digits, or a dash if there is none.

    Args:
        signed: True to print a plus before a positive number.

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
    """Format a share as a percentage, or a dash if there is none.

    Returns:
        Its text, with two significant digits below ten percent.

    >>> percent(0.9), percent(1.874), percent(0.0042)
    ('90%', '187%', '0.42%')
    """
    if value is None:
        return DASH
    return f"{100 * value:,.0f}%" if abs(value) >= 0.0995 or value == 0 else f"{100 * value:.2g}%"


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Format an interval; open ends in words, a dash if both are unknown.

    Args:
        low: The lower end, None where it is open.
        high: The upper end, None where it is open.
        signed: True to print a plus before positive ends.

    >>> interval(0.1, 0.25), interval(40, None), interval(None, None)
    ('[0.100, 0.250]', 'at least 40.0', '–')
    """
    if low is not None and high is not None:
        return f"[{number(low, signed=signed)}, {number(high, signed=signed)}]"
    if low is not None:
        return f"at least {number(low, signed=signed)}"
    return DASH if high is None else f"at most {number(high, signed=signed)}"


def items_in_groups(num_items: int, num_groups: int | None) -> str:
    """Write how many items were scored, and in how many groups where some share one.

    >>> items_in_groups(258, 43), items_in_groups(276, 276)
    ('258 in 43', '276')

    Args:
        num_groups: Independent units of evidence; None where they are not known.
    """
    if num_groups is None or num_groups == num_items:
        return f"{num_items:,}"
    return f"{num_items:,} in {num_groups:,}"


def with_error(text: str, standard_error: float | None) -> str:
    """Add a standard error to the text of a value, where there is one.

    >>> with_error("+1.20", 0.5), with_error("+1.20", None)
    ('+1.20 ±0.500', '+1.20')

    Args:
        text: The value as it is written.
        standard_error: Standard error of the value, over groups of items.

    Returns:
        Both.
    """
    return text if standard_error is None else f"{text} ±{number(standard_error)}"


def duration(seconds: float) -> str:
    """Format a length of time in words.

    Returns:
        Its text, in the largest units that matter.

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
    """Describe the cost of the answer in one line."""
    share = cost.fraction_of_planned_run
    run = "no planned run to compare with"
    if share is not None:
        run = f"{percent(share)} of the planned run's steps"
    return (
        f"{duration(cost.wall_seconds)}, {cost.tokens_forward:,} tokens forward, "
        f"{cost.tokens_backward:,} backward, {run}"
    )


def target_sentence(assessment: Assessment) -> str | None:
    """Describe the run's effect on its own task in one line; None if it was not forecast."""
    target = assessment.target
    if target is None:
        return None
    gain = number(0.0 - target.predicted_change, signed=True)
    low, high = number(0.0 - target.high, signed=True), number(0.0 - target.low, signed=True)
    return (
        f"{clean(target.metric)} {number(target.base_value)} {clean(target.unit)} in the base, predicted "
        f"gain {gain} ({percent(target.confidence_level)} interval {low} to {high}, "
        f"{target.num_items:,} items)"
    )


def gain_sentence(gain: TargetGain) -> str:
    """Describe a gain that was measured on held-out rows in one line."""
    value = number(gain.gain, signed=True)
    limits = ""
    if gain.low is not None and gain.high is not None:
        limits = (
            f", 90 % interval {number(gain.low, signed=True)} to {number(gain.high, signed=True)}"
        )
    return (
        f"{value} nats a token on {gain.num_rows:,} held-out rows{limits}: "
        f"{number(gain.base_nats)} in the base, {number(gain.tuned_nats)} now"
    )
