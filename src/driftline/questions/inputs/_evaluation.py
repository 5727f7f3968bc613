"""The rows of a task that a run is evaluated on, and not trained on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ._inputs import DataInput, read_rows

if TYPE_CHECKING:
    from driftline.models import TrainingConfig, TrainingData


def read_evaluation(
    source: DataInput,
    config: "TrainingConfig",
    data: "TrainingData",
    columns: str | Mapping[str, str] | None,
) -> "TrainingData | None":
    """Read the rows that a run is evaluated on and not trained on.

    Args:
        source: What is given; None leaves it to the config.
        config: Names a split of the data where it evaluates.
        columns: How columns are to be called.

    Returns:
        The rows; None where nobody names any.
    """
    if source is not None:
        return read_rows(source, config.without_source(), columns)[0]
    if not config.evaluates:
        return None
    return data.split(str(config.values.get("dataset_test_split") or "test"))
