"""The gain on rows that the probe trained on, and on rows that it did not."""

import math

from jaxtyping import Float
from numpy import ndarray

from ...capabilities import Capability
from ...engine import Table
from ...models import BASE
from ...results import CapabilityReading, ProbeReading, RowGain, RowGains
from ...stats import mean_interval, standard_error
from ..forecasting import FEWEST_RUNS, Case, early_step, fit_to, last_look
from ..items import TargetRows, target_rows
from ..probing import CONFIDENCE_LEVEL, Study
from ._request import AssessmentRequest

_PARTS = ("assess", "forecast")


def rows_asked_for(request: AssessmentRequest, study: Study) -> TargetRows | None:
    """Choose the rows whose gain is measured; what the probe trains on is not changed.

    Args:
        study: The planned run; nothing is trained yet.

    Returns:
        The rows; None where the part does not show the target.
    """
    if request.part not in _PARTS:
        return None
    plan = study.trajectory.plan
    first = early_step(request.deciding_looks[0], plan.num_steps)
    return target_rows(
        request.data,
        plan,
        taken=first,
        reached=study.num_probe_steps,
        evaluation=request.evaluation,
        opened=request.opened,
        seed=request.seed,
        chat_template=request.config.chat_template(),
    )


def row_tokens(study: Study, rows: TargetRows | None) -> float:
    """Count what the rows cost to score, at the base and at the end of the probe."""
    both = () if rows is None or rows.unseen is None else rows.both
    return 2.0 * study.engine.num_tokens(both)


def row_gains(
    request: AssessmentRequest, study: Study, rows: TargetRows | None, reading: ProbeReading
) -> RowGains | None:
    """Measure the gain on both kinds of rows at the end of the probe, and forecast that on rows unseen.

    Finished runs gained on both kinds of rows, while this one may over-fit its own. So the interval is as wide
    as for models that no finished run is of.

    Args:
        request: What is asked.
        study: The planned run; the probe is trained.
        rows: As chosen.
        reading: What the probe saw.

    Returns:
        The gains; None where there are no rows that are not trained on.
    """
    if rows is None or rows.unseen is None or rows.source is None:
        return None
    point = study.path_points()[-1]
    table = study.engine.evaluate((BASE, point), rows.both)
    losses = {each.name: table.item_losses(point, each, base=BASE) for each in rows.both}
    seen = None if rows.seen is None else _gain(table, rows.seen, losses[rows.seen.name])
    unseen = _gain(table, rows.unseen, losses[rows.unseen.name])
    gap = error = None
    if seen is not None:
        gap = seen.gain - unseen.gain
        if seen.standard_error is not None and unseen.standard_error is not None:
            error = math.hypot(seen.standard_error, unseen.standard_error)
    return RowGains(
        source=rows.source,
        step=study.num_probe_steps,
        unit=rows.unseen.unit,
        confidence_level=CONFIDENCE_LEVEL,
        seen=seen,
        unseen=unseen,
        gap=gap,
        gap_standard_error=error,
        num_copies=rows.num_copies,
        **_forecast(request, rows.unseen, unseen, reading),
    )


def row_caveats(rows: TargetRows | None, result: RowGains | None) -> tuple[str, ...]:
    """Say that the target is clearly over-fitted, why that is not known, or which rows were left out.

    Args:
        rows: As chosen; None where nobody asked.
        result: What was measured.

    Returns:
        Sentences, or none.
    """
    if rows is None:
        return ()
    if result is None:
        return (f"The gain on rows that are not trained on was not measured: {rows.reason}.",)
    said: tuple[str, ...] = ()
    if result.is_over_fitting and result.seen is not None:
        said = (
            f"Over-fitting: the target's gain is {result.seen.gain:+.2g} {result.unit} on rows that it has seen and "
            f"{result.unseen.gain:+.2g} on others.",
        )
    if not result.num_copies:
        return said
    copies = "1 row" if result.num_copies == 1 else f"{result.num_copies} rows"
    return (
        *said,
        f"{copies} of the evaluation data are also in the training data, and were left out.",
    )


def _gain(table: Table, capability: Capability, losses: Float[ndarray, " rows"]) -> RowGain:
    groups = capability.groups()
    result = mean_interval(-losses, groups=groups, confidence_level=CONFIDENCE_LEVEL)
    return RowGain(
        gain=result.value,
        standard_error=standard_error(losses, groups=groups),
        low=result.low,
        high=result.high,
        base_value=float(table.values(BASE, capability).mean()),
        num_rows=len(losses),
    )


def _forecast(
    request: AssessmentRequest, rows: Capability, measured: RowGain, reading: ProbeReading
) -> dict[str, float]:
    """Forecast the gain on the rows at the end; nothing where too few runs say how theirs went on."""
    known = sum("target" in run.final_losses for run in request.calibration.runs)
    look = last_look(reading.target.losses)
    if known < FEWEST_RUNS or not reading.clock[look] or request.method != "driftline":
        return {}
    fitted = fit_to(request.calibration, method=request.method, probe=request.probe, target=True)
    error = measured.standard_error
    own = CapabilityReading(
        capability=rows.name,
        metric=rows.metric,
        base_value=measured.base_value,
        losses={look: -measured.gain},
        standard_errors={} if error is None else {look: error},
        num_items=measured.num_rows,
    )
    case = Case(reading.model_copy(update={"target": own}), own, is_unlike=True)
    loss = fitted.predict(case)
    return {
        "predicted_gain": -loss.value + 0.0,
        "predicted_low": -loss.high + 0.0,
        "predicted_high": -loss.low + 0.0,
    }
