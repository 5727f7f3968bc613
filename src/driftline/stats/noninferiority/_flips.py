"""Non-inferiority of a paired share, exactly: its error is at most what it says for any count."""

import math
from typing import NamedTuple

import numpy
import scipy.optimize
import scipy.special
from jaxtyping import Float, Int
from numpy import ndarray

from ._noninferiority import NoninferiorityTest, check_level, check_margin, judged_test
from ._tango import check_counts, tango_low, tango_statistic

GAMMA = 1e-5
"""The error that is spent on shutting out discordances that the data rule out."""
_TIE = 1e-9
"""Scores closer than this are one place in the order, on the safe side."""
_NUM_DISCORDANCES = 64
_NUM_ZOOMED = 17
_LIMIT_ERROR = 1e-10
_SMALLEST = 1e-300


class FlipEvidence(NamedTuple):
    """The outcomes at least as good as one outcome, and the discordances that it leaves possible."""

    discordances: Float[ndarray, " discordances"]
    """Ascending, over a Clopper-Pearson interval at level 1 - GAMMA."""
    num_flips: Int[ndarray, " flips"]
    """Ascending and without a gap."""
    most_lost: Int[ndarray, " flips"]
    """An outcome with so many flips is at least as good where at most these are lost; -1: never."""
    num_items: int


def flip_noninferiority(
    lost: int, gained: int, num_items: int, *, margin: float, confidence_level: float = 0.95
) -> NoninferiorityTest:
    """Test whether accuracy, or any paired share, stays within a margin; exact, unconditional.

    An outcome is (lost, gained), and a p-value of change <= d is the largest probability of an
    outcome at least as good as the one seen, over all models in which the true change is at most d
    and the share of items that flip lies in its Clopper-Pearson interval, plus the error of that
    interval (Berger and Boos 1994). Given the number of flips the lost ones are binomial, and at
    least as good means at most so many lost, so the largest probability is at change = d, and one
    parameter is left to be searched.

    What is better: for the p-value, a larger score statistic at -margin; for a limit, a larger limit
    of Tango's at the same level, an order that does not depend on d, so that the limit is the best
    possible for it (Buehler 1957; Lloyd and Moldovan 2007, Statistics in Medicine 26, 3369-3381).
    The two can differ by a count at the edge; then neither claims anything.

    No flip at all leaves an interval as wide as it must be: a tenth of all items may have been
    damaged where 28 show no flip.

    >>> test = flip_noninferiority(0, 0, 10, margin=0.015)
    >>> test.verdict, round(test.low, 3), round(test.high, 3)
    ('inconclusive', -0.259, 0.259)

    Limits: items must be drawn independently; where some share a source take `bounded_noninferiority`
    with groups and bounds (-1, 1). A p-value cannot be smaller than 1e-5.

    Cost: 0.05 s for 2 000 items, 0.2 s for 10 000.

    Args:
        lost: Items that the base gets right and the tuned model wrong.
        gained: Items the other way round.
        num_items: All items.
        margin: Positive, as a share.
        confidence_level: Confidence level of each limit, one-sided: 1 - alpha.

    Returns:
        The change as a share, its limits, and the verdict.

    Raises:
        ConfigError: The margin is not in (0, 1), or the level not in [0.5, 1).
        RunError: The counts are not those of any set of items.
    """
    check_margin(margin, 1.0)
    check_level(confidence_level)
    check_counts(lost, gained, num_items)
    alpha = 1 - confidence_level
    low = _highest_refused(evidence_of(lost, gained, num_items, confidence_level), alpha)
    # Turned round, losses are gains and the upper limit is a lower one.
    high = -_highest_refused(evidence_of(gained, lost, num_items, confidence_level), alpha)
    pvalue = evidence_pvalue(evidence_at(lost, gained, num_items, -margin), -margin)
    if pvalue > alpha:
        low = min(low, math.nextafter(-margin, -1))
    elif low < -margin:
        pvalue = math.nextafter(alpha, 1)
    change = (gained - lost) / num_items
    return judged_test(change, (low, high), margin, confidence_level, pvalue)


def evidence_of(lost: int, gained: int, num_items: int, confidence_level: float) -> FlipEvidence:
    """Return the outcomes whose Tango limit is at least as high as that of this outcome."""
    z = float(scipy.special.ndtri(confidence_level))
    limit = tango_low(
        numpy.array(lost),
        numpy.array(gained),
        num_items=num_items,
        confidence_level=confidence_level,
    )
    return _evidence(lost, gained, num_items, change=float(limit), z=z)


def evidence_at(lost: int, gained: int, num_items: int, change: float) -> FlipEvidence:
    """Return the outcomes whose score statistic at `change` is at least as large."""
    z = tango_statistic(numpy.array(lost), numpy.array(gained), num_items=num_items, change=change)
    return _evidence(lost, gained, num_items, change=change, z=float(z))


def _evidence(lost: int, gained: int, num_items: int, *, change: float, z: float) -> FlipEvidence:
    """Return the outcomes near one outcome whose score statistic at `change` is at least `z`."""
    flips = lost + gained
    least = (
        float(scipy.special.betaincinv(flips, num_items - flips + 1, GAMMA / 2)) if flips else 0.0
    )
    most = 1.0
    if flips < num_items:
        most = float(scipy.special.betaincinv(flips + 1, num_items - flips, 1 - GAMMA / 2))
    num_flips = likely_flips(num_items, least, most)
    most_lost = most_lost_at(num_flips, num_items, change=change, z=z)
    most_lost[num_flips == flips] = numpy.maximum(most_lost[num_flips == flips], lost)
    discordances = numpy.linspace(least, most, _NUM_DISCORDANCES)
    return FlipEvidence(discordances, num_flips, most_lost, num_items)


def evidence_pvalue(evidence: FlipEvidence, change: float) -> float:
    """Return the p-value of the null hypothesis that the true change is at most `change`."""
    grid = evidence.discordances
    # The net change cannot exceed the share of items that flip.
    smallest = max(abs(change), grid[0])
    if smallest > grid[-1]:
        return GAMMA if change < 0 else 1.0
    grid = numpy.concatenate([[smallest], grid[grid > smallest]])
    result = outcome_probabilities(evidence, grid, change)
    top = int(result.argmax())
    zoomed = numpy.linspace(grid[max(top - 1, 0)], grid[min(top + 1, len(grid) - 1)], _NUM_ZOOMED)
    top_found = max(result[top], outcome_probabilities(evidence, zoomed, change).max())
    return min(1.0, float(top_found) + GAMMA)


def outcome_probabilities(
    evidence: FlipEvidence, discordances: Float[ndarray, " points"], change: float
) -> Float[ndarray, " points"]:
    """Return P(an outcome at least as good) for a true change and each discordance.

    Numbers of flips that are left out count as at least as good, on the safe side.

    Args:
        discordances: Shares of items that flip, at least |change|.
    """
    weights = _binomial(evidence.num_flips, evidence.num_items, discordances)
    lost_share = (1 - change / numpy.maximum(discordances, _SMALLEST)) / 2
    tails = _lost_tails(evidence, numpy.clip(lost_share, 0.0, 1.0))
    left_out = numpy.maximum(1 - weights.sum(axis=1), 0.0)
    result: Float[ndarray, " points"] = (weights * tails).sum(axis=1) + left_out
    return result


def _lost_tails(
    evidence: FlipEvidence, lost_share: Float[ndarray, " points"]
) -> Float[ndarray, "points flips"]:
    """Return the binomial probability that at most `most_lost` of each number of flips are lost."""
    # A tail costs much more than a point, so each is made from the one before:
    # P(m of f + 1) = P(m of f) - share * p(m of f) and P(m + 1 of f) = P(m of f) + p(m + 1 of f).
    flips, most = evidence.num_flips, evidence.most_lost
    first = numpy.zeros(len(lost_share))
    if most[0] >= 0:
        first = scipy.special.bdtr(float(most[0]), int(flips[0]), lost_share)
    steps = -lost_share[:, None] * _binomial(most[:-1], flips[:-1], lost_share)
    rise = numpy.diff(most)
    for index in range(int(numpy.abs(rise).max(initial=0))):
        count = numpy.where(rise > 0, most[:-1] + 1 + index, most[:-1] - index)
        sign = numpy.where(numpy.abs(rise) > index, numpy.sign(rise), 0)
        steps += sign * _binomial(count, flips[1:], lost_share)
    tails = numpy.concatenate([first[:, None], steps], axis=1).cumsum(axis=1)
    result: Float[ndarray, "points flips"] = numpy.clip(tails, 0.0, 1.0)
    return result


def most_lost_at(
    num_flips: Int[ndarray, " flips"], num_items: int, *, change: float, z: float
) -> Int[ndarray, " flips"]:
    """Return the most items lost, of each number of flips, with a score statistic of at least `z`.

    Args:
        num_items: All items.
        change: The hypothesis of the score statistic.
        z: Its bound; what lies closer than rounding counts as reached.

    Returns:
        Counts; -1 where none will do.
    """
    low, high = numpy.full(num_flips.shape, -1), num_flips.copy()
    while (low < high).any():
        middle = (low + high + 1) // 2
        scores = tango_statistic(middle, num_flips - middle, num_items=num_items, change=change)
        low = numpy.where(scores >= z - _TIE, middle, low)
        high = numpy.where(scores >= z - _TIE, high, middle - 1)
    return low


def likely_flips(num_items: int, least: float, most: float) -> Int[ndarray, " flips"]:
    """Return numbers of flips outside of which no discordance within the range has any probability.

    Args:
        num_items: All items.
        least: The smallest discordance.
        most: The largest one.

    Returns:
        Ascending and without a gap.
    """
    reach = [7 * (num_items * share * (1 - share)) ** 0.5 + 20 for share in (least, most)]
    first = max(0, int(num_items * least - reach[0]))
    return numpy.arange(first, min(num_items, int(num_items * most + reach[1])) + 1)


def _highest_refused(evidence: FlipEvidence, alpha: float) -> float:
    """Return the highest change whose null hypothesis is rejected; -1 if none is."""

    def excess(change: float) -> float:
        return evidence_pvalue(evidence, change) - alpha

    if excess(-1.0) > 0:
        return -1.0
    root = float(scipy.optimize.brentq(excess, -1.0, 1.0, xtol=_LIMIT_ERROR))
    # On the safe side of the root.
    return max(-1.0, root - 2 * _LIMIT_ERROR)


def _binomial(
    count: Int[ndarray, " flips"],
    num: Int[ndarray, " flips"] | int,
    share: Float[ndarray, " points"],
) -> Float[ndarray, "points flips"]:
    """Return the binomial probability of each count; 0 where it is none of 0 to `num`."""
    is_possible = (count >= 0) & (count <= num)
    count = numpy.clip(count, 0, num)
    log_ways = -scipy.special.betaln(count + 1, num - count + 1) - numpy.log(num + 1)
    logs = numpy.log(numpy.maximum([share, 1 - share], _SMALLEST))
    powers = logs.T @ numpy.array([count, num - count], dtype=float)
    result: Float[ndarray, "points flips"] = numpy.exp(log_ways + powers) * is_possible
    return result
