"""Check figures of the pages against committed results, where no table is written by a script.

python -m scripts.page_figures   # exit code 1 if a page says another figure than its result

Each statement is made anew from a result and must stand on its page, whatever its line breaks. After a new
result, the message says what the page has to say.
"""

import sys
from collections.abc import Iterator
from typing import Any

from evidence.realistic.grid import runs
from scripts import benchmark_figures, plan_figures
from scripts.results_table import ROOT, _read
from scripts.statements import DASH, Statement, fixed, percent, stands

EVIDENCE = "evidence/README.md"
FORECAST_DESIGN = "design/forecast.md"
TOY = "docs/forecast-toy-regime.md"
_ENTRIES = {
    "driftline 0.05": "ours, 5 %", "driftline 0.1": "ours, 10 % (replica)", "driftline 0.2": "**ours, 20 %**",
    "driftline 0.3": "ours, 30 % (start and replica)", "truncated 0.05": "truncated run, 5 %",
    "truncated 0.1": "truncated run, 10 %", "truncated 0.2": "truncated run, 20 %",
    "linear_in_steps": "linear in steps, 20 %", "linear_in_rate": "linear in summed rate, 20 %",
    "straight_line": "straight line of the probe, 20 %", "learning_rate": "log learning rate",
    "rate_times_steps": "rate x steps", "update_norm": "update norm, 20 %",
    "mean": "mean of the finished runs", "gradient_inner_product": "gradient inner product, 20 %",
    "fisher_distance": "Fisher distance, 20 %", "functional_magnitude": "functional magnitude, *finished run*",
    "kl_new_task": "KL on the new task, *finished run*",
}  # fmt: skip
"""Forecaster in the result -> its row on the page."""


def main() -> None:
    """Print each statement that a page lacks."""
    missing = faults()
    print("\n".join(missing), end="\n" if missing else "")
    sys.exit(len(missing) > 0)


def faults() -> list[str]:
    """Compare every statement with its page.

    Returns:
        A line for each that the page does not hold.
    """
    missing = [each for each in statements() if not stands(each, _page(each.page))]
    return [f"{each.page} does not say what {each.result} says: {each.text}" for each in missing]


def statements() -> Iterator[Statement]:
    """Make every statement from the results.

    Yields:
        Each, in the order of the pages' sections.
    """
    for make in (
        _suites, _first_forecast, _radius, _fragility, _noise, _protection, _certification,
        _repair, _path_margin, _toy_regime, _toy_gains, _toy_bars, _toy_parts, _drifts,
        _item_margins, _retention, _runs_made,
    ):  # fmt: skip
        yield from make()
    yield from benchmark_figures.statements(_read)
    yield from plan_figures.statements(_read)


def _runs_made() -> Iterator[Statement]:
    folder = "evidence/realistic/runs"
    models = {
        "stories15m-cut": "stories15M", "minimind2-small": "MiniMind2-Small", "smollm2-135m": "SmolLM2-135M"
    }  # fmt: skip
    made = {name: len(list((ROOT / folder / name).glob("*.parquet"))) for name in models}
    planned = sum(len(list(runs(name))) for name in models)
    each = ", ".join(f"{num or 'none'} of {models[name]}" for name, num in made.items())
    yield Statement(
        "evidence/realistic/README.md",
        f"Made so far: {sum(made.values())} of {planned} ({each}).",
        folder,
    )


def _drifts() -> Iterator[Statement]:
    source = "evidence/realistic/drifts.json"
    found = _read(source)
    for name, laws in found["laws"].items():
        cells = (
            f"{law['log_density']:.2f} | "
            + " / ".join(f"{law[look]['r2']:.2f}" for look in ("early_10", "early_20", "early_40"))
            for law in (laws["without healing"], laws["with healing"])
        )
        yield Statement(FORECAST_DESIGN, f"| {name} | {' | '.join(cells)} |", source)
    little, middle, much = found["mean_further_points"]["early_20"].values()
    yield Statement(
        FORECAST_DESIGN,
        f"grow by {little:.2f} points on average, those of 1 to 6 points by {middle:.2f}, and larger ones shrink "
        f"by {-much:.2f}",
        source,
    )
    carried = found["carried_over"]["early_20"]
    yield Statement(
        FORECAST_DESIGN,
        f"from {carried['without']:.2f} to {carried['with']:.2f} ({carried['num_cells']} capabilities",
        source,
    )
    yield Statement(
        FORECAST_DESIGN, f"The law was chosen on {found['chosen_on']} runs of six tasks", source
    )


def _item_margins() -> Iterator[Statement]:
    source = "evidence/realistic/margins.json"
    found = _read(source)
    for key, words in {
        "measured change": "the measured change",
        "items go on, no limit": "items go on, no limit",
        "items go on, 1.5 nats": "items go on, by 1.5 nats at most",
        "softer by 2": "a link softer by 2",
    }.items():
        cells = (
            " / ".join(
                f"{found[look][key][name]:.2f}" for name in ("r2", "spearman", "error_points")
            )
            for look in ("early_10", "early_20")
        )
        yield Statement(FORECAST_DESIGN, f"| {words} | {' | '.join(cells)} |", source)


def _retention() -> Iterator[Statement]:
    source = "benchmarks/results/retention_bound.json"
    plan, repair = (_read(source)["counts"][kind] for kind in ("plan", "repair"))
    largest = f"{plan['largest_loss']:.2f} and {repair['largest_loss']:.2f} tolerances"
    for words, name in {
        "cases, all of which ended with an update": "with_an_update",
        f"every mean loss within its tolerance (the largest: {largest})": "mean_within_tolerance",
        "every upper limit within it too": "limit_within_tolerance",
        "a loss shown to be beyond it": "shown_beyond",
    }.items():
        yield Statement("docs/plan.md", f"| {words} | {plan[name]} | {repair[name]} |", source)


def _suites() -> Iterator[Statement]:
    source = "evidence/suites/base.json"
    found = _read(source)
    core, chat, small = (
        found[k] for k in ("smollm2-135m core", "smollm2-135m core-chat", "stories15m core")
    )
    yield Statement(
        EVIDENCE,
        f"Scoring `core` once takes {core['tokens']:,} tokens and {core['cpu_seconds']:.0f} processor seconds",
        source,
    )
    for name, row in {**core["capabilities"], **chat["capabilities"]}.items():
        if row.get("accuracy") is None:
            continue
        other = small["capabilities"].get(name)
        yield Statement(
            EVIDENCE,
            f"| `{name}` | {row['items']} | {row['chance']:.2f} | {_accuracy(row)} | "
            f"{_accuracy(other) if other else DASH} |",
            source,
        )


def _accuracy(row: dict[str, Any]) -> str:
    return f"{row['accuracy']:.3f} +- {row['accuracy_error']:.3f}"


def _first_forecast() -> Iterator[Statement]:
    source = "evidence/first_forecast/runs/gsm8k-full-1e-4.json"
    found = _read(source)
    losses = {each["capability"]: each["loss"]["60"] for each in found["capabilities"]}
    arithmetic = next(each for each in found["capabilities"] if each["capability"] == "arithmetic")
    others = max(loss for name, loss in losses.items() if name != "arithmetic")
    yield Statement(
        EVIDENCE,
        f"GSM8K with its answers costs simple arithmetic {losses['arithmetic']:.2f} nats of "
        f"{arithmetic['base_value']:.2f} while no other capability loses more than {others:.2f}",
        source,
    )


def _radius() -> Iterator[Statement]:
    source = "evidence/radius/result.json"
    found = _read(source)
    within = round(found["share_within_5_percent"] * found["num_curves_that_pass"])
    yield Statement(
        EVIDENCE,
        f"{found['mean_looks_a_curve']:.1f} looks a curve on average, {found['most_looks']} at most; the "
        f"critical norm is within 5 % of the grid's in {within} of {found['num_curves_that_pass']} curves, "
        f"median error {percent(found['median_relative_error'])}, largest "
        f"{percent(found['largest_relative_error'])}.",
        source,
    )


def _fragility() -> Iterator[Statement]:
    source = "evidence/fragility/results/demo.json"
    whole = _read(source)
    found, costs = whole["summary"], whole["costs"]
    against = {name: each["revert"] for name, each in found.items()}
    share = against.pop("cost_of_one_slope_pass")["cpu_seconds"]
    yield Statement(
        EVIDENCE,
        f"agree with taking out by a median Spearman of {against['slope at end']['median_spearman']:.3f}",
        source,
    )
    yield Statement(
        EVIDENCE,
        f"for {costs['slope at end']['cpu_seconds']:.0f} CPU seconds against "
        f"{costs['revert']['cpu_seconds']:.0f} ({share:.2f})",
        source,
    )
    named = [
        ("the diagonal Fisher distance has", "diagonal Fisher distance"),
        ("functional magnitude", "functional magnitude"), ("the norm of the share", "norm of the share"),
        ("its relative norm", "relative norm of the share"),
        ("the block empirical Fisher", "block empirical Fisher"),
    ]  # fmt: skip
    for words, name in named:
        yield Statement(EVIDENCE, f"{words} {against[name]['median_spearman']:.2f}", source)


def _noise() -> Iterator[Statement]:
    source = "evidence/fragility/results/noise.json"
    found = _read(source)
    low, high = found["ratio_5_to_95_percent"]
    seconds = found["cpu_seconds"]
    yield Statement(
        EVIDENCE,
        f"over all {found['num_modules']} modules inside layers: Spearman {found['spearman']:.3f}, "
        f"{found['spearman_per_parameter']:.3f} per parameter, which is what protecting goes by; the median "
        f"ratio is {found['median_ratio']:.2f} ({fixed(low, 2)} to {fixed(high, 2)} for nine in ten). "
        f"{seconds['estimate']:.0f} CPU seconds against {seconds['reference']:.0f}.",
        source,
    )


def _protection() -> Iterator[Statement]:
    source = "evidence/protection/result.json"
    found = _read(source)
    fresh, every = found["ratios_on_fresh_seeds"]["all"], found["ratios_on_every_seed"]
    named = {
        "random": "a random quarter",
        "bottom": "the bottom layers",
        "attention": "all attention",
    }
    for rival, words in named.items():
        cells = [
            ", ".join(f"{ratio:.3f}" for ratio in every[task][rival]["by_seed"])
            for task in ("shakespeare", "tatoeba")
        ]
        yield Statement(
            EVIDENCE,
            f"| {words} | {' | '.join(cells)} | {fresh[rival]['geometric_mean']:.3f} |",
            source,
        )
    means = {rival: each["geometric_mean"] for rival, each in fresh.items()}
    yield Statement(
        "docs/fragility.md",
        f"Freezing that quarter forgets {means['random']:.2f} of what freezing a random quarter does, at the "
        f"same loss of the target, {means['attention']:.2f} of what freezing all attention does and "
        f"{means['bottom']:.2f} of freezing the bottom layers",
        source,
    )


def _certification() -> Iterator[Statement]:
    folder = "evidence/certification/results"
    for name in ("harmless", "damaged", "adapter"):
        source = f"{folder}/{name}.json"
        arithmetic = next(c for c in _read(source)["claims"] if c["capability"] == "arithmetic")
        yield Statement(EVIDENCE, f"{100 * arithmetic['tuned']:.1f} %", source)
        flips = arithmetic["flips"]
        if name != "damaged":
            yield Statement(
                EVIDENCE,
                f"{100 * arithmetic['tuned']:.1f} % ({flips['num_lost']} lost, {flips['num_gained']} gained), loss "
                f"below {100 * arithmetic['loss_limit']:.1f} points",
                source,
            )
    for name in ("itself", "harmless", "damaged"):
        source = f"{folder}/{name}-sequential.json"
        found = _read(source)
        parts = [claim["sequential"] for claim in found["claims"]]
        scored = sum(each["num_scored"] for each in parts)
        total = sum(each["num_available"] for each in parts)
        yield Statement(
            EVIDENCE,
            f"| {name} | {scored} | {1 - scored / total:.0%} | {found['verdict']} |".replace(
                "%", " %"
            ),
            source,
        )


def _repair() -> Iterator[Statement]:
    source = "evidence/repair/result.json"
    by_case: dict[str, dict[str, Any]] = {}
    for each in _read(source)["repairs"]:
        by_case.setdefault(each["case"], {})[each["limit"]] = each
    for limits in by_case.values():
        strict, loose = limits["cost-5"], limits["tolerances"]
        # The column between them is of an earlier search, which left no result.
        for text in (
            f"| {', '.join(strict['lost'])} | {strict['given_back']:.3f} | {strict['gain_given_up']:.3f} |",
            f"| {loose['given_back']:.3f} | {loose['gain_given_up']:.3f} |",
        ):
            yield Statement(EVIDENCE, text, source)


def _path_margin() -> Iterator[Statement]:
    source = "evidence/path_margin/result.json"
    found = _read(source)
    early = len(found["first_to_pass"]) - found["first_passed_after_the_probe"]
    yield Statement(
        EVIDENCE,
        f"| its step lies inside the interval | {found['first_inside'].split()[0]} ({early} of them passed within "
        f"the probe, where it is measured) |",
        source,
    )
    yield Statement(
        EVIDENCE, f"| passed within the probe | {found['num_passed_within_the_probe']} |", source
    )


def _toy_regime() -> Iterator[Statement]:
    source = "evidence/forgetting/result.json"
    task, region = (_read(source)["held_out"][split] for split in ("task", "region"))
    for key, words in _ENTRIES.items():
        by, other = task[key], region[key]
        cells = [
            f"{each[name]:.2f}" if each.get(name) is not None else DASH
            for name in ("r2", "spearman") for each in (by, other)
        ]  # fmt: skip
        cells += [
            f"{each[name]:.2f}" if each.get(name) is not None else DASH
            for each, name in ((by, "mae_nats"), (by, "coverage"), (other, "coverage"))
        ]
        yield Statement(TOY, f"| {words} | {' | '.join(cells)} |", source)


def _toy_gains() -> Iterator[Statement]:
    source = "evidence/forgetting/result.json"
    found = _read(source)["gain_over_truncated"]
    for share in ("0.2", "0.1", "0.05"):
        cells = []
        for split in ("task", "region"):
            each = found[split][share]["r2"]
            runs, tasks = (
                " to ".join(f"{v:+.2f}" for v in each[by]) for by in ("by runs", "by tasks")
            )
            cells.append(f"{each['gain']:+.2f} (by runs {runs}, by tasks {tasks})")
        yield Statement(
            TOY, f"| {float(share):.0%} | {' | '.join(cells)} |".replace("%", " %"), source
        )


def _toy_bars() -> Iterator[Statement]:
    source = "evidence/forgetting/result.json"
    found = _read(source)
    splits = [found["held_out"][split] for split in ("task", "region")]
    rows = [("R2 at 20 % | 0.8", "0.2", "r2"), ("Spearman at 20 % | 0.93", "0.2", "spearman"),
            ("R2 at 10 % | 0.65", "0.1", "r2"), ("Spearman at 10 % | 0.85", "0.1", "spearman"),
            ("AUROC of at-risk | 0.9", "0.2", "at_risk_auroc"),
            ("R2 at 20 % without clipping at 3 nats | –", "0.2", "r2_plain")]  # fmt: skip
    for words, share, name in rows:
        cells = " | ".join(f"{split[f'driftline {share}'][name]:.2f}" for split in splits)
        yield Statement(TOY, f"| {words} | {cells} |", source)
    named = [split["driftline 0.2"]["worst_named_first"] for split in splits]
    cells = " | ".join(f"{each['named']} of {each['runs']}" for each in named)
    yield Statement(TOY, f"of runs with real loss | 80 % | {cells} |", source)
    seeds = found["other_seed"]
    same = seeds["held out by task, on the same cells"]
    for words, each in (
        ("one seed as the forecast of the other", seeds), ("ours, 20 %", same["driftline 0.2"]),
        ("ours, 10 %", same["driftline 0.1"]), ("truncated run, 20 %", same["truncated 0.2"]),
    ):  # fmt: skip
        yield Statement(TOY, f"| {words} | {each['r2']:.2f} | {each['spearman']:.2f} |", source)


def _toy_parts() -> Iterator[Statement]:
    source = "evidence/forgetting/result.json"
    for parts in _read(source)["by"].values():
        for name, each in parts.items():
            change, error, coverage = (
                each[k] for k in ("mean_change_nats", "mae_nats", "coverage")
            )
            yield Statement(
                TOY, f"| {name} | {change:+.2f} | {error:.2f} | {coverage:.2f} |", source
            )


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
