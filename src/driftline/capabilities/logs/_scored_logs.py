"""Reads a log of another program as an already-scored capability, by the file's ending."""

from pathlib import Path

from ...errors import SuiteError
from ...provenance import digest_file
from ...results import SourceProvenance
from ._inspect_log import read_inspect_log
from ._lm_eval_log import read_lm_eval_log
from ._scored import ScoredCapability, choose_metric

_READERS = {
    ".jsonl": read_lm_eval_log,
    ".eval": read_inspect_log,
    ".json": read_inspect_log,
}


def read_scored_log(
    path: Path, *, metric: str | None = None, higher_is_better: bool | None = None
) -> ScoredCapability:
    """Read what another program has scored, item by item.

    Args:
        path: A `samples_TASK_*.jsonl` that lm-evaluation-harness wrote with --log_samples, or an
            `.eval` or `.json` log of inspect_ai.
        metric: Metric to select; None for the first, which is the margin where a
            multiple-choice log gives one.
        higher_is_better: The metric's direction; needed where neither its name nor the log tells.

    Returns:
        The capability.

    Raises:
        SuiteError: It is not such a log, or a line or an item of it is not right; the message
            names it.
    """
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise SuiteError(
            f"{path}: is no log that Driftline reads; give samples_TASK_*.jsonl of lm-eval, or an "
            ".eval or .json log of inspect_ai"
        )
    log = reader(path)
    source = SourceProvenance(name=str(path), digest=digest_file(path), num_records=len(log.items))
    return choose_metric(log, source, metric=metric, higher_is_better=higher_is_better)
