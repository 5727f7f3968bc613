"""Tables about one model: its scores, and the provenance of a document about it."""

from collections.abc import Sequence
from dataclasses import replace

from ...results import CapabilityScore, Provenance
from ...results.readings import DASH, percent
from ..tables import ReportTable, scores_table
from ._provenance import provenance_table


def explained_scores(scores: Sequence[CapabilityScore]) -> ReportTable:
    """Tabulate a model's own scores, with notes about intervals and missing numbers."""
    levels = " and ".join(sorted({percent(s.confidence_level) for s in scores}))
    notes = (
        [f"Intervals at {levels} confidence, over groups of items of this kind."] if scores else []
    )
    if any(s.accuracy is None or s.chance is None for s in scores):
        notes.append(f"{DASH} The capability's scorer has no accuracy, or no chance level.")
    return replace(scores_table(scores), notes=tuple(notes))


def model_provenance(p: Provenance, schema: str) -> ReportTable:
    """Tabulate the provenance of a document about one model: model, inputs, versions."""
    model = f"{p.model.source} ({p.model.architecture}, {p.model.num_parameters:,} parameters, "
    rows = [
        ("model", model + f"{p.model.dtype}, revision {p.model.revision or 'not named'})"),
        ("model digest", p.model.digest),
    ]
    named = [("data", p.data), ("config", p.config), *(("suite", suite) for suite in p.suites)]
    for kind, source in named:
        if source is not None:
            records = "" if source.num_records is None else f" ({source.num_records:,} records)"
            rows += [(kind, source.name + records), (f"{kind} digest", source.digest)]
    n = p.numerics
    rows += [
        ("command", p.command),
        ("seed", str(p.seed)),
        (
            "numerics",
            f"{n.compute_dtype} on {n.device}, {n.num_threads} threads, torch {n.torch_version}",
        ),
    ]
    return provenance_table(rows, p, schema)
