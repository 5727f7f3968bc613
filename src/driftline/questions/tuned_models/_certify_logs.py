"""`certify` with `scored`: the logs of lm-eval or inspect_ai in place of models."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SuiteError
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.capabilities import ScoredCapability
    from driftline.engine import RunFolder
    from driftline.results import Certification, CertificationPolicy


@dataclass(frozen=True)
class LogOptions:
    """The options of a comparison of two logs."""

    metric: str | None
    margin: float | None
    higher_is_better: bool | None
    score_range: tuple[float, float] | None
    alpha: float
    policy: "CertificationPolicy | None"
    seed: int


def certify_logs(
    logs: tuple[object, object],
    options: LogOptions,
    *,
    out: object,
    force: bool,
    write: "Callable[[Certification, RunFolder], None]",
    outputs: tuple[str, ...],
) -> Answer:
    """Compare two logs and write the document.

    Args:
        logs: The base's and the tuned model's.
        options: Metric, margin and level.
        out: Run folder; None leaves no file.
        force: Replace an earlier run in `out`.
        write: Writes the outputs.
    """
    from driftline.analyses import ScoredRequest, certify_scored

    inputs.finite("--margin", options.margin)
    base = _read(logs[0], "base", options, options.metric)
    # Both in the metric of the base: another default would be another question.
    tuned = _read(logs[1], "tuned", options, base.metric)
    document = certify_scored(
        ScoredRequest(
            base,
            tuned,
            options.margin,
            options.score_range,
            options.alpha,
            options.seed,
            options.policy,
        )
    )
    identity: JsonValue = {
        "part": "certify",
        "base": base.source.digest,
        "tuned": tuned.source.digest,
        "metric": base.metric,
        "margin": options.margin,
        "range": None if options.score_range is None else [*options.score_range],
        "policy": None if options.policy is None else options.policy.digest,
        "alpha": options.alpha,
        "seed": options.seed,
    }
    with inputs.run_folder(
        out,
        identity,
        outputs=outputs,
        force=force,
        command="certify",
        model=tuned.source.name,
        reads=logs,
    ) as folder:
        write(document, folder)
    return Answer(document, None if out is None else folder.path)


def _read(log: object, role: str, options: LogOptions, metric: str | None) -> "ScoredCapability":
    from driftline.capabilities import read_scored_log

    path = inputs.path_of(log, f"the log of the {role}")
    if path is None:
        raise SuiteError(f"the log of the {role} is missing; give a file")
    return read_scored_log(Path(path), metric=metric, higher_is_better=options.higher_is_better)
