"""Document of a run, computed from its log: verdict, course of each capability, alarms."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..analyses import items_caveat
from ..capabilities import Capability, Suite
from ..models import LanguageModel, Levers, ScoringOptions, TrainingConfig, TrainingData, numerics
from ..monitor import MonitorSettings, read_log
from ..provenance import provenance_fields
from ..results import (
    CapabilityCourse,
    LossPoint,
    MonitorAlarm,
    Provenance,
    TargetGain,
    TrainingCost,
    TrainingRun,
)
from ..verdicts import TrainingVerdict
from ._target_gain import NOT_HELD_OUT

_CAVEATS = (
    "Losses are those of the monitor's items. An alarm of a required capability at level alpha is "
    "about all texts of its kind; a loss that is only measured, and every threshold on KL, drift, "
    "rank or spikes, carries no error rate.",
    "No alarm is no proof that nothing was lost: `driftline certify` tests that.",
    "Steps to the tolerance are a point forecast: the run goes on at its pace so far, per learning rate.",
)
_ABSENT = (
    "the base is no better than guessing at {names}, so a loss there could not be seen; give items that it can "
    "answer, or write `required: false`"
)
_INTERPOLATED = (
    "The update is scaled after training. Losses, KL and drift here are of the weights as they would have "
    "come out at each check; the size of the update is of the weights in training."
)


@dataclass(frozen=True)
class RunFacts:
    """Facts of a run that are not in its log."""

    log: Path
    planned_steps: int
    wall_seconds: float
    monitor_seconds: float
    model_folder: str
    probe_steps: int = 0
    """Steps that a probe had trained before this run began."""
    target: TargetGain | None = None
    """Gain on held-out rows."""


def training_run(
    facts: RunFacts,
    *,
    opened: LanguageModel,
    data: TrainingData,
    config: TrainingConfig,
    levers: Levers,
    suites: Sequence[Suite],
    settings: MonitorSettings,
) -> TrainingRun:
    """Build the document of a finished run."""
    records: list[Any] = list(read_log(facts.log))
    checks = [record for record in records if record["event"] == "check"]
    averted = {record["step"] for record in records if record["event"] == "averted"}
    alarms = tuple(_alarm(record, averted) for record in records if record["event"] == "alarm")
    rolled = _final_roll_back(records)
    courses = _courses(records, checks, alarms, [c for s in suites for c in s.capabilities])
    # More items may have been taken after the first start.
    started = next(record for record in reversed(records) if record["event"] == "started")
    courses = _on_items(courses, started)
    courses, absent = _without_what_the_base_lacks(courses, records)
    blind = sorted({c for r in records if r["event"] == "more_items" for c in r["capabilities"]})
    steps = int(next(r["step"] for r in reversed(records) if r["event"] == "ended"))
    verdict, reasons = _verdict(courses, alarms, records, steps < facts.planned_steps, absent)
    options = ScoringOptions(bfloat16=bool(config.values.get("bf16", True)))
    held = levers.to_values()
    return TrainingRun(
        verdict=verdict,
        reasons=reasons,
        num_steps=steps,
        planned_steps=facts.planned_steps,
        probe_steps=facts.probe_steps or None,
        rolled_back_to=None if rolled is None else int(rolled["to_step"]),
        every_steps=int(started["every_steps"]),
        alpha=settings.alpha,
        capabilities=courses,
        alarms=alarms,
        checks=tuple(_point(check) for check in checks),
        target=facts.target,
        best_step=_best_step(records),
        model_folder=facts.model_folder,
        cost=TrainingCost(
            wall_seconds=facts.wall_seconds,
            monitor_seconds=facts.monitor_seconds,
            monitor_share=facts.monitor_seconds / facts.wall_seconds,
        ),
        caveats=(
            *_items_caveats(courses, suites, settings, blind),
            *(f"As read: {note}." for note in (*config.notes, *data.notes)),
            *_CAVEATS,
            *(() if facts.target is not None else (NOT_HELD_OUT,)),
            *_best_caveats(_best_step(records)),
            *_probe_caveats(facts.probe_steps),
            *((_INTERPOLATED,) if levers.is_interpolated else ()),
        ),
        provenance=Provenance(
            **provenance_fields("train", settings.seed),
            model=opened.provenance(),
            data=data.provenance(),
            config=config.provenance(),
            config_values=config.values | ({"levers": held} if held else {}),
            suites=tuple(suite.provenance() for suite in suites),
            numerics=numerics(opened, options),
        ),
    )


def _best_caveats(best: int | None) -> tuple[str, ...]:
    if best is None:
        return ()
    return (
        f"The trainer kept its best checkpoint, the weights of step {best}; the last check and the changes are "
        "of these.",
    )


def _probe_caveats(num_steps: int) -> tuple[str, ...]:
    if not num_steps:
        return ()
    return (
        f"Steps 1 to {num_steps} were trained by the probe, without the monitor. Losses are against the "
        "base all the same, and checks begin after them.",
    )


def _verdict(
    courses: Sequence[CapabilityCourse],
    alarms: Sequence[MonitorAlarm],
    records: Sequence[Any],
    is_cut_short: bool,
    absent: Collection[str] = (),
) -> tuple[TrainingVerdict, tuple[str, ...]]:
    """Return the verdict word, and its reasons.

    Args:
        absent: Required capabilities that the base is not shown to have: neither within nor beyond.
    """
    rolled = _final_roll_back(records)
    reasons = [f"{_when(a)}: {a.detector}: {a.evidence[0]}" for a in alarms]
    beyond = [c.capability for c in courses if c.required and c.within_tolerance is False]
    unknown = [
        c.capability
        for c in courses
        if c.required and c.within_tolerance is None and c.capability not in absent
    ]
    if beyond:
        reasons.append(f"ended beyond tolerance on the monitor's items: {', '.join(beyond)}")
    if absent:
        reasons.append(_ABSENT.format(names=", ".join(absent)))
    if rolled is not None and not beyond:
        back = f"rolled back to step {rolled['to_step']}, where every required capability is within"
        return "inconclusive", (f"{back} its tolerance", *reasons)
    if any(not alarm.averted for alarm in alarms):
        return "unsafe", tuple(reasons)
    if unknown:
        reasons.append(f"no check finished, so nothing is known of {', '.join(unknown)}")
    if is_cut_short:
        reasons.append("the run ended before its last step")
    if reasons or any(record["event"] == "check_failed" for record in records):
        return "inconclusive", tuple(reasons or ["a check failed"])
    num_checks = sum(record["event"] == "check" for record in records)
    num_items = sum(course.num_items for course in courses)
    return "no_alarm", (
        f"no alarm on {num_items} items in {num_checks} checks; every required capability ended within its "
        "tolerance on them; certify next",
    )


def _when(alarm: MonitorAlarm) -> str:
    return f"before step {alarm.step}, averted" if alarm.averted else f"step {alarm.step}"


def _final_roll_back(records: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return the roll-back that ended the run; None if none did."""
    for record in reversed(records):
        if record["event"] == "action_done" and record["action"] == "roll_back":
            return record
        if record["event"] == "check":
            return None
    return None


def _courses(
    records: Sequence[Any],
    checks: Sequence[Any],
    alarms: Sequence[Any],
    capabilities: Sequence[Capability],
) -> tuple[CapabilityCourse, ...]:
    """Return the course of every capability, with its last standard error and its accuracies."""
    rolled = _final_roll_back(records)
    final = rolled["losses"] if rolled else (checks[-1]["losses"] if checks else {})
    base: dict[str, float] = next(
        (r.get("accuracies", {}) for r in records if r["event"] == "base"), {}
    )
    # The step that a roll-back restored was scored without its spread.
    last = checks[-1] if checks and not rolled else {}
    return tuple(
        _course(c, final, checks, alarms).model_copy(
            update={
                "standard_error": last.get("standard_errors", {}).get(c.name),
                "base_accuracy": base.get(c.name),
                "accuracy": last.get("accuracies", {}).get(c.name),
            }
        )
        for c in capabilities
    )


def _on_items(courses: Sequence[CapabilityCourse], started: Any) -> tuple[CapabilityCourse, ...]:  # noqa: ANN401
    """State how many items and groups were scored; logs of earlier versions scored all."""
    items, groups = started.get("items", {}), started.get("groups", {})
    return tuple(
        c.model_copy(
            update={
                "num_items": items.get(c.capability, c.num_items),
                "num_groups": groups.get(c.capability, c.num_groups),
            }
        )
        for c in courses
    )


def _without_what_the_base_lacks(
    courses: Sequence[CapabilityCourse], records: Sequence[Any]
) -> tuple[tuple[CapabilityCourse, ...], tuple[str, ...]]:
    """Take away what is said of tolerances where the base is no better than guessing.

    Returns:
        The courses, and the required capabilities of that kind; logs of earlier versions name none.
    """
    base: dict[str, Any] = next((r for r in records if r["event"] == "base"), {})
    lacking = base.get("no_better_than_guessing", [])
    result = tuple(
        c.model_copy(update={"within_tolerance": None}) if c.capability in lacking else c
        for c in courses
    )
    return result, tuple(c.capability for c in courses if c.required and c.capability in lacking)


def _items_caveats(
    courses: Sequence[CapabilityCourse],
    suites: Sequence[Suite],
    settings: MonitorSettings,
    blind: Sequence[str],
) -> tuple[str, ...]:
    training = (
        "the run's training"
        if settings.every_steps
        else f"{settings.overhead:.2g} of the run's training"
    )
    more = (
        f"Fewer items could not have raised the alarm of {', '.join(blind)}, so scoring took longer than {training}."
        if blind
        else None
    )
    said = items_caveat(
        courses,
        {c.name: len(c.items) for suite in suites for c in suite.capabilities},
        requested=settings.num_items,
        of_changes=True,
        training="raising every alarm takes" if blind else training,
    )
    return tuple(each for each in (more, said) if each is not None)


def _course(
    capability: Capability,
    final: dict[str, float],
    checks: Sequence[Any],
    alarms: Sequence[MonitorAlarm],
) -> CapabilityCourse:
    name = capability.name
    along = [(float(check["losses"][name]), int(check["step"])) for check in checks]
    largest = max(along, default=(None, None))
    loss = final.get(name)
    sign = -1.0 if capability.higher_is_better else 1.0
    return CapabilityCourse(
        capability=name,
        metric=capability.metric,
        unit=capability.unit,
        tolerance=capability.tolerance,
        required=capability.required,
        num_items=len(capability.items),
        num_groups=len(set(capability.groups())),
        change=None if loss is None else sign * loss,
        within_tolerance=None if loss is None else loss <= capability.tolerance,
        largest_loss=largest[0],
        largest_loss_step=largest[1],
        alarm_step=next((a.step for a in alarms if name in a.capabilities), None),
    )


def _best_step(records: Sequence[Any]) -> int | None:
    """Return the step of the best checkpoint that was loaded at the end; None without one."""
    return next((int(r["of_step"]) for r in records if r["event"] == "best_model"), None)


def _alarm(record: Any, averted: Collection[int]) -> MonitorAlarm:  # noqa: ANN401
    return MonitorAlarm(
        step=record["step"],
        detector=record["detector"],
        capabilities=tuple(record["capabilities"]),
        evidence=tuple(record["evidence"]),
        action=record["action"],
        averted=record.get("before_step", False) and record["step"] in averted,
    )


def _point(check: Any) -> LossPoint:  # noqa: ANN401
    return LossPoint(
        step=check["step"],
        losses=check["losses"],
        standard_errors=check.get("standard_errors"),
        kl_suite_nats=check["kl_suite_nats"],
        representation_drift=check["representation_drift"],
        update_relative_norm=check["update_relative_norm"],
        steps_left=check["steps_left"],
    )
