"""The explanation of a forecast: the failure mode, the items, the levers, the data."""

from collections.abc import Sequence

from ...capabilities import Capability, Item
from ...engine import Table
from ...models import count_conflicts
from ...results import (
    AtRiskItem,
    CapabilityForecast,
    ConflictingExample,
    FailureMode,
    ForecastExplanation,
    TargetForecast,
)
from ..margins import Exponent, shipped_path_calibration
from ..probing import Study, losses_at

_ITEMS_A_CAPABILITY = 3
_NUM_EXAMPLES = 5
_MOST = 0.5
"""A share of the capabilities that is called a collapse."""


def explain(
    study: Study,
    table: Table,
    forecast: Sequence[CapabilityForecast],
    target: TargetForecast | None,
) -> ForecastExplanation:
    """Explain a forecast.

    Cost: one forward pass over the target's sample, for the conflicts in the data.

    Args:
        study: The planned run.
        table: Capabilities along the probe.
        forecast: One row a capability, worst first.
        target: What the run does to its own task; None where that is not forecast.
    """
    calibration = shipped_path_calibration()
    mode, reason = failure_mode(forecast, target)
    steps_exponent = calibration.steps_exponents[
        "lora" if study.trajectory.config.uses_peft else "full"
    ]
    share, conflicts = _conflicts(study)
    return ForecastExplanation(
        failure_mode=mode,
        reason=reason,
        items=_items(study, table, forecast),
        rate_effect=_halved(calibration.rate_exponent),
        steps_effect=_halved(steps_exponent),
        conflict_share=share,
        conflicts=conflicts,
    )


def failure_mode(
    forecast: Sequence[CapabilityForecast], target: TargetForecast | None
) -> tuple[FailureMode | None, str]:
    """Find the failure mode that a forecast points to, of three.

    Args:
        forecast: One row a capability, worst first; those that the base is not shown to have do not count.
        target: What the run does to its own task.

    Returns:
        `instability_amplification` where the run is forecast to unlearn its own task while
        capabilities fall; else `belief_space_collapse` where half of the capabilities or more pass
        their tolerance; else `selective_capability_loss` where some do; else None. And why.
    """
    shown = [row for row in forecast if row.verdict != "not_shown"]
    at_risk = [row.capability for row in shown if row.at_risk]
    counted = f"{len(at_risk)} of {len(shown)} capabilities are forecast beyond their tolerance"
    if not at_risk:
        return None, "no capability is forecast beyond its tolerance"
    if target is not None and target.predicted_change > 0:
        return "instability_amplification", f"{counted}, and the run's own task gets worse"
    if len(at_risk) >= _MOST * len(shown):
        return "belief_space_collapse", counted
    improves = "" if target is None else ", while the run's own task improves"
    return "selective_capability_loss", counted + improves


def _items(
    study: Study, table: Table, forecast: Sequence[CapabilityForecast]
) -> tuple[AtRiskItem, ...]:
    last = study.path_points()[-1]
    at_risk = {row.capability for row in forecast if row.at_risk}
    result = [
        AtRiskItem(capability=c.name, item=item.id, loss=float(loss))
        for c in study.capabilities
        if c.name in at_risk
        for loss, item in _worst(c, losses_at(table, c, [last])[0].tolist())
    ]
    return tuple(sorted(result, key=lambda row: -row.loss))


def _worst(capability: Capability, losses: Sequence[float]) -> list[tuple[float, Item]]:
    pairs = [(loss, item) for loss, item in zip(losses, capability.items, strict=True) if loss > 0]
    return sorted(pairs, key=lambda pair: -pair[0])[:_ITEMS_A_CAPABILITY]


def _halved(exponent: Exponent) -> tuple[float, float, float]:
    """Compute the share of a loss that halving leaves, where the loss grows with a power."""
    return 0.5**exponent.value, 0.5**exponent.high, 0.5**exponent.low


def _conflicts(study: Study) -> tuple[float | None, tuple[ConflictingExample, ...]]:
    engine, target = study.engine, study.target
    encoded = engine.scorer.encode(target)
    counts = count_conflicts(engine.opened, encoded.sequences, engine.options)
    lengths = [len(s.tokens) - s.start for s in encoded.sequences]
    engine.tokens_used += sum(len(s.tokens) for s in encoded.sequences)
    if not sum(lengths):
        return None, ()
    shares = [
        ConflictingExample(example=item.id, share=sum(counts[a:b]) / max(1, sum(lengths[a:b])))
        for item, (a, b) in zip(target.items, encoded.spans, strict=True)
    ]
    worst = sorted(shares, key=lambda row: -row.share)[:_NUM_EXAMPLES]
    return sum(counts) / sum(lengths), tuple(row for row in worst if row.share > 0)
