"""How well each estimate orders the modules as the references do, and what it costs."""

from collections.abc import Sequence
from typing import Any

import numpy
import scipy.stats

REFERENCES = ("forward", "revert")


def judge(measured: dict[str, Any], capabilities: Sequence[str]) -> dict[str, Any]:
    """Spearman of every estimate against both references, per capability.

    Args:
        measured: Each stage's result.
        capabilities: Names, the target among them.

    Returns:
        `capabilities` with all figures, `costs`, and a `summary`.
    """
    modules: list[str] = measured["forward"]["modules"]
    references = {
        name: {c: numpy.array(v) for c, v in measured[name]["values"].items()}
        for name in REFERENCES
    }
    midpoint = measured["slopes"]["midpoint"]
    place = {name: number for number, name in enumerate(midpoint["modules"])}
    columns = [place[name] for name in modules]
    sizes = numpy.array(midpoint["num_parameters"])[columns].astype(float)
    outside = numpy.array(["layers" in name for name in modules])
    rows = {}
    for capability in capabilities:
        truth = {name: values[capability] for name, values in references.items()}
        estimates = _estimates(measured, capability, modules, columns)
        rows[capability] = {
            "reference": {
                "sum_of_modules": {n: float(v.mean(axis=0).sum()) for n, v in truth.items()},
                "spearman_between_references": _spearman(
                    *(values.mean(axis=0) for values in truth.values())
                ),
                "spearman_between_halves_of_items": {
                    n: _spearman(v[::2].mean(axis=0), v[1::2].mean(axis=0))
                    for n, v in truth.items()
                },
            },
            "spearman": {
                name: {n: _spearman(found, v.mean(axis=0)) for n, v in truth.items()}
                for name, found in estimates.items()
            },
            "spearman_of_sizes": {
                name: {
                    n: _spearman(numpy.abs(found), numpy.abs(v.mean(axis=0)))
                    for n, v in truth.items()
                }
                for name, found in estimates.items()
            },
            "top_quarter": {
                name: {
                    n: _captured(found[outside], v.mean(axis=0)[outside], sizes[outside])
                    for n, v in truth.items()
                }
                for name, found in estimates.items()
            },
        }
    costs = _costs(measured)
    return {"capabilities": rows, "costs": costs, "summary": _summary(rows, costs)}


def _estimates(
    measured: dict[str, Any], capability: str, modules: list[str], columns: list[int]
) -> dict[str, numpy.ndarray]:
    slopes = {
        name: numpy.array(found["values"][capability])[:, columns]
        for name, found in measured["slopes"].items()
    }
    found = {f"slope at {name}": values.mean(axis=0) for name, values in slopes.items()}
    found["slope, two Gauss nodes"] = (
        slopes["gauss 1"].mean(axis=0) + slopes["gauss 2"].mean(axis=0)
    ) / 2
    found["slope, base and end"] = (slopes["base"].mean(axis=0) + slopes["end"].mean(axis=0)) / 2
    found["block empirical Fisher"] = (slopes["base"] ** 2).mean(axis=0)
    midpoint, rivals = measured["slopes"]["midpoint"], measured["rivals"]
    change = numpy.array(midpoint["change_norms"])[columns]
    relative = numpy.array(midpoint["relative_norms"])[columns]
    sizes = numpy.array(midpoint["num_parameters"])[columns].astype(float)
    fisher = rivals["fisher"][capability]

    def by_module(values: dict[str, float]) -> numpy.ndarray:
        return numpy.array([values[f"{name}.weight"] for name in modules])

    trace = by_module(fisher["trace"])
    found["diagonal Fisher distance"] = by_module(fisher["diagonal_distance"])
    found["Fisher trace x squared norm"] = trace * change**2 / sizes
    found["Fisher trace x squared relative norm"] = trace * relative**2
    found["functional magnitude"] = by_module(rivals["functional"][capability])
    found["norm of the share"] = change
    found["relative norm of the share"] = relative
    if "noise" in measured:
        found["random finite difference"] = numpy.array(
            measured["noise"]["values"][capability]
        ).mean(axis=0)
    return found


def _spearman(found: numpy.ndarray, truth: numpy.ndarray) -> float | None:
    if numpy.ptp(found) == 0 or numpy.ptp(truth) == 0:
        return None
    return round(float(scipy.stats.spearmanr(found, truth).statistic), 3)


def _captured(found: numpy.ndarray, truth: numpy.ndarray, sizes: numpy.ndarray) -> float | None:
    """Loss in the quarter of the parameters that an estimate picks, as a share of the best pick.

    Returns:
        1 is the reference's own pick; None where no pick is worth anything.
    """
    best = _pick(truth, sizes)
    worth = float(truth[best].sum())
    return round(float(truth[_pick(found, sizes)].sum()) / worth, 3) if worth > 0 else None


def _pick(score: numpy.ndarray, sizes: numpy.ndarray) -> list[int]:
    left, picked = sizes.sum() / 4, []
    for number in numpy.argsort(-score / sizes):
        if sizes[number] <= left:
            picked.append(int(number))
            left -= sizes[number]
    return picked


def _costs(measured: dict[str, Any]) -> dict[str, Any]:
    costs: dict[str, Any] = {
        f"slope at {name}": {
            key: found[key] for key in ("cpu_seconds", "tokens_forward", "tokens_backward")
        }
        for name, found in measured["slopes"].items()
    }
    for name in (*REFERENCES, *(["noise"] if "noise" in measured else [])):
        costs[name] = {
            key: measured[name][key] for key in ("cpu_seconds", "tokens_forward", "tokens_run")
        }
    for name in ("fisher", "functional"):
        costs[name] = {
            "cpu_seconds": round(measured["rivals"][f"{name}_seconds"], 1),
            "tokens_forward": measured["rivals"][f"{name}_tokens"],
        }
    return costs


def _summary(rows: dict[str, Any], costs: dict[str, Any]) -> dict[str, Any]:
    """Per estimate: median over capabilities, and how many reach 0.8."""
    names = list(next(iter(rows.values()))["spearman"])
    summary: dict[str, Any] = {}
    for name in names:
        summary[name] = {}
        for reference in REFERENCES:
            found = [row["spearman"][name][reference] for row in rows.values()]
            known = [value for value in found if value is not None]
            shares = [row["top_quarter"][name][reference] for row in rows.values()]
            summary[name][reference] = {
                "median_spearman": round(float(numpy.median(known)), 3) if known else None,
                "num_at_least_0.8": sum(value >= 0.8 for value in known),
                "median_top_quarter": _median(shares),
            }
    summary["cost_of_one_slope_pass"] = {
        reference: {
            "cpu_seconds": round(
                costs["slope at midpoint"]["cpu_seconds"] / costs[reference]["cpu_seconds"], 4
            ),
            "tokens": round(
                3 * costs["slope at midpoint"]["tokens_forward"] / costs[reference]["tokens_run"], 4
            ),
        }
        for reference in REFERENCES
    }
    return summary


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(numpy.median(known)), 3) if known else None
