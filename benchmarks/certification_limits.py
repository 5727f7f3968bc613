"""How good a test could be at best, and how often the claim about a whole suite errs.

    python -m benchmarks.certification_limits --out benchmarks/results/certification_limits.json

`bound`: no test of the margin at this level can have more power, by Neyman and Pearson against each single
discordance of the null hypothesis, randomised, so that counting in whole items costs it nothing. `suite`:
capabilities drawn at random, tested by the public functions, and claimed as `certify` claims them; it
checks what `certification_flips` counts.
"""

import functools

import numpy
from numpy import ndarray
from scipy.special import gammaln, xlogy

from driftline.stats import (
    NoninferiorityTest,
    flip_noninferiority,
    holm_adjusted_pvalues,
    noninferiority_power,
    suite_pvalue,
)

from .certification_cells import ALPHA, NUM_REPEATS, Cell, Cells, fill_in

DISCORDANCE = 0.1
NUM_CAPABILITIES = 4


def log_probability(num_items: int, lost: ndarray, gained: ndarray, shares: ndarray) -> ndarray:
    """Of each outcome, where shares of items are lost and gained."""
    rest = num_items - lost - gained
    ways = gammaln(num_items + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(rest + 1)
    flips = xlogy(lost, shares[0]) + xlogy(gained, shares[1])
    found: ndarray = ways + flips + xlogy(rest, 1 - shares.sum())
    return found


def largest_power(num_items: int, margin: float) -> float:
    """Above which no test of level alpha gets at no change; the least over discordances."""
    most = min(num_items, int(num_items * DISCORDANCE + 9 * (num_items * DISCORDANCE) ** 0.5 + 20))
    lost, gained = numpy.meshgrid(numpy.arange(most + 1), numpy.arange(most + 1), indexing="ij")
    kept = lost + gained <= most
    lost, gained = lost[kept], gained[kept]
    half = numpy.array([DISCORDANCE, DISCORDANCE]) / 2
    unchanged = log_probability(num_items, lost, gained, half)
    least = 1.0
    for discordance in numpy.linspace(margin, 0.25, 201):
        edge = numpy.array([discordance + margin, max(discordance - margin, 0.0)]) / 2
        at_edge = log_probability(num_items, lost, gained, edge)
        order = numpy.argsort(at_edge - unchanged)
        errors = numpy.exp(at_edge[order]).cumsum()
        power = numpy.exp(unchanged[order])
        whole = int(numpy.searchsorted(errors, ALPHA, side="right"))
        found = float(power[:whole].sum())
        if whole < len(order):
            left = ALPHA - (errors[whole - 1] if whole else 0.0)
            found += float(left / numpy.exp(at_edge[order[whole]]) * power[whole])
        least = min(least, found)
    return least


def bound() -> Cells:
    """The exact test beside the best that any test of its level could do."""
    for margin, num in ((0.05, 248), (0.05, 270), (0.03, 687), (0.02, 1546)):

        def cell(margin: float = margin, num: int = num) -> Cell:
            return {
                "margin": margin,
                "discordance": DISCORDANCE,
                "num_items": num,
                "power": noninferiority_power(num, margin=margin, discordance=DISCORDANCE),
                "power_of_no_test_is_above": largest_power(num, margin),
            }

        yield f"bound margin={margin:g} n={num}", cell

    def fewest() -> Cell:
        num = next(n for n in range(240, 300) if largest_power(n, 0.05) >= 0.8)
        return {"margin": 0.05, "discordance": DISCORDANCE, "no_test_has_80_percent_below": num}

    yield "bound fewest items margin=0.05", fewest


@functools.cache
def tested(lost: int, gained: int, num_items: int, margin: float) -> NoninferiorityTest:
    """The exact test; the same counts come up again and again."""
    return flip_noninferiority(lost, gained, num_items, margin=margin, confidence_level=1 - ALPHA)


def suite() -> Cells:
    """Error of "all are retained" and of "each is retained", with some capabilities on the edge."""
    for num_items, margin in ((100, 0.1), (300, 0.05)):
        for num_lost in (1, 2, NUM_CAPABILITIES):

            def cell(
                num_items: int = num_items, margin: float = margin, num_lost: int = num_lost
            ) -> Cell:
                generator = numpy.random.default_rng([num_items, num_lost])
                errors_of_all = errors_of_each = 0
                change = numpy.where(numpy.arange(NUM_CAPABILITIES) < num_lost, -margin, 0.0)
                lost, gained = (DISCORDANCE - change) / 2, (DISCORDANCE + change) / 2
                shares = numpy.stack([lost, gained, 1 - lost - gained], axis=1)
                for _ in range(NUM_REPEATS):
                    counts = generator.multinomial(num_items, shares)
                    tests = [tested(int(a), int(b), num_items, margin) for a, b, _ in counts]
                    pvalues = numpy.array([test.pvalue for test in tests])
                    are_kept = all(test.verdict == "non_inferior" for test in tests)
                    assert not are_kept or suite_pvalue(pvalues) <= ALPHA
                    errors_of_all += are_kept
                    adjusted = holm_adjusted_pvalues(pvalues)[:num_lost]
                    is_claimed = [test.verdict == "non_inferior" for test in tests[:num_lost]]
                    errors_of_each += bool(((adjusted <= ALPHA) & is_claimed).any())
                return {
                    "num_items": num_items,
                    "margin": margin,
                    "discordance": DISCORDANCE,
                    "num_capabilities": NUM_CAPABILITIES,
                    "num_lost": num_lost,
                    "error_of_all": errors_of_all / NUM_REPEATS,
                    "error_of_each": errors_of_each / NUM_REPEATS,
                }

            yield f"suite n={num_items} margin={margin:g} lost={num_lost}", cell


if __name__ == "__main__":
    fill_in({"bound": bound, "suite": suite}, __doc__)
