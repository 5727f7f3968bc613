"""Claims that checkpoints kept everything or lost something, with one bound on the error of all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from jaxtyping import Float, Int
from numpy import ndarray

from ...stats import holm_adjusted_pvalues, resampled_means
from ...verdicts import KeepVerdict

NUM_DRAWS = 2000


@dataclass(frozen=True)
class CapabilityTests:
    """The tests of one required capability of one checkpoint."""

    pvalue: float | None
    """P-value of "the loss is at least the tolerance"; None where no number of items could show a pass."""
    is_lost_at: Callable[[float], bool]
    """Test "the loss is larger than the tolerance" at a level."""


@dataclass(frozen=True)
class Decision:
    """The claims about one checkpoint."""

    verdict: KeepVerdict
    pvalue: float | None
    """The largest p-value of its required capabilities (intersection-union)."""
    adjusted_pvalue: float | None
    """The p-value corrected by Holm over the checkpoints."""


def decide(
    checkpoints: Sequence[Sequence[CapabilityTests]], alpha: float, *, is_base: Sequence[bool] = ()
) -> tuple[Decision, ...]:
    """Decide which checkpoints kept every required capability and which lost one.

    *Kept*: within a checkpoint the p-value is the largest of its capabilities (intersection-union,
    Berger 1982); over checkpoints Holm's correction (1979). *Lost*: within a checkpoint some
    capability is lost at its share of the level (Bonferroni), over checkpoints by Holm's steps. Each of
    the two families makes any wrong claim with a probability of at most alpha, however the tests
    depend on each other.

    Args:
        alpha: Accepted probability of any wrong claim in a family.
        is_base: Marks checkpoints whose weights are the base's, which need no test and no share.
    """
    known = list(is_base) or [False] * len(checkpoints)
    tested = [index for index, is_known in enumerate(known) if not is_known]
    decisions = [Decision("kept", 0.0, 0.0) for _ in checkpoints]
    if not tested:
        return tuple(decisions)
    pvalues = [_all_kept(checkpoints[index]) for index in tested]
    family = numpy.array([1.0 if pvalue is None else pvalue for pvalue in pvalues])
    lost = _lost([checkpoints[index] for index in tested], alpha)
    adjusted = holm_adjusted_pvalues(family).tolist()
    for index, pvalue, holm, is_lost in zip(tested, pvalues, adjusted, lost, strict=True):
        verdict: KeepVerdict = "kept" if pvalue is not None and holm <= alpha else "inconclusive"
        decisions[index] = Decision(
            "lost" if is_lost else verdict, pvalue, None if pvalue is None else holm
        )
    return tuple(decisions)


def _all_kept(cells: Sequence[CapabilityTests]) -> float | None:
    """Return the p-value of "some required capability lost its tolerance"; None where one has none."""
    pvalues = [cell.pvalue for cell in cells]
    known = [pvalue for pvalue in pvalues if pvalue is not None]
    return max(known) if known and len(known) == len(pvalues) else None


def _lost(checkpoints: Sequence[Sequence[CapabilityTests]], alpha: float) -> list[bool]:
    """Step down over the checkpoints, from the one whose loss is shown at the smallest level."""
    num = len(checkpoints)
    strengths = [_strength(cells, alpha, num) for cells in checkpoints]
    order = sorted(range(num), key=lambda index: -strengths[index])
    result = [False] * num
    for rank, index in enumerate(order):
        if strengths[index] < num - rank:
            break
        result[index] = True
    return result


def _strength(cells: Sequence[CapabilityTests], alpha: float, num_checkpoints: int) -> int:
    """Find the largest r <= the number of checkpoints with a loss at alpha / (capabilities * r), or 0."""
    for divisor in range(num_checkpoints, 0, -1):
        level = alpha / (len(cells) * divisor) if cells else 0.0
        if any(cell.is_lost_at(level) for cell in cells):
            return divisor
    return 0


@dataclass(frozen=True)
class PairedLosses:
    """The losses of one capability in tolerances, or the gains on the target: a row a checkpoint."""

    values: Float[ndarray, "checkpoints items"]
    groups: Int[ndarray, " items"]


@dataclass(frozen=True)
class Chances:
    """Probabilities of one checkpoint, from draws of all checkpoints together."""

    safest: float
    """Share of draws in which its worst loss is the smallest; ties are shared."""
    best: float | None
    """Share of draws in which every loss is within its tolerance and no other such gains more."""
    keeps: float
    """Share of draws in which every loss is within its tolerance."""
    worst_low: float
    """90 % interval of the worst loss, in tolerances."""
    worst_high: float


def chances(
    losses: Sequence[PairedLosses], gains: PairedLosses | None, *, seed: int
) -> tuple[Chances, ...]:
    """Draw worst losses and gains of all checkpoints together, by resampling groups of items.

    Args:
        losses: Of every required capability, at least one.
        gains: On the target; None where no target rows were given.
    """
    generator = numpy.random.default_rng(seed)
    drawn = [_draws(each, generator) for each in losses]
    worst = numpy.max(numpy.stack(drawn), axis=0)
    num = worst.shape[1]
    safest = _shares(worst == worst.min(axis=1, keepdims=True), num)
    keeps = worst <= 1.0
    best: list[float | None] = [None] * num
    if gains is not None:
        gained = numpy.where(keeps, _draws(gains, generator), -numpy.inf)
        # None of them may be best, which is one outcome more.
        is_best = keeps & (gained == gained.max(axis=1, keepdims=True))
        best = _shares(is_best, num + 1).tolist()
    low, high = numpy.quantile(worst, (0.05, 0.95), axis=0).tolist()
    rows = zip(safest.tolist(), best, _shares(keeps, 2, one=False).tolist(), low, high, strict=True)
    return tuple(Chances(*row) for row in rows)


def _draws(
    paired: PairedLosses, generator: numpy.random.Generator
) -> Float[ndarray, "draws checkpoints"]:
    return resampled_means(paired.values, paired.groups, num_draws=NUM_DRAWS, generator=generator)


def _shares(
    happens: ndarray, num_outcomes: int, *, one: bool = True
) -> Float[ndarray, " checkpoints"]:
    """Compute the share of draws in which something happens; a tie of those that exclude others divides it.

    One more draw is supposed, shared by all outcomes, so that none has a probability of exactly 0 or 1.

    Args:
        happens: A row a draw.
        num_outcomes: Outcomes that share the draw that is supposed.
        one: At most one of them can happen.

    Returns:
        Probabilities.
    """
    winners = numpy.maximum(happens.sum(axis=1, keepdims=True), 1) if one else 1
    result: Float[ndarray, " checkpoints"] = (happens / winners).sum(axis=0)
    return (result + 1 / num_outcomes) / (len(happens) + 1)
