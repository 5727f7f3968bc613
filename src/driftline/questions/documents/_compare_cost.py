"""`dry_run` of a comparison: its cost before any weights are loaded."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ..inputs import ModelChoice
from ._estimate import (
    Estimate,
    Work,
    check_packing_of,
    estimate,
    hollow_of,
    scored_tokens,
    without_adapter,
)

if TYPE_CHECKING:
    from driftline.analyses import PlannedConfig, PlannedWork
    from driftline.capabilities import Capability, Suite
    from driftline.models import HollowModel, TrainingData


_ALL_STAY = "Counted as if no config dropped out early; each one that does saves the second round of its probe."
_ITEMS_OF_FIRST = "Items are as many as the first config's first probe affords, for every config."


@dataclass(frozen=True)
class ConfigsCost:
    """The inputs that decide the cost of a comparison of configs."""

    runs: "tuple[PlannedConfig, ...]"
    suites: "tuple[Suite, ...]"
    num_items: int | None
    seed: int


def estimate_configs(cost: ConfigsCost, choice: "ModelChoice") -> Estimate:
    """Estimate the cost of a comparison of configs, every round of it.

    Args:
        cost: What is compared.
    """
    from driftline.analyses import COMPARE_ROUNDS, SHORT_COMPARE_ROUNDS

    hollow = hollow_of(choice)
    for run in cost.runs:
        check_packing_of(hollow, choice, run.config)
    try:
        rounds = _rounds(cost, hollow, COMPARE_ROUNDS)
    except ConfigError:
        # The learning rate is 0 in its first tenth; any other fault comes up again.
        rounds = _rounds(cost, hollow, SHORT_COMPARE_ROUNDS)
    last = rounds[-1]
    # A later round scores what an earlier one did not, and the base is scored once for all.
    shared = last[0].tokens_base * (len(last) - 1)
    work = Work(
        sum(each.tokens_forward for each in last) - shared,
        sum(each.tokens_trained for works in rounds for each in works),
        sum(each.num_steps_trained for works in rounds for each in works),
        sum(each.num_steps for each in last),
        sum(each.num_kept for works in rounds for each in works),
        config=next(
            (run.config for run in cost.runs if not run.config.uses_peft), cost.runs[0].config
        ),
    )
    result = estimate("compare", choice, hollow, work)
    own = (_ALL_STAY,) if len(rounds) > 1 else ()
    own = own if cost.num_items is not None else (*own, _ITEMS_OF_FIRST)
    return result.model_copy(update={"caveats": (*own, *result.caveats)})


def _rounds(
    cost: ConfigsCost, hollow: "HollowModel", probes: "tuple[str, ...]"
) -> "list[list[PlannedWork]]":
    """Count the work of each config in each round, with the items that the first one affords."""
    from driftline.analyses import AssessmentRequest, Effort, planned_work
    from driftline.engine import RunFolder

    num_items, rounds = cost.num_items, []
    for probe in probes:
        works = []
        for run in cost.runs:
            request = AssessmentRequest(
                "forecast",
                hollow.opened,
                run.data,
                without_adapter(run.config),
                cost.suites,
                seed=cost.seed,
                effort=Effort(num_probe_items=num_items),
                probe=probe,  # type: ignore[arg-type]
                evaluation=run.evaluation,
            )
            with tempfile.TemporaryDirectory(prefix="driftline-estimate-") as kept:
                result = planned_work(request, RunFolder(Path(kept)))
            num_items = num_items or result.num_items
            works.append(result)
        rounds.append(works)
    return rounds


def estimate_checkpoints(
    capabilities: "tuple[Capability, ...]",
    rows: "TrainingData | None",
    num_checkpoints: int,
    choice: "ModelChoice",
    *,
    seed: int,
) -> Estimate:
    """Estimate the cost of a comparison of checkpoints: all of them and the base on the same items.

    Args:
        capabilities: With the items that are scored.
        rows: Held-out rows of the target task, if any.
        num_checkpoints: Without the base.
        seed: Of the sample of rows.
    """
    from driftline.analyses import NUM_TARGET_ROWS, target_capability

    hollow = hollow_of(choice)
    scored = list(capabilities)
    if rows is not None:
        scored.append(
            target_capability(rows, seed=seed, opened=hollow.opened, num_items=NUM_TARGET_ROWS)
        )
    work = Work((1 + num_checkpoints) * scored_tokens(hollow, scored), copies=2)
    return estimate("compare", choice, hollow, work)
