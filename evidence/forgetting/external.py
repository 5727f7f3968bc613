"""The config-only part against 63 published runs that we had no hand in.

    python -m evidence.forgetting.external --data FOLDER     # writes external.json

FOLDER holds `ref_peft_metamathqa_forgetting.jsonl`: PEFT's own comparison of methods, Llama-3.2-3B on
MetaMathQA, 5,000 steps. There are no weights and no capabilities, so what can be judged is how far config and
early training loss rank forgetting (the rise of the loss on a sample of Wikipedia). Each kind of
adapter is ranked by a fit to the other kinds.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from .gaussian_process import fit_gaussian_process

RESULT = Path(__file__).parent / "external.json"
FILE = "ref_peft_metamathqa_forgetting.jsonl"
LOOKS = {"5 %": 0, "10 %": 1, "20 %": 3}
"""Places in a curve that has a point every 250 steps."""


def config_features(run: dict[str, Any]) -> list[float]:
    """What the config says: logarithms of the learning rate and of the parameters trained."""
    return [math.log10(run["lr"]), math.log10(run["trainable"])]


def early_features(look: int) -> Callable[[dict[str, Any]], list[float]]:
    """Config, and the training loss up to a look.

    Args:
        look: Its place in the curve.

    Returns:
        The features of a run.
    """

    def features(run: dict[str, Any]) -> list[float]:
        losses = [point[1] for point in run["curve"][: look + 1]]
        return [*config_features(run), math.log(max(losses)), math.log(losses[-1])]

    return features


def main() -> None:
    """Write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    path = parser.parse_args().data / FILE
    runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    forgetting = numpy.array([run["forgetting"] for run in runs])
    rates = [run["lr"] for run in runs]
    result = {
        "data": {"name": FILE, "digest": "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()},
        "num_runs": len(runs),
        "spearman": {
            "learning rate alone": _spearman(rates, forgetting),
            "config": _spearman(_held_out(runs, config_features), forgetting),
            **{
                f"config and training loss up to {name}": _spearman(
                    _held_out(runs, early_features(look)), forgetting
                )
                for name, look in LOOKS.items()
            },
        },
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _held_out(
    runs: Sequence[dict[str, Any]], features: Callable[[dict[str, Any]], list[float]]
) -> list[float]:
    """Predicted log forgetting of each run, by a fit to runs of other kinds of adapter."""
    x = numpy.array([features(run) for run in runs])
    y = numpy.log([max(run["forgetting"], 1e-3) for run in runs])
    kinds = numpy.array([run["peft_type"] for run in runs])
    predicted = numpy.zeros(len(runs))
    for kind in sorted(set(kinds.tolist())):
        own = kinds == kind
        level = float(y[~own].mean())
        process = fit_gaussian_process(x[~own], y[~own] - level)
        predicted[own] = level + process.predict(x[own]).mean
    found: list[float] = predicted.tolist()
    return found


def _spearman(predicted: Sequence[float], actual: Float[ndarray, " runs"]) -> float:
    return round(float(scipy.stats.spearmanr(predicted, actual).statistic), 3)


if __name__ == "__main__":
    main()
