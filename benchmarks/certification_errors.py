"""How often each test of non-inferiority errs where it must not, and how many items it takes.

    python -m benchmarks.certification_errors --part flips --out benchmarks/results/certification_errors.json

Cells that are in the file already are left as they are, so it may be stopped and run again, part by
part: power and flips by exact enumeration, the others by simulation with fixed seeds. Each `error` is
the probability of a false claim with the true change on the edge of the null hypothesis.
"""

import math
from collections.abc import Callable

import numpy
import scipy.special
import scipy.stats
from numpy import ndarray

# The public functions judge one sample; 10 000 at once need what lies beneath them.
from driftline.stats import mean_num_items_needed, noninferiority_power, num_items_needed
from driftline.stats.noninferiority import Units, _bets, _bounded, _sequential, _unbounded

from .certification_cells import (
    ALPHA,
    DISCORDANCES,
    MARGINS,
    NUM_ITEMS,
    NUM_REPEATS,
    Cell,
    Cells,
    fill_in,
)
from .certification_flips import flips, suites

UNBOUNDED = (
    "normal",
    "t3",
    "exponential_loss",
    "lognormal_loss",
    "lognormal_gain",
    "mixed_loss",
)
BOUNDED = ("flips", "skewed", "rare_loss", "unequal_groups")
NUM_AT_ONCE = 128
FLIPPED = tuple(
    (discordance, margin)
    for discordance in DISCORDANCES
    for margin in (MARGINS[0], MARGINS[-1])
    if discordance >= margin
)


def draws(shape: str, generator: numpy.random.Generator, size: tuple[int, int]) -> ndarray:
    """Changes with mean 0, within -1 and 1 where the shape is bounded."""
    if shape == "rare_loss":  # One item in a hundred loses nearly all.
        return numpy.where(generator.random(size) < 0.01, -0.99, 0.01)
    if shape == "skewed":
        return generator.beta(4.0, 1.0, size) - 0.8
    if shape == "flips":
        return generator.choice([-1.0, 0.0, 1.0], size, p=[0.05, 0.9, 0.05])
    if shape == "exponential_loss":
        return 1 - generator.exponential(size=size)
    if shape == "lognormal_loss":
        return math.exp(0.125) - generator.lognormal(0.0, 0.5, size)
    if shape == "lognormal_gain":
        return generator.lognormal(0.0, 0.5, size) - math.exp(0.125)
    if shape == "mixed_loss":  # One item in twenty loses three standard deviations more.
        return generator.normal(size=size) - 3 * (generator.random(size) < 0.05) + 0.15
    return generator.standard_t(3, size) if shape == "t3" else generator.normal(size=size)


def bounded() -> Cells:
    """Error of the fixed-size bets: flips, shapes on which t tests fail, and groups."""
    for num in NUM_ITEMS:
        for shape in BOUNDED:

            def cell(num: int = num, shape: str = shape) -> Cell:
                generator = numpy.random.default_rng([num, len(shape)])

                def sample(repeats: int) -> Units:
                    if shape == "unequal_groups":  # Large groups lose what small ones gain.
                        sizes = generator.choice([1, 5], (repeats, num))
                        drift = numpy.where(sizes == 5, -0.1, 0.5)
                        drift *= generator.integers(0, 2, (repeats, num))
                        return Units((drift - 0.05) * sizes / 5, sizes / 5)
                    values = draws(shape, generator, (repeats, num)) - 0.05
                    return Units(values, numpy.ones(values.shape))

                return {"num_units": num, "shape": shape, **bet_errors(sample, 0.05, -1.05)}

            yield f"bounded {shape} n={num}", cell

        for discordance, margin in FLIPPED:

            def edge(
                num: int = num, discordance: float = discordance, margin: float = margin
            ) -> Cell:
                generator = numpy.random.default_rng([num, round(1e6 * discordance)])
                shares = (discordance + margin) / 2, 1 - discordance, (discordance - margin) / 2

                def sample(repeats: int) -> Units:
                    changes = generator.choice([-1.0, 0.0, 1.0], (repeats, num), p=shares)
                    return Units(changes, numpy.ones(changes.shape))

                errors = bet_errors(sample, margin, -1.0)
                return {"num_units": num, "discordance": discordance, "margin": margin, **errors}

            yield f"bounded d={discordance:g} margin={margin:g} n={num}", edge


def bet_errors(sample: Callable[[int], Units], margin: float, least: float) -> dict[str, float]:
    """How often `bounded_noninferiority` and Student's t claim what is not so; a row a sample."""
    hits = student = 0
    for first in range(0, NUM_REPEATS, NUM_AT_ONCE):
        rows = sample(min(NUM_AT_ONCE, NUM_REPEATS - first))
        num = rows.sums.shape[1]
        evidence = evidence_of_many(rows, margin, least)
        if first == 0:  # The same as the product's own, but for rounding.
            units = Units(rows.sums[0], rows.sizes[0])
            bets = _bounded.fixed_bets(units, margin, least, ALPHA, 0)
            own = _bounded.log_evidence(bets, -margin)
            assert abs(evidence[0] - own) < 1e-3 * (1 + abs(own)), (evidence[0], own)
        hits += int((evidence >= -math.log(ALPHA)).sum())
        pivot = rows.sums + margin * rows.sizes
        spread = pivot.std(axis=1, ddof=1)
        quantile = scipy.special.stdtrit(num - 1, 1 - ALPHA)
        is_claimed = math.sqrt(num) * pivot.mean(axis=1) >= quantile * spread
        student += int((is_claimed | (spread == 0)).sum())
    return {"error": hits / NUM_REPEATS, "error_of_student_t": student / NUM_REPEATS}


def evidence_of_many(rows: Units, margin: float, least: float) -> ndarray:
    """`log_evidence` of `fixed_bets` for many samples at once, in float32."""
    # Unit by unit over all samples and orders, so that what is summed stays in the cache.
    repeats, num = rows.sums.shape
    orders = _bounded.orders_of(num, 0)
    all_changes, all_sizes = (
        numpy.ascontiguousarray(values.T, dtype=numpy.float32) for values in rows
    )
    is_single = bool((rows.sizes == 1).all())
    total, size, square, product, square_size = numpy.zeros(
        (5, len(orders), repeats), dtype=numpy.float32
    )
    final = numpy.zeros((len(orders), repeats))
    imagined = _bets.PRIOR_UNITS * (_bets.PRIOR_SPREAD * margin) ** 2
    largest = _bounded.LARGEST_SHARE / (-margin - least)
    for index in range(num):
        count = index + _bets.PRIOR_UNITS
        changes = all_changes[orders[:, index]]
        if is_single:
            sizes: ndarray | float = 1.0
            spread = square - total**2 * ((count + _bets.PRIOR_UNITS) / count**2)
        else:
            sizes = all_sizes[orders[:, index]]
            mean = total / (size + _bets.PRIOR_UNITS)
            spread = square + mean * (mean * square_size - 2 * product)
            size += sizes
            product += changes * sizes
            square_size += sizes**2
        numpy.maximum(spread, 0, out=spread)
        spread += imagined
        stakes = numpy.sqrt(2 * math.log(1 / ALPHA) * count / num / spread)
        numpy.minimum(stakes, largest, out=stakes)
        stakes *= changes + margin * sizes
        final += numpy.log1p(stakes, out=stakes)
        total += changes
        square += changes**2
    found: ndarray = scipy.special.logsumexp(final, axis=0) - math.log(len(orders))
    return found


def unbounded() -> Cells:
    """Error of `inferior` without bounds, by a sample turned round; refusing counts as no claim."""
    # The worse of t and bootstrap-t is symmetric, so that a shape's losses stand for gains here.
    for num in NUM_ITEMS:
        for shape in UNBOUNDED:

            def cell(num: int = num, shape: str = shape) -> Cell:
                generator = numpy.random.default_rng([num, len(shape)])
                values = draws(shape, generator, (NUM_REPEATS, num))
                t = math.sqrt(num) * values.mean(axis=1) / values.std(axis=1, ddof=1)
                tails = numpy.maximum(bootstrap_tails(values, t), scipy.stats.t.sf(t, num - 1))
                is_claimed = tails / _unbounded.CAUTION <= ALPHA
                is_refused = 25 * scipy.stats.skew(values, axis=1) ** 2 > num
                return {
                    "num_units": num,
                    "shape": shape,
                    "error": float((is_claimed & ~is_refused).mean()),
                    "error_without_caution": float(((tails <= ALPHA) & ~is_refused).mean()),
                    "refused": float(is_refused.mean()),
                    "error_of_student_t": float(
                        (t >= scipy.stats.t.ppf(1 - ALPHA, num - 1)).mean()
                    ),
                }

            yield f"unbounded {shape} n={num}", cell


def bootstrap_tails(values: ndarray, t: ndarray) -> ndarray:
    """Of each sample, how often a resample's own t statistic is as large."""
    num, resamples = values.shape[1], _unbounded.NUM_RESAMPLES
    centred = values - values.mean(axis=1)[:, None]
    squares = centred**2
    counts = numpy.random.default_rng(0).multinomial(num, numpy.full(num, 1 / num), size=resamples)
    above = numpy.zeros(len(values))
    for rows in numpy.array_split(counts.astype(float), resamples // 50):
        mean = centred @ rows.T / num
        variance = (squares @ rows.T / num - mean**2) / (num - 1)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            pivot = mean / numpy.sqrt(numpy.maximum(variance, 0))
        above += (numpy.nan_to_num(pivot) >= t[:, None]).sum(axis=1)
    return (1 + above) / (1 + resamples)


def sequential() -> Cells:
    """Error under looking after every item."""
    for discordance in DISCORDANCES:
        for margin in MARGINS:
            if discordance < margin:
                continue

            def cell(discordance: float = discordance, margin: float = margin) -> Cell:
                found: Cell = {"discordance": discordance, "margin": margin}
                for claim, sign in (("non_inferior", 1), ("inferior", -1)):
                    tops = running_tops(discordance, -margin, margin, NUM_ITEMS[-1], sign=sign)
                    for num in NUM_ITEMS:
                        share = (tops[:, num - 1] >= -math.log(ALPHA)).mean()
                        found[f"{claim}_error_by_{num}"] = float(share)
                return found

            yield f"sequential d={discordance:g} margin={margin:g}", cell


def closest() -> Cells:
    """The cell of `sequential` that lies nearest to alpha, with ten times the repeats."""

    def cell() -> Cell:
        hits = 0.0
        for seed in range(10):
            tops = running_tops(0.02, -0.02, 0.02, NUM_ITEMS[-1], sign=1, seed=seed)
            hits += float((tops[:, -1] >= -math.log(ALPHA)).mean()) / 10
        return {"discordance": 0.02, "margin": 0.02, "non_inferior_error_by_2000": hits}

    yield "sequential d=0.02 margin=0.02, 100000 repeats", cell


def saving() -> Cells:
    """The items that clear cases take, beside a size that was fixed for 10 % discordance."""
    for discordance, margin in ((0.1, 0.05), (0.1, 0.02), (0.03, 0.02), (0.02, 0.02)):
        for name, change in (("unchanged", 0.0), ("gain", margin), ("breach", -3 * margin)):

            def cell(
                name: str = name,
                change: float = change,
                discordance: float = discordance,
                margin: float = margin,
            ) -> Cell:
                true_discordance = max(discordance, abs(change))
                fixed = [
                    num_items_needed(margin=margin, discordance=0.1, power=power)
                    for power in (0.8, 0.9)
                ]
                sign = -1 if name == "breach" else 1
                repeats = 500
                tops = running_tops(
                    true_discordance, change, margin, 2 * fixed[1], sign=sign, repeats=repeats
                )
                is_done = tops >= -math.log(ALPHA)
                first = numpy.where(is_done[:, -1], is_done.argmax(axis=1) + 1, 2 * fixed[1])
                return {
                    "true_discordance": true_discordance,
                    "true_change": change,
                    "margin": margin,
                    "planned_discordance": 0.1,
                    "fixed_items_80": fixed[0],
                    "fixed_items_90": fixed[1],
                    "mean_items": float(first.mean()),
                    "median_items": float(numpy.median(first)),
                    "mean_items_up_to_fixed_90": float(numpy.minimum(first, fixed[1]).mean()),
                    "power_by_fixed_90": float(is_done[:, fixed[1] - 1].mean()),
                }

            yield f"saving {name} d={discordance:g} margin={margin:g}", cell


def running_tops(
    discordance: float,
    change: float,
    margin: float,
    num_items: int,
    *,
    sign: int,
    repeats: int = NUM_REPEATS,
    seed: int = 0,
) -> ndarray:
    """The highest log evidence so far, after each item, of flips with one true change."""
    generator = numpy.random.default_rng(round(1e6 * discordance) + round(1e9 * margin) + seed)
    found = []
    for _ in range(math.ceil(repeats / 250)):
        uniform = generator.random((250, num_items))
        lost = (discordance - change) / 2
        values = numpy.where(uniform < lost, -1.0, numpy.where(uniform < discordance, 1.0, 0.0))
        bets = _sequential.running_bets(sign * values, numpy.ones(values.shape), margin, -1.0)
        logs = _sequential.log_evidence(bets, -sign * margin)
        found.append(numpy.maximum.accumulate(logs, axis=-1).astype(numpy.float32))
    return numpy.concatenate(found)


def power() -> Cells:
    """Power and sizes of the exact test beside the published figures."""
    for margin, num in ((0.05, 248), (0.03, 687), (0.02, 1546), (0.01, 6183)):

        def cell(margin: float = margin, num: int = num) -> Cell:
            return {
                "margin": margin,
                "discordance": 0.1,
                "num_items": num,
                "power": noninferiority_power(num, margin=margin, discordance=0.1),
                "num_items_needed_80": num_items_needed(margin=margin, discordance=0.1),
                "num_items_needed_of_t": mean_num_items_needed(
                    margin=margin, standard_deviation=math.sqrt(0.1)
                ),
            }

        yield f"power margin={margin:g}", cell


PARTS = {
    "power": power,
    "flips": flips,
    "suites": suites,
    "sequential": sequential,
    "closest": closest,
    "saving": saving,
    "unbounded": unbounded,
    "bounded": bounded,
}


if __name__ == "__main__":
    fill_in(PARTS, __doc__)
