"""Error and power of the exact test, and of the claims about a suite, by counting outcomes one by one."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator

import numpy
import scipy.special
import scipy.stats
from numpy import ndarray

# The public function judges one outcome; which of all outcomes pass needs what lies beneath it.
from driftline.stats.noninferiority import _flips

from .certification_cells import ALPHA, DISCORDANCES, MARGINS, NUM_ITEMS, Cell, Cells

NUM_CAPABILITIES = 8
SUITE_SIZE = 4
Pvalue = Callable[[int, int], float]


def passing_flips(pvalue: Pvalue, level: float, num_items: int, change: float) -> ndarray:
    """Of each number of flips, the most lost that pass; the test is monotone in them."""
    flips = _flips.likely_flips(num_items, 0.0, DISCORDANCES[-1])
    z = float(scipy.special.ndtri(1 - level))
    most = _flips.most_lost_at(flips, num_items, change=change, z=z)
    for index, flip in enumerate(flips.tolist()):
        lost = int(most[index])
        if not is_likely(flip, num_items):
            continue  # Counted by the asymptotic test; together they have a probability of 1e-5.
        while lost >= 0 and pvalue(lost, flip - lost) > level:
            lost -= 1
        while lost < flip and pvalue(lost + 1, flip - lost - 1) <= level:
            lost += 1
        most[index] = lost
    return most


def is_likely(flip: int, num_items: int) -> bool:
    """Whether so many flips are within reach of one of the discordances."""
    return any(
        abs(flip - num_items * share) <= 4.5 * math.sqrt(num_items * share * (1 - share)) + 4
        for share in DISCORDANCES
    )


def pvalue_of(num_items: int, margin: float) -> Pvalue:
    """What Holm's correction gets; kept, since levels meet the same outcomes."""

    @functools.cache
    def pvalue(lost: int, gained: int) -> float:
        evidence = _flips.evidence_at(lost, gained, num_items, -margin)
        return _flips.evidence_pvalue(evidence, -margin)

    return pvalue


def limit_of(num_items: int, change: float) -> Pvalue:
    """At most alpha where the lower limit lies above a change."""

    @functools.cache
    def pvalue(lost: int, gained: int) -> float:
        evidence = _flips.evidence_of(lost, gained, num_items, 1 - ALPHA)
        return _flips.evidence_pvalue(evidence, change)

    return pvalue


def probability(most: ndarray, num_items: int, discordance: float, change: float) -> float:
    """Of passing, by enumeration."""
    flips = _flips.likely_flips(num_items, 0.0, DISCORDANCES[-1])
    tails = scipy.stats.binom.cdf(most, flips, (1 - change / discordance) / 2)
    return float((scipy.stats.binom.pmf(flips, num_items, discordance) * tails).sum())


def flips() -> Cells:
    """Exact error of the test, both limits and Holm's family, for every discordance."""
    for num_items, margin in itertools.product(NUM_ITEMS, MARGINS):

        def cell(num_items: int = num_items, margin: float = margin) -> Cell:
            pvalue, low = pvalue_of(num_items, margin), limit_of(num_items, -margin)
            # "Inferior" is the lower limit with losses and gains changed over.
            high = limit_of(num_items, margin)
            passing = {
                "pvalue": passing_flips(pvalue, ALPHA, num_items, -margin),
                "low": passing_flips(low, ALPHA, num_items, -margin),
                "high": passing_flips(high, ALPHA, num_items, margin),
                "holm": passing_flips(pvalue, ALPHA / NUM_CAPABILITIES, num_items, -margin),
            }
            found: Cell = {"num_items": num_items, "margin": margin}
            for name, discordance in itertools.product(passing, DISCORDANCES):
                if discordance < margin:
                    continue
                change = margin if name == "high" else -margin
                error = probability(passing[name], num_items, discordance, change)
                if name == "holm":
                    error = 1 - (1 - error) ** NUM_CAPABILITIES
                found[f"{name}_error_at_{discordance:g}"] = round(error, 6)
                if name == "pvalue":
                    power = probability(passing[name], num_items, discordance, 0.0)
                    found[f"power_at_{discordance:g}"] = round(power, 4)
            return found

        yield f"flips n={num_items} margin={margin:g}", cell


def steps_passed(num_items: int, margin: float) -> list[ndarray]:
    """What passes at alpha, alpha / 2 and so on; nothing where p-value and limit differ."""
    pvalue, low = pvalue_of(num_items, margin), limit_of(num_items, -margin)
    least = passing_flips(low, ALPHA, num_items, -margin)
    return [
        numpy.minimum(least, passing_flips(pvalue, ALPHA / step, num_items, -margin))
        for step in range(1, SUITE_SIZE + 1)
    ]


def step_chances(
    passing: list[ndarray], num_items: int, discordance: float, change: float
) -> ndarray:
    """How likely one capability passes just 0, 1, ... of Holm's steps."""
    at_least = [1.0] + [probability(most, num_items, discordance, change) for most in passing]
    return -numpy.diff([*at_least, 0.0])


def claimed(steps: tuple[int, ...]) -> Iterator[int]:
    """The capabilities that Holm's steps claim, from how many steps each one passes alone."""
    for place, index in enumerate(sorted(range(len(steps)), key=lambda i: -steps[i])):
        if steps[index] < len(steps) - place:
            return
        yield index


def suites() -> Cells:
    """Exact error of "all are retained" and, by Holm, of "each is"; independent capabilities."""
    for num_items, margin in itertools.product(NUM_ITEMS, MARGINS):

        def cell(num_items: int = num_items, margin: float = margin) -> Cell:
            found: Cell = {"num_items": num_items, "margin": margin, "size": SUITE_SIZE}
            passing = steps_passed(num_items, margin)
            for discordance in (d for d in DISCORDANCES if d >= margin):
                chances = [
                    step_chances(passing, num_items, discordance, change)
                    for change in (0.0, -margin)
                ]
                kept, lost = (1 - float(chance[0]) for chance in chances)
                found[f"power_at_{discordance:g}"] = round(kept**SUITE_SIZE, 4)
                for num_lost in (1, 2, SUITE_SIZE):
                    where = f"{num_lost}_lost_at_{discordance:g}"
                    all_pass = lost**num_lost * kept ** (SUITE_SIZE - num_lost)
                    found[f"error_of_all_{where}"] = round(all_pass, 6)
                    found[f"error_of_each_{where}"] = round(holm_error(chances, num_lost), 6)
            return found

        yield f"suite n={num_items} margin={margin:g}", cell


def holm_error(chances: list[ndarray], num_lost: int) -> float:
    """How likely one of the first capabilities, which are lost, is claimed by itself."""
    kept, lost = chances
    error = 0.0
    for steps in itertools.product(range(SUITE_SIZE + 1), repeat=SUITE_SIZE):
        if any(index < num_lost for index in claimed(steps)):
            error += math.prod(
                (lost if index < num_lost else kept)[step] for index, step in enumerate(steps)
            )
    return float(error)
