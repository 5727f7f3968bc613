"""The documents that a run folder can hold, by schema."""

from typing import get_args

from ...results import (
    Assessment,
    Certification,
    Comparison,
    ConfigComparison,
    Document,
    Plan,
    Repair,
    RunComparison,
    Scores,
    TrainingRun,
    WeightDiff,
)

_CLASSES: tuple[type[Document], ...] = (
    Assessment, Certification, Comparison, ConfigComparison, Plan, Repair, RunComparison, Scores,
    TrainingRun, WeightDiff,
)  # fmt: skip
KINDS: dict[str, type[Document]] = {
    name: each for each in _CLASSES for name in get_args(each.model_fields["schema_"].annotation)
}
