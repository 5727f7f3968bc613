"""The caveats of an assessment: the limits that a reader must know, most important first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...engine import has_slope
from ...metrics import METRICS
from ...results import CapabilityScore
from ..forecasting import FEWEST_RUNS

if TYPE_CHECKING:
    from ..margins import PathCalibration
    from ..probing import Study
    from ._request import AssessmentRequest


def caveats(
    request: AssessmentRequest,
    study: Study,
    *,
    paths: PathCalibration,
    novelty: float = 1.0,
) -> tuple[str, ...]:
    """List the caveats of one assessment.

    Args:
        study: The measurements of the assessment.
        paths: The runs from which the powers of rate and length are.
        novelty: Factor by which the spread of the forecast is larger than for runs like the finished ones.

    Returns:
        One sentence each.
    """
    first, last = _of_this_run(request, study, novelty)
    read = (*request.config.probe_notes(), *request.data.notes)
    return (*first, *_usual(request, study, paths), *last, *(f"As read: {note}." for note in read))


def _usual(request: AssessmentRequest, study: Study, paths: PathCalibration) -> Iterator[str]:
    """List the caveats that hold for every assessment of its part."""
    plan, probe, calibration = study.trajectory.plan, study.num_probe_steps, request.calibration
    fitted = {r.run: r for c in study.capabilities for r in calibration.fitted_in(c.metric).runs}
    models = sorted({run.probe.model for run in fitted.values()})
    yield (
        f"The forecast rests on {len(fitted)} finished runs of {', '.join(models)}, of "
        f"{_range(calibration.step_range)} steps; on another model, schedule or kind of run its "
        "intervals are not known to cover. Losses are forecast up to a collapse bound of "
        f"{calibration.collapse_bound:g} nats, beyond which a capability is gone."
    )
    yield f"The probe trained {probe} of {plan.num_steps} planned steps, with one seed."
    yield "Each interval holds by itself: of ten 90 % intervals, one is expected to miss."
    if request.part in ("assess", "margin"):
        yield from _of_lines(study)
    if request.part in ("assess", "map"):
        yield (
            "The map is a first-order account of the probe's update, module by module: what a larger "
            "update would do, or one from other data, it does not say. Regions rest on a sample of "
            "gradients; the planned data's share of one is high wherever all texts use the same "
            "directions, so hold it against other capabilities' shares, not only against chance. In `assess` it is of "
            "the required capabilities, where there are any."
        )
    if request.part != "map":
        yield (
            f"Critical and recommended learning rates and the envelope rest on how the largest losses of "
            f"{paths.num_runs} finished runs of {paths.model} grew with rate and length, over a range and "
            "not with a level of confidence."
        )
    if request.part in ("assess", "forecast"):
        yield (
            "The target is scored on a sample of the training data. Some finished runs were scored on such rows, others "
            "on rows that they did not train on. The gain on rows that are not trained on is measured apart; its "
            "forecast is as wide as for a model that no finished run is of, because a run may over-fit its rows."
        )


def _of_lines(study: Study) -> Iterator[str]:
    """List the caveats of what is measured away from the run: straight lines, worst cases, the belief space."""
    effort = study.effort
    yield (
        f"Radius margins rest on {effort.num_line_items} items a capability and "
        f"{effort.num_noise_seeds} random directions, and take the critical norm as log-normal "
        "over directions; with so few items, intervals cover less than they state. In `assess` they are of the required "
        "capabilities, where there are any."
    )
    yield (
        "A worst-case radius (in `margin`; in `assess` only where it is asked for) is that of the worst "
        "direction that an ascent on other items found, so an upper bound: a longer ascent, or one on "
        "more items, may find a smaller one. It is measured in float32, in the process that asked."
    )
    if study.anchors is not None:
        yield (
            f"The belief space is read at up to {effort.num_anchor_rows * effort.anchor_row_tokens} tokens of the "
            "suite's own texts, along one random direction; that a drift of 0.1 counts as broken is a convention."
        )


def _of_this_run(
    request: AssessmentRequest,
    study: Study,
    novelty: float,
) -> tuple[list[str], list[str]]:
    """List the caveats of this run alone: those before the usual ones, and those after."""
    plan, source, calibration = study.trajectory.plan, request.opened.source, request.calibration
    adapter = request.config.adapter_config() is not None
    fitted = [calibration.fitted_in(c.metric) for c in study.capabilities]
    digest, first, last = request.opened.digest, [], []
    # In several metrics it can be outside of several calibrations; each way is said once.
    ways: dict[str, None] = {}
    is_new = any(
        sum(run.probe.model_digest == digest for run in each.runs) < FEWEST_RUNS for each in fitted
    )
    if is_new:
        none = not any(digest in each.models for each in fitted)
        ways[f"{'none' if none else 'hardly any'} of them is of the model {source}"] = None
    for each in fitted:
        peak = max(plan.learning_rates)
        ways |= dict.fromkeys(
            each.distances(adapter=adapter, learning_rate=peak, num_steps=plan.num_steps)
        )
    if ways:
        first.append(
            f"The run is unlike the finished runs that the forecast was calibrated on: {'; '.join(ways)}. So its "
            f"intervals are as wide as errors on {'models' if is_new else 'configs'} that were left "
            f"out{_wider(novelty)}."
        )
    first += _of_metrics(study)
    if request.part in ("assess", "margin") and study.anchors is None:
        last.append(f"The belief space was not read: {source} has no plain list of layers.")
    left_out = [c.name for c in study.capabilities if not has_slope(c)]
    if left_out:
        last.append(f"Not mapped, for want of a gradient: {', '.join(left_out)}.")
    if adapter:
        last.append(
            "How losses under LoRA grow with the learning rate was not measured: critical rates take "
            "the power of full fine-tuning."
        )
    return first, last


def _wider(novelty: float) -> str:
    """Say by how much the spread is larger, where it is."""
    return f": {novelty:.1f} times those of a run like these" if novelty >= 1.05 else ""


def lacking_caveat(scores: Sequence[CapabilityScore]) -> tuple[str, ...]:
    """Name what the base does not have, so that nothing can be lost there."""
    named = [
        score.capability
        if score.accuracy is None or score.chance is None
        else f"{score.capability} ({score.accuracy:.0%} of {score.num_items} items right, a guess "
        f"{score.chance:.0%})"
        for score in scores
        if score.nothing_to_lose is not None
    ]
    if not named:
        return ()
    return (
        f"The base is not shown to have: {', '.join(named)}. That these stay within their tolerances says "
        "nothing; ask items that the base can answer, or more of them, or write `required: false`.",
    )


def _of_metrics(study: Study) -> Iterator[str]:
    """Describe the basis of a forecast of metrics that no finished run has."""
    used = {c.metric for c in study.capabilities}
    unlike = sorted(name for name in used if METRICS[name].forecast_like is not None)
    if unlike:
        yield f"The forecast was never calibrated on {' or '.join(unlike)}."


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low} to {high}"
