"""Compare a run on a processor that computes bfloat16 with the same run on one that lacks the instructions.

    python -m evidence.realistic.processors

On the latter, products are computed in float32 and rounded. Prints the root mean square and the largest difference of the
capabilities' changes, in points, at a fifth of the run and at its end; beside them those of two seeds on one processor.
"""

import json
from pathlib import Path

import numpy

from .records import Record, read_record

HERE = Path(__file__).parent
RUN, OTHER_SEED = "spanish-full-1e-4-0", "spanish-full-1e-4-1"
STEPS = (20, 100)


def main() -> None:
    """Print the comparison."""
    runs = HERE / "runs" / "stories15m-cut"
    first = read_record(runs / f"{RUN}.parquet")
    others = {
        "same seed, other processor": read_record(HERE / "other_processor" / f"{RUN}.parquet"),
        "other seed, same processor": read_record(runs / f"{OTHER_SEED}.parquet"),
    }
    found = {
        name: {f"step {step}": _difference(first, other, step) for step in STEPS}
        for name, other in others.items()
    }
    print(json.dumps(found, indent=2))


def _difference(a: Record, b: Record, step: int) -> dict[str, float]:
    ours, theirs = changes(a, step), changes(b, step)
    between = numpy.array([theirs[name] - ours[name] for name in ours])
    return {
        "root mean square": round(float(numpy.sqrt((between**2).mean())), 2),
        "largest": round(float(abs(between).max()), 2),
    }


def changes(record: Record, step: int) -> dict[str, float]:
    """Compute how far each capability's mean probability of the right option has changed, in points.

    Args:
        record: A run.
        step: Of the run itself.

    Returns:
        Change by capability, of those with options.
    """
    names = {reading.capability for reading in record.readings if reading.quantity == "log_odds"}
    means = {
        name: [
            100 / (1 + numpy.exp(-record.values("run", each, name, "log_odds")))
            for each in (0, step)
        ]
        for name in sorted(names)
    }
    return {name: float((after - before).mean()) for name, (before, after) in means.items()}


if __name__ == "__main__":
    main()
