"""How often the monitor's alarm accuses simulated runs that never pass a tolerance.

    python -m benchmarks.monitor_false_alarms --runs 1000 --out benchmarks/results/monitor_false_alarms.json

Each run draws the items of ten required capabilities anew and is looked at 40 times. Items keep their
own deviation through the run, as real ones do, and move a little between looks. In the `edge` runs the
true mean loss of every capability stands on its tolerance at every look, which is the worst that is
still healthy; in the `drifting` ones it rises from 0 to the tolerance. Deviations are normal, rarely
large, or skewed, with scales from a fifth of the tolerance to four times it. For contrast the same
runs are judged by a one-sided t test at level alpha / 10 at every look, without any care for looking
repeatedly. `power` is the share of 200 draws of items in which a loss that appears at the fifth look is
proven at that look, normal deviations of 0.6 nats (2.4 tolerances).
"""

import argparse
import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy
import scipy.stats
from numpy import ndarray

from driftline.stats import Looks, look_evidence

ALPHA, NUM_CAPABILITIES, NUM_LOOKS, NUM_ITEMS, TOLERANCE, GAIN = 0.05, 10, 40, 60, 0.25, 1.0
CHUNK = 50
POWER_LOOK, POWER_DRAWS, POWER_SPREAD = 5, 200, 0.6


class Kind(NamedTuple):
    """What the simulated losses look like."""

    course: str
    shape: str


KINDS = tuple(Kind(c, s) for c in ("edge", "drifting") for s in ("normal", "rare", "skewed"))


def simulate(generator: numpy.random.Generator, kind: Kind) -> tuple[bool, bool, int]:
    """One run.

    Args:
        generator: Of all its random numbers.
        kind: Of losses.

    Returns:
        Whether the monitor accuses it, whether repeated t tests do, and looks with a measured mean
        above the tolerance.
    """
    needed = math.log(NUM_CAPABILITIES / ALPHA)
    monitor = naive = False
    measured = 0
    for _ in range(NUM_CAPABILITIES):
        scale = TOLERANCE * float(numpy.exp(generator.uniform(math.log(0.2), math.log(4.0))))
        own = _deviations(generator, kind.shape, scale)
        looks = Looks()
        for number in range(1, NUM_LOOKS + 1):
            share = 1.0 if kind.course == "edge" else number / NUM_LOOKS
            moved = generator.normal(0.0, 0.2 * scale, NUM_ITEMS)
            losses = TOLERANCE * share + own * math.sqrt(share) + moved
            evidence = look_evidence(losses, tolerance=TOLERANCE, largest_gain=GAIN)
            looks = looks.after(evidence)
            monitor = monitor or looks.log_evidence >= needed
            test = scipy.stats.ttest_1samp(losses, TOLERANCE, alternative="greater")
            naive = naive or float(test.pvalue) < ALPHA / NUM_CAPABILITIES
            measured += float(losses.mean()) > TOLERANCE
    return monitor, naive, measured


def _deviations(
    generator: numpy.random.Generator, shape: str, scale: float
) -> "ndarray[tuple[int], numpy.dtype[numpy.float64]]":
    """What items have of their own, with mean 0 even where gains beyond the cap count as the cap."""
    room = GAIN + TOLERANCE
    if shape == "rare":
        # One item in ten loses ten times the mean; nobody gains.
        return numpy.where(generator.random(NUM_ITEMS) < 0.1, 9.0, -1.0) * min(scale, room) / 3
    if shape == "skewed":
        return (generator.exponential(1.0, NUM_ITEMS) - 1.0) * min(scale, room)
    # Symmetric, and cut at the cap on both sides so that the mean stays.
    return numpy.clip(generator.normal(0.0, scale, NUM_ITEMS), -room, room)


def power() -> dict[str, float]:
    """How often a loss is proven at once, by its size in tolerances and the number of items."""
    needed, found = math.log(NUM_CAPABILITIES / ALPHA * POWER_LOOK * (POWER_LOOK + 1)), {}
    for multiple in (1.5, 2.0, 3.0):
        for num in (24, 60, 120, 240):
            generator = numpy.random.default_rng(num)
            proven = 0
            for _ in range(POWER_DRAWS):
                losses = generator.normal(multiple * TOLERANCE, POWER_SPREAD, num)
                evidence = look_evidence(losses, tolerance=TOLERANCE, largest_gain=GAIN)
                proven += evidence >= needed
            found[f"{multiple:g} tolerances, {num} items"] = proven / POWER_DRAWS
    return found


def main() -> None:
    """Simulate, kind by kind; a run that was cut off goes on from what its file holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="in all")
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    per_kind = math.ceil(wanted.runs / len(KINDS))
    counts = _read(wanted.out)
    for kind in KINDS:
        held = counts.setdefault("/".join(kind), {"runs": 0, "monitor": 0, "naive": 0, "over": 0})
        while held["runs"] < per_kind:
            for _ in range(min(CHUNK, per_kind - held["runs"])):
                # By its number, so that a cut-off simulation draws the same.
                generator = numpy.random.default_rng([KINDS.index(kind), held["runs"]])
                monitor, naive, over = simulate(generator, kind)
                held["runs"] += 1
                held["monitor"] += monitor
                held["naive"] += naive
                held["over"] += over
            _write(wanted.out, counts)
            print("/".join(kind), held)
    _write(wanted.out, counts)


def _read(path: Path) -> dict[str, dict[str, int]]:
    if not path.exists():
        return {}
    held: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))["kinds"]
    return held


def _write(path: Path, counts: dict[str, dict[str, int]]) -> None:
    total = {
        key: sum(held[key] for held in counts.values()) for key in ("runs", "monitor", "naive")
    }
    document = {
        "alpha": ALPHA,
        "capabilities": NUM_CAPABILITIES,
        "looks": NUM_LOOKS,
        "items": NUM_ITEMS,
        "tolerance": TOLERANCE,
        "total": total,
        "power": power(),
        "kinds": counts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
