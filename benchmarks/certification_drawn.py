"""How often a claim errs where groups, ranges or the base itself are the difficulty.

    python -m benchmarks.certification_drawn --out benchmarks/results/certification_drawn.json

`groups`: sizes that are drawn, with losses that depend on them. `rare`: few items that lose much of a
declared range. `skewed`: shapes within a range. `chance`: a base that guesses. `gains`: the error of
`inferior` for scores without a range. Each `error` is the share of samples with a false claim where the
truth lies on the edge; its standard error is 0.34 points at 5 % in 4 000 samples. What the product
refuses is simulated as well, under the names `error_if_undeclared` and `error_of_t`: the reason for
refusing it. Cells that are in the file stay as they are.
"""

import itertools
import math
from collections.abc import Callable

import numpy
import scipy.stats
from numpy import ndarray

# The public functions also compute limits, which take a hundred times as long.
from driftline.stats import above_chance_evidence, above_chance_pvalue
from driftline.stats.noninferiority import Units, _bounded

from .certification_cells import Cell, Cells, fill_in
from .certification_errors import bootstrap_tails

ALPHAS = (0.01, 0.05, 0.1)
NUM_UNITS = (20, 100, 500, 2000)
NUM_REPEATS = 4000
NUM_RARE_REPEATS = 2000
MARGIN = 0.05
SEED = 20260
SIZES: dict[str, tuple[ndarray, ndarray]] = {
    "equal": (numpy.array([4]), numpy.array([1.0])),
    "uniform": (numpy.arange(1, 9), numpy.full(8, 1 / 8)),
    "geometric": (numpy.arange(1, 21), 0.7 ** numpy.arange(20)),
    "heavy": (numpy.arange(1, 51), numpy.arange(1, 51) ** -2.0),
    "rare_giant": (numpy.array([1, 50]), numpy.array([0.98, 0.02])),
}
EFFECTS = ("alike", "large_lose", "largest_loses")


def group_sample(
    law: str, effect: str, num: int, generator: numpy.random.Generator
) -> tuple[Units, int]:
    """Totals and sizes of groups whose mean change over items is -MARGIN, and the largest size."""
    sizes, weights = SIZES[law]
    weights = weights / weights.sum()
    drawn = generator.choice(sizes, num, p=weights)
    mean = float(sizes @ weights)
    if effect == "alike":  # All items of a group move together, up or down, whatever its size.
        drift = generator.choice([-1.0, 1.0], num, p=[(1 + MARGIN) / 2, (1 - MARGIN) / 2])
        return Units(drift * drawn, drawn), int(sizes[-1])
    if effect == "large_lose":  # The loss of an item grows with its group.
        slope = MARGIN * mean / float(sizes**2 @ weights)
        lost = generator.random(num) < numpy.minimum(slope * drawn, 1.0)
        return Units(-1.0 * lost * drawn, drawn), int(sizes[-1])
    # Only the largest groups lose, as much as brings the mean to the edge; the others gain a little.
    share = float(weights[-1] * sizes[-1]) / mean
    loss = min(1.0, MARGIN / share)
    gain = (loss * share - MARGIN) / (1 - share) if share < 1 else 0.0
    rest = -MARGIN if loss < 1 else (share - MARGIN) / (1 - share)
    drift = numpy.where(drawn == sizes[-1], -loss, gain if loss < 1 else rest)
    return Units(drift * drawn, drawn), int(sizes[-1])


def is_refuted(units: Units, largest: int, least: float, margin: float, alpha: float) -> bool:
    """Whether the product claims that the mean lies above -margin."""
    shares = Units(units.sums / largest, units.sizes / largest)
    bets = _bounded.fixed_bets(shares, margin, least, alpha, 0)
    return _bounded.log_evidence(bets, -margin) >= -math.log(alpha)


def groups() -> Cells:
    """Groups of drawn sizes, with the largest size declared, and as the sample has it."""
    for law, effect, num in itertools.product(SIZES, EFFECTS, NUM_UNITS):
        for alpha in ALPHAS:
            if alpha != 0.05 and (effect == "alike" or num > 100):
                continue

            def cell(
                law: str = law, effect: str = effect, num: int = num, alpha: float = alpha
            ) -> Cell:
                generator = numpy.random.default_rng([SEED, num, len(law), len(effect)])
                repeats = NUM_REPEATS if num < 500 else NUM_RARE_REPEATS // (num // 500)
                hits = {"error": 0, "error_if_undeclared": 0}
                for _ in range(repeats):
                    units, largest = group_sample(law, effect, num, generator)
                    hits["error"] += is_refuted(units, largest, -1.0, MARGIN, alpha)
                    seen = int(units.sizes.max())
                    hits["error_if_undeclared"] += is_refuted(units, seen, -1.0, MARGIN, alpha)
                shares = {name: count / repeats for name, count in hits.items()}
                return {"num_groups": num, "alpha": alpha, "num_repeats": repeats, **shares}

            yield f"groups {law} {effect} n={num} alpha={alpha:g}", cell


def rare_changes(
    share: float, loss: float, margin: float, size: tuple[int, int], seed: list[int]
) -> ndarray:
    """Changes of nll_nats, larger is better, with mean -margin: few items lose much."""
    generator = numpy.random.default_rng(seed)
    body: ndarray = generator.normal(share * loss - margin, 0.1, size).clip(-1, 1)
    rare = generator.random(size) < share
    changes: ndarray = body - loss * rare
    return changes


def rare() -> Cells:
    """0.1 to 5 % of items lose 2 or 10 nats, within a declared range of 12, and by the former test."""
    for share, loss in itertools.product((0.001, 0.01, 0.05), (2.0, 10.0)):
        for num, alpha in itertools.product((20, 50, 200, 1000), ALPHAS):
            if alpha != 0.05 and num != 200:
                continue
            margin = max(0.1, share * loss)

            def cell(
                share: float = share,
                loss: float = loss,
                num: int = num,
                alpha: float = alpha,
                margin: float = margin,
            ) -> Cell:
                repeats = NUM_RARE_REPEATS if num < 1000 else 500
                seed = [SEED, num, round(1e4 * share), round(loss)]
                values = rare_changes(share, loss, margin, (repeats, num), seed)
                hits = sum(
                    is_refuted(Units(row, numpy.ones(num, dtype=int)), 1, -12.0, margin, alpha)
                    for row in values
                )
                found: Cell = {"num_items": num, "alpha": alpha, "margin": margin}
                found |= {"num_repeats": repeats, "error": hits / repeats}
                if num < 1000:
                    found["error_of_t"] = error_of_t(values, margin, alpha)
                return found

            yield f"rare share={share:g} loss={loss:g} n={num} alpha={alpha:g}", cell


def error_of_t(values: ndarray, margin: float, alpha: float) -> float:
    """How often the worse of t and bootstrap-t at four fifths of alpha claims what is not so."""
    num = values.shape[1]
    shifted = values + margin
    t = math.sqrt(num) * shifted.mean(axis=1) / shifted.std(axis=1, ddof=1)
    tails = numpy.maximum(bootstrap_tails(shifted, t), scipy.stats.t.sf(t, num - 1))
    is_refused = 25 * scipy.stats.skew(shifted, axis=1) ** 2 > num
    return float(((tails / 0.8 <= alpha) & ~is_refused).mean())


SHAPES: dict[str, Callable[[numpy.random.Generator, int], ndarray]] = {
    # All with mean 0 and within [-1, 1] after the shift by MARGIN.
    "beta_loss": lambda generator, num: generator.beta(4, 1, num) - 0.8,
    "beta_gain": lambda generator, num: 0.8 - generator.beta(4, 1, num),
    "two_points": lambda generator, num: numpy.where(generator.random(num) < 0.1, -0.9, 0.1),
    "one_in_200": lambda generator, num: numpy.where(
        generator.random(num) < 0.005, -0.93, 0.93 / 199
    ),
    "fair_flips": lambda generator, num: generator.choice([-0.9, 0.9], num),
}


def skewed() -> Cells:
    """Shapes within a declared range."""
    for shape, num, alpha in itertools.product(SHAPES, NUM_UNITS, ALPHAS):
        if alpha != 0.05 and num != 100:
            continue

        def cell(shape: str = shape, num: int = num, alpha: float = alpha) -> Cell:
            generator = numpy.random.default_rng([SEED, num, len(shape)])
            repeats = NUM_REPEATS if num < 500 else NUM_RARE_REPEATS // (num // 500)
            ones = numpy.ones(num, dtype=int)
            hits = sum(
                is_refuted(
                    Units(SHAPES[shape](generator, num) - MARGIN, ones), 1, -1.0, MARGIN, alpha
                )
                for _ in range(repeats)
            )
            return {
                "num_items": num,
                "alpha": alpha,
                "num_repeats": repeats,
                "error": hits / repeats,
            }

        yield f"skewed {shape} n={num} alpha={alpha:g}", cell


def chance() -> Cells:
    """A base that guesses and is taken to have the capability: exact, in groups, and in sequence."""
    for options, num, alpha in itertools.product(("2", "4", "2,4,10"), (20, 100, 1000), ALPHAS):

        def exact(options: str = options, num: int = num, alpha: float = alpha) -> Cell:
            chances = numpy.resize([1 / int(k) for k in options.split(",")], num)
            shares = numpy.array([1.0])
            for each in chances:  # Of every number of right answers, exactly.
                shares = numpy.convolve(shares, [1 - each, each])
            passes = [
                above_chance_pvalue(numpy.arange(num) < right, chances) <= alpha
                for right in range(num + 1)
            ]
            return {"num_items": num, "alpha": alpha, "error": float(shares[passes].sum())}

        yield f"chance exact options={options} n={num} alpha={alpha:g}", exact

    for num, alpha in itertools.product((20, 100, 500), ALPHAS):

        def grouped(num: int = num, alpha: float = alpha) -> Cell:
            generator = numpy.random.default_rng([SEED, num])
            repeats = NUM_REPEATS // 2
            hits = 0
            for _ in range(repeats):  # All items of a group are right together.
                sizes = generator.integers(1, 9, num)
                right = numpy.repeat(generator.random(num) < 0.5, sizes)
                groups = numpy.repeat(numpy.arange(num), sizes)
                pvalue = above_chance_pvalue(
                    right, numpy.full(len(right), 0.5), groups=groups, max_group_size=8, alpha=alpha
                )
                hits += pvalue <= alpha
            return {
                "num_groups": num,
                "alpha": alpha,
                "num_repeats": repeats,
                "error": hits / repeats,
            }

        yield f"chance grouped n={num} alpha={alpha:g}", grouped

        def looked(num: int = num, alpha: float = alpha) -> Cell:
            generator = numpy.random.default_rng([SEED, num, 1])
            chances = numpy.full(num, 0.5)
            hits = sum(
                above_chance_evidence(generator.random(num) < 0.5, chances) >= 1 / alpha
                for _ in range(NUM_REPEATS)
            )
            return {
                "num_items": num,
                "alpha": alpha,
                "num_repeats": NUM_REPEATS,
                "error": hits / NUM_REPEATS,
            }

        yield f"chance sequential n={num} alpha={alpha:g}", looked


def gains() -> Cells:
    """`inferior` without a range where few items gain much: what it is not protected against."""
    for share, num in itertools.product((0.001, 0.01, 0.05), (20, 50, 200)):

        def cell(share: float = share, num: int = num) -> Cell:
            # Turned round, a rare gain is a rare loss.
            margin = 0.1
            seed = [SEED, num, round(1e4 * share), 7]
            values = rare_changes(share, 10.0, margin, (NUM_RARE_REPEATS, num), seed)
            return {
                "num_items": num,
                "alpha": 0.05,
                "num_repeats": NUM_RARE_REPEATS,
                "error": error_of_t(values, margin, 0.05),
            }

        yield f"gains share={share:g} n={num}", cell


if __name__ == "__main__":
    fill_in(
        {"chance": chance, "gains": gains, "rare": rare, "skewed": skewed, "groups": groups},
        __doc__,
    )
