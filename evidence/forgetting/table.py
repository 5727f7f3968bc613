"""The benchmark's runs as a table: what probes saw, what came, and what rivals would have seen."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from driftline.analyses import FinishedRun
from driftline.results import CapabilityReading, Look, ProbeReading

from .grid import COLLAPSE_NATS

RUNS = Path(__file__).parent / "runs"
EARLY: tuple[Look, ...] = ("early_5", "early_10", "early_20")


@dataclass(frozen=True)
class BenchmarkRun:
    """One run of the benchmark, with what only a judge may know."""

    finished: FinishedRun
    record: dict[str, Any]

    @property
    def region(self) -> str:
        """Of the configs."""
        return str(self.record["region"])

    @property
    def task(self) -> str:
        """What it was trained on."""
        return self.finished.task

    def losses(self) -> dict[str, float]:
        """What came, by capability, without the target."""
        return {c: self.finished.final_losses[c] for c in self.record["tolerances"]}

    def rival(self, name: str, capability: str) -> float:
        """A rival's feature; of the whole run, or of each capability."""
        value = self.record["rivals"][name]
        return float(value[capability] if isinstance(value, dict) else value)


def read_runs(model: str) -> list[BenchmarkRun]:
    """All finished runs of one model.

    Args:
        model: The folder's name under `runs/`.

    Returns:
        In the order of their names. A run whose planned training broke down is left out.
    """
    records = [json.loads(path.read_text()) for path in sorted((RUNS / model).glob("*.json"))]
    return [
        BenchmarkRun(_finished(record), record)
        for record in records
        if "failed" not in record["legs"]["planned"]
    ]


OUTSIDE_RUNS = Path(__file__).parents[1] / "first_forecast" / "runs"
SAME_KIND = {
    "gsm8k": "math",
    "codegen": "code",
    "tatoeba": "spanish",
    "roleplay": "instructions",
    "shakespeare": "shakespeare",
    "medquad": "contradictory",
}
"""The benchmark's task that is most like that of an outside run."""


def outside_runs() -> list[FinishedRun]:
    """Runs that are not of the benchmark: 60 steps of 4 longer examples, the whole suite scored.

    Returns:
        In the order of their names; `task` is the benchmark's task of the same kind, to be left out.
    """
    return [_outside(json.loads(path.read_text())) for path in sorted(OUTSIDE_RUNS.glob("*.json"))]


def _outside(record: dict[str, Any]) -> FinishedRun:
    summed = record["summed_learning_rate"]
    *early, end = summed
    readings = {
        entry["capability"]: CapabilityReading(
            capability=entry["capability"],
            metric=entry["metric"],
            base_value=entry["base_value"],
            losses={look: entry["loss"][step] for look, step in zip(EARLY, early, strict=True)},
        )
        for entry in record["capabilities"]
    }
    kind = record["run"].partition("-")[0]
    return FinishedRun(
        run=record["run"],
        task=SAME_KIND.get(kind, kind),
        probe=ProbeReading(
            model=record["base"]["source"],
            model_digest=record["base"]["digest"],
            adapter=bool(record["config"].get("use_peft", False)),
            learning_rate=record["config"]["learning_rate"],
            num_steps=int(end),
            clock={
                look: summed[step] / summed[end] for look, step in zip(EARLY, early, strict=True)
            },
            target=readings.pop("target"),
            capabilities=tuple(readings.values()),
        ),
        final_losses={e["capability"]: e["loss"][end] for e in record["capabilities"]},
    )


def _finished(record: dict[str, Any]) -> FinishedRun:
    planned, rivals = record["legs"]["planned"], record["rivals"]
    steps = list(planned["summed_learning_rate"])
    summed = list(planned["summed_learning_rate"].values())
    straight = _straight_line(record)
    model = Path(record["base"]["source"]).name

    def reading(capability: str) -> CapabilityReading:
        along = planned["losses"][capability]
        losses: dict[Look, float] = {
            look: _mean(along[step]) for look, step in zip(EARLY, steps, strict=False)
        }
        losses["replica_10"] = replica_loss(record, "replica_10", capability)
        return CapabilityReading(
            capability=capability,
            metric=record["metrics"][capability],
            base_value=_mean(record["base_values"][capability]),
            losses=losses,
            standard_errors={
                look: _standard_error(along[step]) for look, step in zip(EARLY, steps, strict=False)
            },
            num_items=len(along[steps[-1]]),
            straight_line=straight.get(capability),
        )

    return FinishedRun(
        # Runs of several models share one table.
        run=f"{model}/{record['run']}",
        task=record["task"],
        probe=ProbeReading(
            model=model,
            model_digest=record["base"]["digest"],
            adapter=bool(record["config"].get("use_peft", False)),
            learning_rate=record["learning_rate"],
            num_steps=record["num_steps"],
            clock={look: each / summed[-1] for look, each in zip(EARLY, summed, strict=False)},
            update_norm=rivals["update_norm"]["fifth"] if rivals else None,
            target=reading("target"),
            capabilities=tuple(reading(c) for c in record["tolerances"]),
        ),
        final_losses={c: _mean(planned["losses"][c][steps[-1]]) for c in record["metrics"]},
    )


def _straight_line(record: dict[str, Any]) -> dict[str, float]:
    """Losses on the straight line; the collapse bound where scores were not finite there."""
    if not record["rivals"]:
        return {}
    seen = record["rivals"]["straight_line"]
    return {c: COLLAPSE_NATS if seen is None else _mean(seen[c]) for c in record["metrics"]}


def replica_loss(record: dict[str, Any], leg: str, capability: str) -> float:
    """The loss at the end of a replica; the collapse bound where it broke down."""
    row = record["legs"][leg]
    if "failed" in row:
        return COLLAPSE_NATS
    (losses,) = row["losses"][capability].values()
    return _mean(losses)


def _standard_error(values: list[float]) -> float:
    return round(float(numpy.std(values, ddof=1) / math.sqrt(len(values))), 4)


def _mean(values: list[float]) -> float:
    return round(float(numpy.mean(values)), 4)
