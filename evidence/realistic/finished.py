"""The benchmark's records as finished runs, which forecasts are fitted to and judged on."""

import functools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy.special
from numpy import ndarray

from driftline.analyses import LOOK_SHARES, FinishedRun
from driftline.results import CapabilityReading, Look, ProbeReading

from ..forgetting.odds import log_odds
from ..forgetting.table import BenchmarkRun, read_runs
from .grid import NUM_STEPS
from .records import Record, read_record

HERE = Path(__file__).parent
SURE = 1.645
"""Standard errors above chance at which a base is shown to have a capability."""
TARGETS = {"other_rows": "target_held_out", "trained_rows": "target_trained"}
"""Rows of the task that are not trained on, and rows that are."""
TARGET = TARGETS["other_rows"]
"""The one that forecasts are fitted to."""
Columns = Mapping[int, Mapping[str, ndarray]]
"""Step to quantity to one number an item."""


def read_records(folder: Path = HERE / "runs") -> list[Record]:
    """Read all finished runs.

    Args:
        folder: With one folder a model.

    Returns:
        Sorted by path.
    """
    return [read_record(path) for path in sorted(folder.glob("*/*.parquet"))]


def columns_of(record: Record, leg: str = "run") -> dict[str, Columns]:
    """Lay out the readings of one leg by capability.

    Args:
        record: A finished run.
        leg: `run`, or a quick start.

    Returns:
        Capability to step to quantity to values.
    """
    found: dict[str, Any] = defaultdict(lambda: defaultdict(dict))
    for reading in record.readings:
        if reading.leg == leg:
            found[reading.capability][reading.step][reading.quantity] = reading.values
    return {name: dict(by_step) for name, by_step in found.items()}


def is_whole(record: Record) -> bool:
    """Tell whether the run reached its end with finite scores."""
    return "failed" not in record.facts["legs"]["run"]


def finished_run(
    record: Record, columns: Mapping[str, Columns] | None = None, *, target: str = TARGET
) -> FinishedRun:
    """Turn a record into a finished run: probabilities where items have options, nats of texts.

    Args:
        record: Of a run that reached its end.
        columns: Its readings, where not all items are to be taken; the same for every step.
        target: One of `TARGETS`.

    Returns:
        The run with all looks.
    """
    facts = record.facts
    columns = columns_of(record) if columns is None else columns
    summed = facts["legs"]["run"]["summed_learning_rate"]
    steps = {look: round(share * NUM_STEPS) for look, share in LOOK_SHARES.items()}
    steps = {look: step for look, step in steps.items() if str(step) in summed}
    names = [name for name in columns if not name.startswith("target")]
    readings = {
        name: _reading(name, columns[name], steps, is_shown=_is_shown(name, columns[name][0]))
        for name in (*names, target)
    }
    finals = {name: _losses(columns[name], NUM_STEPS) for name in (*names, target)}
    losses = {name: _rounded(each.mean()) for name, each in finals.items()}
    losses["target"] = losses.pop(target)
    model = Path(facts["base"]["source"]).name
    return FinishedRun(
        run=f"realistic {model}/{facts['run']}",
        task=facts["task"],
        probe=ProbeReading(
            model=model,
            model_digest=facts["base"]["digest"],
            adapter=bool(facts["config"].get("use_peft", False)),
            learning_rate=facts["learning_rate"],
            num_steps=NUM_STEPS,
            clock={look: summed[str(s)] / summed[str(NUM_STEPS)] for look, s in steps.items()},
            target=readings[target].model_copy(update={"capability": "target"}),
            capabilities=tuple(readings[name] for name in names),
        ),
        final_losses=losses,
    )


def capabilities_shown(record: Record) -> tuple[str, ...]:
    """List the capabilities with options that the base is shown to have.

    Args:
        record: Of a finished run.

    Returns:
        Those whose share of right answers is above chance by `SURE` standard errors of a guess.
    """
    columns = columns_of(record)
    return tuple(
        name for name, each in columns.items() if name in chances() and _is_shown(name, each[0])
    )


def _is_shown(name: str, base: Mapping[str, ndarray]) -> bool:
    """Tell whether the base is better than a guess; a text cannot be guessed."""
    if name not in chances() or "nll" in base:
        return True
    return is_above_chance(name, base["margin"] > 0)


def is_above_chance(name: str, right: ndarray) -> bool:
    """Tell whether a share of right answers is above chance by `SURE` standard errors of a guess.

    Args:
        name: Of the capability.
        right: Whether each item was answered rightly.
    """
    chance = chances()[name]
    error = (chance * (1 - chance) / len(right)) ** 0.5
    return bool(right.mean() - SURE * error > chance)


@functools.cache
def chances() -> dict[str, float]:
    """Read the share of right answers that a guess has, by capability of `core` with options."""
    path = HERE.parent / "suites" / "base.json"
    capabilities = json.loads(path.read_text())["smollm2-135m core"]["capabilities"]
    return {name: c["chance"] for name, c in capabilities.items() if "chance" in c}


def final_errors(record: Record) -> dict[str, float]:
    """Compute the standard errors of the losses at the end of a run.

    Args:
        record: Of a run that reached its end.

    Returns:
        By capability.
    """
    return {
        name: _standard_error(_losses(columns, NUM_STEPS))
        for name, columns in columns_of(record).items()
    }


def _reading(
    name: str, columns: Columns, steps: Mapping[Look, int], *, is_shown: bool
) -> CapabilityReading:
    losses = {look: _losses(columns, step) for look, step in steps.items()}
    is_text = "nll" in columns[0]
    base = columns[0]["nll"] if is_text else scipy.special.expit(columns[0]["log_odds"])
    return CapabilityReading(
        capability=name,
        metric="nll_nats" if is_text else "probability",
        base_value=_rounded(base.mean()),
        losses={look: _rounded(each.mean()) for look, each in losses.items()},
        standard_errors={look: _standard_error(each) for look, each in losses.items()},
        num_items=len(base),
        item_spreads={look: _rounded(numpy.std(each, ddof=1)) for look, each in losses.items()},
        is_shown=is_shown,
    )


def _losses(columns: Columns, step: int) -> ndarray:
    """Compute the loss of each item from the base to a step."""
    base, now = columns[0], columns[step]
    if "nll" in base:
        return now["nll"] - base["nll"]
    return scipy.special.expit(base["log_odds"]) - scipy.special.expit(now["log_odds"])


def in_probability(model: str = "smollm2-135m") -> Iterator[FinishedRun]:
    """Turn runs of the toy regime into runs that were measured in probabilities.

    Every item's loss of the margin is kept there; with the base's probabilities they become
    probabilities, which is exact for two options and close for more.

    Args:
        model: Whose probabilities at the base are kept.

    Yields:
        The runs, with the capabilities that have options.
    """
    path = HERE.parent / "forgetting" / "base_probabilities.json"
    held = json.loads(path.read_text())["probabilities"]
    odds = {name: log_odds(numpy.array(each)) for name, each in held.items()}
    for run in read_runs(model):
        yield _in_probability(run, odds)


def _in_probability(run: BenchmarkRun, odds: Mapping[str, ndarray]) -> FinishedRun:
    along = run.record["legs"]["planned"]["losses"]
    steps = list(run.record["legs"]["planned"]["summed_learning_rate"])
    losses: Callable[[str, str], ndarray] = lambda name, step: (  # noqa: E731 - used here alone
        scipy.special.expit(odds[name])
        - scipy.special.expit(odds[name] - numpy.array(along[name][step], dtype=float))
    )
    looks = [look for look in LOOK_SHARES if look in run.finished.probe.clock]
    at = dict(zip(looks, steps, strict=False))
    readings = tuple(
        CapabilityReading(
            capability=name,
            metric="probability",
            base_value=_rounded(scipy.special.expit(odds[name]).mean()),
            losses={look: _rounded(losses(name, step).mean()) for look, step in at.items()},
            standard_errors={
                look: _standard_error(losses(name, step)) for look, step in at.items()
            },
            num_items=len(odds[name]),
            is_shown=name not in chances() or is_above_chance(name, odds[name] > 0),
        )
        for name in odds
        if name in along
    )
    return run.finished.model_copy(
        update={
            "run": f"{run.finished.run} in probability",
            "held_aside": True,
            "probe": run.finished.probe.model_copy(update={"capabilities": readings}),
            "final_losses": {
                each.capability: _rounded(losses(each.capability, steps[-1]).mean())
                for each in readings
            },
        }
    )


def _standard_error(values: Sequence[float] | ndarray) -> float:
    return _rounded(float(numpy.std(values, ddof=1)) / math.sqrt(len(values)))


def _rounded(number: float) -> float:
    return round(float(number), 5)
