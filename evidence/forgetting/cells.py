"""Predictions for capability x run cells, and how good they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from .first_edition import LossForecast
from .grid import COLLAPSE_NATS
from .table import BenchmarkRun

REAL_LOSS = 0.25
"""Nats; below it there is no worst capability to name."""

Row = tuple[BenchmarkRun, str, LossForecast]
"""A run, a capability, and what was forecast."""


@dataclass(frozen=True)
class Cells:
    """Predictions for capability x run cells, in one order for everyone."""

    runs: tuple[str, ...]
    capabilities: tuple[str, ...]
    tolerances: Float[ndarray, " cells"]
    predicted: Float[ndarray, " cells"]
    low: Float[ndarray, " cells"]
    high: Float[ndarray, " cells"]
    actual: Float[ndarray, " cells"]
    """Not clipped."""

    @property
    def clipped(self) -> Float[ndarray, " cells"]:
        """What came, within the collapse bound."""
        return self.actual.clip(-COLLAPSE_NATS, COLLAPSE_NATS)


def cells_of(rows: Sequence[Row]) -> Cells:
    """Predictions as arrays, sorted by run and capability.

    Args:
        rows: Run, capability and forecast of each cell.

    Returns:
        The cells.
    """
    ordered = sorted(rows, key=lambda row: (row[0].finished.run, row[1]))

    def column(of: Callable[[BenchmarkRun, str, LossForecast], float]) -> Float[ndarray, " cells"]:
        return numpy.array([of(*row) for row in ordered], dtype=float)

    return Cells(
        tuple(run.finished.run for run, _, _ in ordered),
        tuple(capability for _, capability, _ in ordered),
        column(lambda run, capability, _made: run.record["tolerances"][capability]),
        column(lambda _run, _capability, made: made.value),
        column(lambda _run, _capability, made: made.low),
        column(lambda _run, _capability, made: made.high),
        column(lambda run, capability, _made: run.finished.final_losses[capability]),
    )


def figures(cells: Cells) -> dict[str, Any]:
    """How good predictions are.

    Args:
        cells: Predicted and real.

    Returns:
        R2 and Spearman of the clipped changes, the plain R2, coverage, the share of runs with real
        loss whose worst capability is named first, and the area under the ROC curve of at-risk.
    """
    return {
        "r2": r2(cells.predicted, cells.clipped),
        "r2_plain": r2(cells.predicted, cells.actual),
        "spearman": spearman(cells.predicted, cells.clipped),
        "mae_nats": rounded(numpy.abs(cells.predicted - cells.clipped).mean()),
        "coverage": rounded(inside(cells).mean()),
        "mean_width_nats": rounded((cells.high - cells.low).mean()),
        "decided": rounded(
            ((cells.high <= cells.tolerances) | (cells.low > cells.tolerances)).mean()
        ),
        "worst_named_first": _worst_named(cells),
        "at_risk_auroc": _auroc(cells),
    }


def _worst_named(cells: Cells) -> dict[str, int]:
    named = total = 0
    for run in sorted(set(cells.runs)):
        own = [n for n, name in enumerate(cells.runs) if name == run]
        actual, predicted = cells.clipped[own], cells.predicted[own]
        # Who predicts the same for all names none.
        if actual.max() >= REAL_LOSS and numpy.ptp(predicted) > 0:
            total += 1
            named += int(actual.argmax() == predicted.argmax())
    return {"runs": total, "named": named}


def _auroc(cells: Cells) -> float | None:
    lost = cells.clipped > cells.tolerances
    if lost.all() or not lost.any():
        return None
    ranks = scipy.stats.rankdata(cells.predicted - cells.tolerances)
    positive = int(lost.sum())
    area = (ranks[lost].sum() - positive * (positive + 1) / 2) / (positive * (~lost).sum())
    return rounded(area)


def inside(cells: Cells) -> Float[ndarray, " cells"]:
    """1 where the interval holds what came, else 0."""
    inside: Float[ndarray, " cells"] = (
        (cells.low <= cells.clipped) & (cells.clipped <= cells.high)
    ).astype(float)
    return inside


def r2(predicted: Float[ndarray, " cells"], actual: Float[ndarray, " cells"]) -> float:
    """1 - squared error over squared deviation from the mean of what came."""
    spread = ((actual - actual.mean()) ** 2).sum()
    return rounded(1 - ((predicted - actual) ** 2).sum() / spread)


def spearman(predicted: Float[ndarray, " cells"], actual: Float[ndarray, " cells"]) -> float | None:
    """Rank correlation; None where every prediction is the same."""
    if numpy.ptp(predicted) == 0:
        return None
    return rounded(scipy.stats.spearmanr(predicted, actual).statistic)


def rounded(number: float) -> float:
    """To three digits, as results hold numbers."""
    return round(float(number), 3)
