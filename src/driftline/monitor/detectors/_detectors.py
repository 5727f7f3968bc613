"""Three detectors with names; each says in words what raised it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ...capabilities import Capability
from ...results import shown_amount
from ..signals import AnchorReading, StepReading
from ._settings import Detector, MonitorSettings, Thresholds
from ._state import MonitorState

_DIVERGED = 10.0
"""Times the norm of the trained matrices; fine-tuning stays far below 1."""

Severity = Literal["warning", "alarm"]


class Finding(NamedTuple):
    """Finding of a detector at one check."""

    detector: Detector | Literal["monitor_failure"]
    severity: Severity
    evidence: tuple[str, ...]
    """Sentences; the strongest first."""
    capabilities: tuple[str, ...] = ()
    """Lost capabilities, if the detector names any."""

    @property
    def key(self) -> str:
        """Key by which an alarm is remembered, so that it is raised once."""
        return ":".join((self.detector, *self.capabilities[:1]))


@dataclass(frozen=True)
class CheckReading:
    """Everything that one check measured."""

    step: int
    mean_losses: Mapping[str, float]
    lower_limits: Mapping[str, float]
    """Lower end of the confidence sequence, for required capabilities."""
    anchors: AnchorReading
    step_reading: StepReading
    held: frozenset[str] | None = None
    """Capabilities at which the base is better than guessing; None: all."""
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    """Standard errors of the mean losses, over groups of items."""
    accuracies: Mapping[str, float] = field(default_factory=dict)
    """Share of items that are right, where the scorer has options."""
    update_relative: float | None = None
    """Norm of the update over that of the trained matrices."""

    def of_the_base(self, capabilities: Sequence[Capability]) -> list[Capability]:
        """List the capabilities that the base has; the others wobble, and have nothing to lose."""
        return [c for c in capabilities if self.held is None or c.name in self.held]


def evidence_needed(num_required: int, settings: MonitorSettings, state: MonitorState) -> float:
    """Log evidence at which a required capability is called lost.

    Bonferroni over the required capabilities; every restart after a roll-back halves alpha, so that
    all restarts together spend no more than alpha.

    Args:
        settings: Hold alpha.
        state: Knows the restarts.

    Returns:
        Nats.
    """
    share = settings.alpha / num_required / 2 ** (state.num_restarts + 1)
    # Without a roll-back that continues there is no restart to keep anything for.
    if settings.action != "roll_back" or settings.after_roll_back != "continue":
        share = settings.alpha / num_required
    return math.log(1 / share)


def findings(
    reading: CheckReading,
    capabilities: Sequence[Capability],
    *,
    state: MonitorState,
    settings: MonitorSettings,
) -> list[Finding]:
    """Run the three detectors on one check."""
    lost = _lost(reading, capabilities, state, settings)
    collapse = belief_space_collapse(reading, capabilities, settings.thresholds)
    result = [collapse] if collapse is not None else []
    if collapse is None or collapse.severity == "warning":
        result += lost
    instability = instability_amplification(reading, state, settings.thresholds)
    result += [instability] if instability is not None else []
    return sorted(result, key=lambda finding: finding.severity != "alarm")


def belief_space_collapse(
    reading: CheckReading, capabilities: Sequence[Capability], limits: Thresholds
) -> Finding | None:
    """Detect that output or states left the base's range, and many capabilities fall together.

    Capabilities that the base does not have are not counted.
    Effective rank counts in either direction, since some kinds of tuning raise it and some lower it
    (Li et al. 2025, arXiv 2509.23024). Thresholds carry no error rate.

    Args:
        capabilities: All that are watched.

    Returns:
        An alarm where many fall together, or where the weights have diverged; a warning where output and representation have left and
        capabilities have not followed; None else.
    """
    output, representation = _output(reading.anchors, limits), _representation(reading, limits)
    held = reading.of_the_base(capabilities)
    over = [c for c in held if reading.mean_losses[c.name] > c.tolerance]
    is_broad = len(over) >= max(2, math.ceil(limits.broad_share * len(held)))
    if is_broad and (output or representation):
        worst = sorted(over, key=lambda c: -reading.mean_losses[c.name] / c.tolerance)
        named = ", ".join(c.name for c in worst)
        broad = f"{len(over)} of {len(held)} capabilities are beyond tolerance: {named}"
        return Finding(
            "belief_space_collapse",
            "alarm",
            (broad, *output, *representation),
            tuple(c.name for c in worst),
        )
    if diverged := _diverged(reading):
        evidence = (*diverged, *output, *representation)
        return Finding("belief_space_collapse", "alarm", evidence, tuple(c.name for c in over))
    if output and representation:
        return Finding("belief_space_collapse", "warning", (*output, *representation))
    return None


def _diverged(reading: CheckReading) -> tuple[str, ...]:
    """List weights far outside the range of fine-tuning, whatever single losses say.

    A model that guesses evenly can beat the base on some items, so that losses alone pass it.

    Returns:
        A sentence for each sign; none where there is none.
    """
    told = []
    beyond = [
        str(layer.layer)
        for layer in reading.anchors.layers
        if layer.functional_magnitude is not None and not math.isfinite(layer.functional_magnitude)
    ]
    if beyond:
        told.append(
            f"what the update does in layer {', '.join(beyond)} is beyond the range of numbers"
        )
    moved = reading.update_relative
    if moved is not None and not moved <= _DIVERGED:
        told.append(
            f"the weights have diverged: the update is {moved:.3g} times as long as they were"
        )
    return tuple(told)


def instability_amplification(
    reading: CheckReading, state: MonitorState, limits: Thresholds
) -> Finding | None:
    """Detect steps of unpredictable effect in several checks, and spikes.

    Args:
        state: Checks in a row, and spikes.

    Returns:
        An alarm where a signal is sustained; a warning at its first sight; None else.
    """
    alarms: list[str] = []
    warnings: list[str] = []
    value, times = reading.step_reading.unpredictability, state.num_unpredictable
    if value is not None and value > limits.unpredictability and times:
        sentence = (
            f"a step's effect on its batch is off its second-order prediction by {value:.0%}, "
            f"{times} checks in a row"
        )
        (alarms if times >= limits.num_unpredictable else warnings).append(sentence)
    spikes = {w.name: w.num_recent(limits.spike_window) for w in (state.grad_norm, state.loss)}
    told = [f"{n} spikes of the {name}" for name, n in spikes.items() if n]
    if told:
        sentence = f"{' and '.join(told)} in the last {limits.spike_window} logged steps"
        (alarms if sum(spikes.values()) >= limits.num_spikes else warnings).append(sentence)
    if alarms:
        return Finding("instability_amplification", "alarm", (*alarms, *warnings))
    return Finding("instability_amplification", "warning", tuple(warnings)) if warnings else None


def count_unpredictable(reading: StepReading, state: MonitorState, limits: Thresholds) -> None:
    """Count unpredictable checks in a row; one that cannot tell leaves the count as it is.

    Args:
        reading: This check's step.
        state: Holds the count, which is changed.
    """
    value = reading.unpredictability
    if value is not None:
        is_beyond = value > limits.unpredictability
        state.num_unpredictable = state.num_unpredictable + 1 if is_beyond else 0


def _lost(
    reading: CheckReading,
    capabilities: Sequence[Capability],
    state: MonitorState,
    settings: MonitorSettings,
) -> list[Finding]:
    """Detect capabilities beyond tolerance, each by itself: `selective_capability_loss`.

    Those that the base does not have are not counted.
    """
    required = [c for c in capabilities if c.required]
    needed = evidence_needed(max(1, len(required)), settings, state)
    result = []
    for capability in reading.of_the_base(capabilities):
        name, loss = capability.name, reading.mean_losses[capability.name]
        proven = capability.required and state.looks(name).log_evidence >= needed
        measured = loss > capability.tolerance
        if not proven and not measured:
            continue
        is_alarm = proven or (capability.required and settings.act_on == "measured")
        sentence = (
            f"{name} has lost {shown_amount(loss, capability.unit)} on its items; the tolerance is "
            f"{shown_amount(capability.tolerance, capability.unit, with_unit=False)}"
        )
        if proven:
            sentence += f"; anytime-valid evidence at alpha {settings.alpha:g} over all looks"
        elif capability.required:
            sentence += "; not yet proven for other items of its kind"
        severity: Severity = "alarm" if is_alarm else "warning"
        result.append(Finding("selective_capability_loss", severity, (sentence,), (name,)))
    return result


def _output(anchors: AnchorReading, limits: Thresholds) -> tuple[str, ...]:
    if anchors.kl_suite_nats < limits.kl_nats:
        return ()
    kl = anchors.kl_suite_nats
    return (f"the output at suite text is {kl:.2f} nats per token from the base's (KL)",)


def _representation(reading: CheckReading, limits: Thresholds) -> tuple[str, ...]:
    sentences = []
    drift = reading.anchors.representation_drift
    if drift is not None and drift >= limits.representation_drift:
        sentences.append(f"hidden states have drifted by {drift:.2f} (1 - CKA with the base)")
    off = {
        layer.layer: layer.rank_ratio
        for layer in reading.anchors.layers
        if layer.rank_ratio is not None
        and not 1 / limits.rank_factor <= layer.rank_ratio <= limits.rank_factor
    }
    if off:
        told = ", ".join(f"layer {layer}: {ratio:.2f}" for layer, ratio in off.items())
        sentences.append(f"effective rank over the base's is out of range ({told})")
    return tuple(sentences)
