"""How often each test of non-inferiority errs where it must not, and how many items it takes.

    python -m benchmarks.certification_errors --part flips --out benchmarks/results/certification_errors.json

Cells that are in the file already are left as they are, so it may be stopped and run again, part by
part: power and flips by exact enumeration, the others by simulation with fixed seeds. Each `error` is
the probability of a false claim with the true change on the edge of the null hypothesis.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import scipy.special
import scipy.stats
from numpy import ndarray

# The public functions judge one sample; 10 000 at once need what lies beneath them.
from driftline.stats import (
    _bounded,
    _flips,
    _sequential,
    mean_num_items_needed,
    noninferiority_power,
    num_items_needed,
)
from driftline.stats._noninferiority import Units

NUM_ITEMS = (20, 50, 100, 200, 500, 1000, 2000)
DISCORDANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
MARGINS = (0.01, 0.02, 0.05)
NUM_REPEATS = 10_000
ALPHA = 0.05
NUM_CAPABILITIES = 8
Cell = dict[str, float | int | str]
Cells = Iterator[tuple[str, Callable[[], Cell]]]


def passing_flips(is_passing: Callable[[int, int], bool], num_items: int, margin: float) -> ndarray:
    """Of each number of flips, the most lost that pass; the test is monotone in them."""
    flips = _flips.likely_flips(num_items, 0.0, DISCORDANCES[-1])
    z = float(scipy.special.ndtri(1 - ALPHA))
    most = _flips.most_lost_at(flips, num_items, change=-margin, z=z)
    for index, flip in enumerate(flips.tolist()):
        lost = int(most[index])
        if not is_likely(flip, num_items):
            continue  # Counted by the asymptotic test; together they have a probability of 1e-5.
        while lost >= 0 and not is_passing(lost, flip - lost):
            lost -= 1
        while lost < flip and is_passing(lost + 1, flip - lost - 1):
            lost += 1
        most[index] = lost
    return most


def is_likely(flip: int, num_items: int) -> bool:
    """Whether so many flips are within reach of one of the discordances."""
    return any(
        abs(flip - num_items * share) <= 4.5 * math.sqrt(num_items * share * (1 - share)) + 4
        for share in DISCORDANCES
    )


def flip_tests(num_items: int, margin: float) -> dict[str, Callable[[int, int], bool]]:
    """The three things that `flip_noninferiority` claims, and Holm's first step."""
    level = 1 - ALPHA

    def pvalue(lost: int, gained: int) -> float:
        evidence = _flips.evidence_at(lost, gained, num_items, -margin)
        return _flips.evidence_pvalue(evidence, -margin)

    def limit(lost: int, gained: int) -> float:
        evidence = _flips.evidence_of(lost, gained, num_items, level)
        return _flips.evidence_pvalue(evidence, -margin)

    return {
        "pvalue": lambda lost, gained: pvalue(lost, gained) <= ALPHA,
        "low": lambda lost, gained: limit(lost, gained) <= ALPHA,
        "holm": lambda lost, gained: pvalue(lost, gained) <= ALPHA / NUM_CAPABILITIES,
    }


def probability(most: ndarray, num_items: int, discordance: float, change: float) -> float:
    """Of passing, by enumeration."""
    flips = _flips.likely_flips(num_items, 0.0, DISCORDANCES[-1])
    tails = scipy.stats.binom.cdf(most, flips, (1 - change / discordance) / 2)
    return float((scipy.stats.binom.pmf(flips, num_items, discordance) * tails).sum())


def flips() -> Cells:
    """Exact error of the test, the limits and Holm's family, for every discordance."""
    for num_items in NUM_ITEMS:
        for margin in MARGINS:

            def cell(num_items: int = num_items, margin: float = margin) -> Cell:
                found: Cell = {"num_items": num_items, "margin": margin}
                for name, is_passing in flip_tests(num_items, margin).items():
                    most = passing_flips(is_passing, num_items, margin)
                    for discordance in DISCORDANCES:
                        if discordance < margin:
                            continue
                        error = probability(most, num_items, discordance, -margin)
                        if name == "holm":
                            error = 1 - (1 - error) ** NUM_CAPABILITIES
                        found[f"{name}_error_at_{discordance:g}"] = round(error, 6)
                        if name == "pvalue":
                            power = probability(most, num_items, discordance, 0.0)
                            found[f"power_at_{discordance:g}"] = round(power, 4)
                return found

            yield f"flips n={num_items} margin={margin:g}", cell


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
    return generator.standard_t(3, size) if shape == "t3" else generator.normal(size=size)


def bounded() -> Cells:
    """Error of the fixed-size bets for shapes on which t tests fail, single items and groups."""
    for num in NUM_ITEMS:
        for shape in ("flips", "skewed", "rare_loss", "unequal_groups"):

            def cell(num: int = num, shape: str = shape) -> Cell:
                generator = numpy.random.default_rng([num, len(shape)])
                hits = student = 0
                margin = 0.05
                for _ in range(NUM_REPEATS):
                    if shape == "unequal_groups":  # Large groups lose what small ones gain.
                        sizes = generator.choice([1, 5], num)
                        drift = numpy.where(sizes == 5, -0.1, 0.5) * generator.integers(0, 2, num)
                        units = Units((drift - margin) * sizes / 5, sizes / 5)
                    else:
                        values = draws(shape, generator, (1, num))[0] - margin
                        units = Units(values, numpy.ones(num))
                    statistic = bet_evidence(units, margin)
                    hits += statistic >= -math.log(ALPHA)
                    t = scipy.stats.t.ppf(1 - ALPHA, num - 1)
                    pivot = units.sums + margin * units.sizes
                    spread = pivot.std(ddof=1)
                    student += bool(spread == 0 or math.sqrt(num) * pivot.mean() / spread >= t)
                return {
                    "num_units": num,
                    "shape": shape,
                    "error": hits / NUM_REPEATS,
                    "error_of_student_t": student / NUM_REPEATS,
                }

            yield f"bounded {shape} n={num}", cell


def bet_evidence(units: Units, margin: float) -> float:
    """Logarithm of the evidence of `bounded_noninferiority` against a mean of -margin."""
    bets = _bounded.fixed_bets(units, margin, -1.0 - margin, ALPHA, 0)
    return _bounded.log_evidence(bets, -margin)


def unbounded() -> Cells:
    """Error of the cautious t test within what it assumes; refusing counts as no claim."""
    for num in NUM_ITEMS[:5]:
        for shape in ("normal", "t3", "exponential_loss", "lognormal_loss"):

            def cell(num: int = num, shape: str = shape) -> Cell:
                generator = numpy.random.default_rng([num, len(shape)])
                values = draws(shape, generator, (NUM_REPEATS, num))
                counts = numpy.random.default_rng(0).multinomial(
                    num, numpy.full(num, 1 / num), size=1999
                )
                pivots_above = numpy.zeros(NUM_REPEATS)
                t = math.sqrt(num) * values.mean(axis=1) / values.std(axis=1, ddof=1)
                for rows in numpy.array_split(counts.astype(float), 40):
                    mean = values @ rows.T / num
                    square = values**2 @ rows.T / num - mean**2
                    with numpy.errstate(divide="ignore", invalid="ignore"):
                        pivot = (mean - values.mean(axis=1)[:, None]) / numpy.sqrt(
                            numpy.maximum(square, 0) / (num - 1)
                        )
                    pivots_above += (numpy.nan_to_num(pivot) >= t[:, None]).sum(axis=1)
                is_claimed = (1 + pivots_above) / 2000 <= ALPHA
                is_claimed &= t >= scipy.stats.t.ppf(1 - ALPHA, num - 1)
                is_refused = 25 * scipy.stats.skew(values, axis=1) ** 2 > num
                return {
                    "num_units": num,
                    "shape": shape,
                    "error": float((is_claimed & ~is_refused).mean()),
                    "refused": float(is_refused.mean()),
                    "error_of_student_t": float(
                        (t >= scipy.stats.t.ppf(1 - ALPHA, num - 1)).mean()
                    ),
                }

            yield f"unbounded {shape} n={num}", cell


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
) -> ndarray:
    """The highest log evidence so far, after each item, of flips with one true change."""
    generator = numpy.random.default_rng(round(1e6 * discordance) + round(1e9 * margin))
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
    "sequential": sequential,
    "saving": saving,
    "unbounded": unbounded,
    "bounded": bounded,
}


def fill_in(parts: dict[str, Callable[[], Cells]], description: str | None) -> None:
    """Compute the cells that are missing in a file, part by part.

    Args:
        parts: Name to cells.
        description: Of the command line.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--part", choices=parts, action="append")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    found = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for part in chosen.part or parts:
        for name, compute in parts[part]():
            if name in found:
                continue
            found[name] = compute()
            chosen.out.write_text(json.dumps(found, indent=1) + "\n")
            print(name, found[name], flush=True)


if __name__ == "__main__":
    fill_in(PARTS, __doc__)
