"""The protocol of a plan in the files that people train with, its data beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import JsonValue

from ..analyses import hold_out
from ..models import Levers, TrainingConfig, with_replay, write_training_data
from ..provenance import digest_bytes, digest_file
from ..results import Plan, PlanFile
from ._exports import (
    AXOLOTL,
    DATA,
    DATASET_INFO,
    LLAMA_FACTORY,
    MESSAGES,
    TRL,
    ExportedRun,
    write_exports,
)
from ._protocol import SCHEMA

if TYPE_CHECKING:
    # Loads Optuna, which training has no use for.
    from ..analyses import PlanRequest

PROTOCOL, ROWS = "protocol.yaml", "training-rows.jsonl"
PLAN_FILES = (PROTOCOL, ROWS, TRL, AXOLOTL, LLAMA_FACTORY, DATA, MESSAGES, DATASET_INFO)
"""All that `write_plan_files` may write."""


def write_plan_files(
    document: Plan, request: "PlanRequest", *, folder: Path, model: str, suites: Sequence[str]
) -> Plan:
    """Write what was chosen for `driftline train`, TRL, Axolotl and LLaMA-Factory.

    `protocol.yaml` trains the rows that the plan trained, in `training-rows.jsonl`; the others train
    the same with replay written into them.

    Args:
        document: The plan; where it has no protocol nothing is written.
        request: Model, data and settings.
        folder: Output folder.
        model: As the user named it.
        suites: As the user named them.

    Returns:
        The plan with the names of its files, and what each does not support.
    """
    if document.protocol is None:
        return document
    rows = hold_out(request.data, seed=request.seed, opened=request.opened).train
    levers = Levers.from_values(document.protocol.levers, origin=PROTOCOL)
    digest = digest_bytes(repr(sorted(document.protocol.config.items())).encode())
    config = TrainingConfig(PROTOCOL, document.protocol.config, digest)
    num_steps = document.protocol.num_steps
    # What takes long comes before the first file: a folder that holds one counts as finished.
    mixed = with_replay(request.opened, config, rows, levers=levers, num_steps=num_steps)
    values: dict[str, JsonValue] = {
        "schema": SCHEMA,
        "model": _placed(model),
        "data": ROWS,
        "config": document.protocol.config,
        "suites": [_placed(name) for name in suites],
    }
    if document.protocol.levers:
        values["levers"] = document.protocol.levers
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    write_training_data(rows, folder / ROWS)
    (folder / PROTOCOL).write_text(f"# driftline train {PROTOCOL}\n{text}", encoding="utf-8")
    lacks = write_exports(ExportedRun(_placed(model), mixed, config, levers, num_steps), folder)
    files = tuple(
        PlanFile(name=name, digest=digest_file(folder / name), lacks=lacks.get(name, ()))
        for name in PLAN_FILES
        if (folder / name).exists()
    )
    return document.model_copy(update={"files": files})


def _placed(name: str) -> str:
    """Return the full path of a folder or file; any other name as it is."""
    return str(Path(name).resolve()) if Path(name).exists() else name
