"""Write the forecast's figures into its two pages: a short table into one, all figures into the other.

python -m evidence.realistic.tables           # writes both pages and two pictures
python -m evidence.realistic.tables --check   # exit code 1 if a page is not what the results say
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import altair
import scipy.stats
import vl_convert

from driftline.analyses import FittedForecasters

from .calibrate import FITS, calibration
from .cells import benchmark_runs, held_out_cells
from .finished import read_records
from .judge import RESULT, SPLITS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "forecast.md"
FIGURES_PAGE = DOCS / "forecast-figures.md"
QUANTITIES = RESULT.with_name("quantities.json")
_SHARES = ("0.1", "0.2", "0.4", "0.6")
_SHORT = ("0.1", "0.2", "0.4")
_BARS = {
    "r2": {"0.1": 0.75, "0.2": 0.88, "0.4": 0.95},
    "spearman": {"0.2": 0.93, "0.4": 0.97},
}


def main() -> None:
    """Write, or check, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, result = parser.parse_args().check, json.loads(RESULT.read_text())
    texts = {
        PAGE: {"forecast table": short_table(result), "forecast limits": limits(result)},
        FIGURES_PAGE: {"forecast figures": table(result)},
    }
    pages = {path: path.read_text() for path in texts}
    for path, marked in texts.items():
        for mark, text in marked.items():
            pages[path] = replaced(pages[path], mark, text)
    if check:
        sys.exit(any(path.read_text() != page for path, page in pages.items()))
    for path, page in pages.items():
        path.write_text(page)
    for name, chart in pictures().items():
        svg = vl_convert.vegalite_to_svg(chart.to_json())
        (DOCS / "images" / f"{name}.svg").write_text(svg + "\n")


def replaced(page: str, mark: str, text: str) -> str:
    """Replace what stands between a mark and the next end mark.

    Args:
        page: Markdown.
        mark: Start of the comment before it.
        text: Markdown.

    Returns:
        The page.
    """
    pattern = re.compile(rf"(<!-- {mark}[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def short_table(result: dict[str, Any]) -> str:
    """Tell the main figures, tasks left out.

    Args:
        result: As `forecast.json` holds it.

    Returns:
        Markdown.
    """
    split = result["held_out"]["task"]
    until = split["until_decided"]
    rows = [
        "| "
        + " | ".join([name, *(_told(of(split["by_share"][share])) for share in _SHORT), bar])
        + " |"
        for name, of, bar in _SHORT_ROWS
    ]
    models = ", ".join(f"{count} of {name}" for name, count in result["models"].items())
    return "\n".join(
        [
            f"{result['num_runs']} runs ({models}), {result['num_tasks']} tasks.",
            "",
            "| forecast made after | " + " | ".join(f"{float(s):.0%}" for s in _SHORT) + " | bar |",
            "|---" * (len(_SHORT) + 2) + "|",
            *rows,
            "",
            "| `--until decided` | | bar |",
            "|---|---|---|",
            f"| runs with a verdict | {until['decided']} of {until['num_runs']} | 60 % |",
            f"| wrong verdicts | {_wrong(until)} | 10 % |",
            f"| harmless runs called unsafe | {until['harmless_called_unsafe']} of {until['harmless']} | |",
            "| share of an unsafe run that is trained, mean | "
            f"{until['mean_share_of_an_unsafe_run_that_is_trained']:.1%} | 30 % |",
        ]
    )


def table(result: dict[str, Any]) -> str:
    """Tell the figures by share of the run, tasks left out and regions left out.

    Args:
        result: As `forecast.json` holds it.

    Returns:
        Markdown.
    """
    configs, models = (
        ", ".join(f"{name} {count}" for name, count in result[of].items())
        for of in ("configs", "models")
    )
    lines = [
        f"{result['num_runs']} runs of {result['num_tasks']} tasks ({models}; {configs}). In each cell: tasks left "
        "out / regions of configs left out.",
        "",
        "| share of the run's steps | "
        + " | ".join(f"{float(s):.0%}" for s in _SHARES)
        + " | bar |",
        "|---" * (len(_SHARES) + 2) + "|",
    ]
    splits = [result["held_out"][split]["by_share"] for split in ("task", "region")]
    for name, of, bar in _ROWS:
        cells = [" / ".join(_told(of(split[share])) for split in splits) for share in _SHARES]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {bar} |")
    until = [result["held_out"][split]["until_decided"] for split in ("task", "region")]
    lines += [
        "",
        "| `--until decided`, looks at 10, 20, 40 and 60 % | tasks left out | regions left out | bar |",
        "|---|---|---|---|",
        _until(
            "runs decided", until, lambda u: f"{u['decided']} of {u['num_runs']}", "60 % by 40 %"
        ),
        _until("wrong among them", until, _wrong, "at most 10 %"),
        _until(
            "mean share of an unsafe run that is trained",
            until,
            lambda u: f"{u['mean_share_of_an_unsafe_run_that_is_trained']:.3f}",
            "0.3",
        ),
        *_targets(result["target"]),
        *_ceiling(result),
        *_models_left_out(result["unseen_model_same_regime"]),
    ]
    return "\n".join(lines)


def _targets(found: dict[str, Any]) -> list[str]:
    """Tell how the change of the task itself is forecast."""
    rows = []
    for kind, name in (
        ("other_rows", "rows that are not trained on"),
        ("trained_rows", "rows that are"),
    ):
        splits = [found[split][kind] for split in ("task", "region")]
        rows += [
            f"| {name}: {what} | "
            + " | ".join(" / ".join(told.format(**s[share]) for s in splits) for share in _SHARES)
            + " |"
            for what, told in _TARGET_ROWS.items()
        ]
    head = "| the task itself, in nats per token | "
    return [
        "",
        head + " | ".join(f"{float(s):.0%}" for s in _SHARES) + " |",
        "|---" * 5 + "|",
        *rows,
    ]


_TARGET_ROWS = {
    "R2 (of the truncated run)": "{r2:.2f} ({truncated_r2:.2f})",
    "95 % interval of R2, tasks resampled": "{r2_interval_95[0]:.2f} to {r2_interval_95[1]:.2f}",
    "mean error (of the truncated run)": "{mean_error_nats:.2f} ({truncated_mean_error_nats:.2f})",
    "coverage of 90 % intervals": "{coverage_of_what_comes_after:.2f}",
}


def _ceiling(result: dict[str, Any]) -> list[str]:
    """Tell what no forecast can pass: a loss near its tolerance is undecided even after the run."""
    found, own = result["ceiling"], result["held_out"]["task"]["by_share"]
    runs = found["runs"]
    seeds = json.loads(QUANTITIES.read_text())["stories15m-cut"]
    told = seeds["seed_against_seed"]["probability"]["r2"]
    return [
        "",
        "| the ceiling | | share of it at 20 / 40 %, tasks left out | bar |",
        "|---|---|---|---|",
        f"| R2 of one seed's changes for another's ({seeds['num_pairs_of_seeds']} pairs) | {told:.2f} | "
        f"{own['0.2']['r2'] / told:.2f} / {own['0.4']['r2'] / told:.2f} | 0.9 |",
        f"| cells that the finished run itself decides at this risk, with the noise of its items | "
        f"{found['decided']:.0%} | {own['0.2']['decided']['share'] / found['decided']:.2f} / "
        f"{own['0.4']['decided']['share'] / found['decided']:.2f} | |",
        f"| runs that it decides | {runs['safe'] + runs['unsafe']} of {runs['num_runs']} | "
        f"{_verdicts(own['0.2'])} / {_verdicts(own['0.4'])} | |",
    ]


def _verdicts(each: dict[str, Any]) -> str:
    return f"{each['runs']['safe'] + each['runs']['unsafe']} runs"


def _models_left_out(found: dict[str, Any]) -> list[str]:
    """Tell how forecasts fare on models that no fitted run is of."""
    if not found:
        return []
    rows = [
        f"| {model} | {each['num_runs']} | {share:.0%} | {_told(own['r2'])} ({_ends(own['r2_interval_95'])}) | "
        f"{_share_and_wrong(own['decided'])} | {_told(own['coverage_of_what_comes_after']['all'])} |"
        for model, each in found.items()
        for share, own in ((0.2, each["by_share"]["0.2"]), (0.4, each["by_share"]["0.4"]))
    ]
    return [
        "",
        "| a model that no fitted run is of | runs | share | R2 (95 % interval, tasks resampled); bar 0.75 | cells decided (wrong); bar 40 % (10 %) | "
        "coverage |",
        "|---" * 6 + "|",
        *rows,
    ]


def _wrong(until: dict[str, Any]) -> str:
    """Tell the wrong ones, and the largest rate that they are compatible with (Clopper and Pearson 1934)."""
    wrong, decided = until["wrong"], until["decided"]
    most = float(scipy.stats.beta.ppf(0.95, wrong + 1, decided - wrong)) if decided > wrong else 1.0
    return f"{wrong} (a rate of at most {most:.0%}, 95 % confidence)"


def _until(name: str, until: list[dict[str, Any]], of: Any, bar: str) -> str:  # noqa: ANN401
    return f"| {name} | {of(until[0])} | {of(until[1])} | {bar} |"


def _bars(name: str) -> str:
    return ", ".join(f"{bar} at {float(share):.0%}" for share, bar in _BARS[name].items())


def _interval(each: dict[str, Any], name: str) -> str:
    return _ends(each["intervals_95"][name])


def _share_and_wrong(each: dict[str, Any]) -> str:
    wrong = "–" if each["wrong"] is None else f"{each['wrong']:.0%}"
    return f"{each['share']:.1%} ({wrong})"


def _thirds(each: dict[str, Any]) -> str:
    """Tell probabilities and what came, third by third."""
    return ", ".join(
        f"{third['predicted']:.2f} ({third['came']:.2f})" for third in each["reliability_by_thirds"]
    )


def _dropped(each: dict[str, Any]) -> str:
    return f"{each['unsafe_dropped']} ({each['harmless_dropped']} of {each['harmless']})"


_ROWS: tuple[tuple[str, Any, str], ...] = (
    ("R2 of the change, points", lambda f: f["r2"], _bars("r2")),
    ("… 95 % interval, tasks resampled", lambda f: _interval(f, "r2"), ""),
    ("R2 of the truncated run: the measured change, taken as it is", lambda f: f["truncated_run"]["r2"], ""),
    ("our gain in log density over the truncated run", lambda f: f["truncated_run"]["our_gain_in_log_density"], ""),
    ("… 95 % interval, tasks resampled", lambda f: "{:.2f} to {:.2f}".format(*f["truncated_run"]["interval_95"]), ""),
    ("Spearman", lambda f: f["spearman"], _bars("spearman")),
    ("… 95 % interval, tasks resampled", lambda f: _interval(f, "spearman"), ""),
    ("root mean square error, points", lambda f: f["rmse_points"], ""),
    ("coverage of 90 % intervals, of what comes after", lambda f: f["coverage_of_what_comes_after"]["all"],
     "0.85 to 0.95"),
    ("… changes below 1 point", lambda f: f["coverage_of_what_comes_after"]["below 1 point"], "same"),
    ("… 1 to 3 points", lambda f: f["coverage_of_what_comes_after"]["1 to 3 points"], "same"),
    ("… above", lambda f: f["coverage_of_what_comes_after"]["above"], "same"),
    ("… by the size of the forecast: below 1 point",
     lambda f: f["coverage_by_forecast_size"]["below 1 point"], ""),
    ("… 1 to 3 points", lambda f: f["coverage_by_forecast_size"]["1 to 3 points"], ""),
    ("… above", lambda f: f["coverage_by_forecast_size"]["above"], ""),
    ("capabilities that the base has: R2 (of the truncated run)", lambda f: _shown(f, "all_runs"), ""),
    ("… R2 less that of the truncated run: 95 % interval, tasks resampled", lambda f: _shown_gain(f, "all_runs"), ""),
    ("… cells decided (wrong)", lambda f: _share_and_wrong(f["shown"]["all_runs"]["decided"]), ""),
    ("… R2 on runs made after the law was chosen (of the truncated run)", lambda f: _shown(f, "later_runs"), ""),
    ("… the same less that of the truncated run: 95 % interval", lambda f: _shown_gain(f, "later_runs"), ""),
    ("Brier skill", lambda f: f["brier_skill"], "0.6"),
    ("cells decided at risk 0.1 (wrong)", lambda f: _share_and_wrong(f["decided"]),
     "60 % at 20 %, 80 % at 40 % (7 %)"),
    ("… 95 % interval of the share, tasks resampled", lambda f: _interval(f, "decided"), ""),
    ("P(any required capability lost): mean in the lowest, middle and highest third of the runs; share that lost one",
     lambda f: _thirds(f["any_lost"]), ""),
    ("… Brier skill", lambda f: f["any_lost"]["brier_skill"], ""),
    ("unsafe runs dropped by `compare` (harmless runs dropped)", lambda f: _dropped(f["any_lost"]), ""),
    ("pairs of configs ordered right", lambda f: f["pairs_ordered_right"]["share"], "0.95"),
    ("texts: R2 of nats per token", lambda f: f["texts"]["r2"], ""),
)  # fmt: skip


_SHORT_ROWS: tuple[tuple[str, Any, str], ...] = (
    ("R2 of the change, in points", lambda f: f["r2"], _bars("r2")),
    ("rank correlation (Spearman)", lambda f: f["spearman"], _bars("spearman")),
    ("90 % intervals that hold what came", lambda f: f"{f['coverage_of_what_comes_after']['all']:.0%}", "85 to 95 %"),
    ("capabilities decided at risk 0.1", lambda f: f"{f['decided']['share']:.1%}", "60 % at 20%, 80 % at 40%"),
    ("wrong among these", lambda f: f"{f['decided']['wrong']:.0%}", "7 %"),
    ("R2 of capabilities that the base has (of a truncated run)", lambda f: _shown(f, "all_runs"), ""),
    ("these decided (wrong)", lambda f: _share_and_wrong(f["shown"]["all_runs"]["decided"]), ""),
    ("Brier skill of P", lambda f: f["brier_skill"], "0.6"),
    ("pairs of configs in the right order", lambda f: f"{f['pairs_ordered_right']['share']:.0%}", "95 %"),
)  # fmt: skip


def limits(result: dict[str, Any]) -> str:
    """Tell where it fails, as far as figures say it.

    Args:
        result: As `forecast.json` holds it.

    Returns:
        Markdown.
    """
    unseen = result["unseen_model"]
    models = ", ".join(sorted(result["models"]))
    any_lost = result["held_out"]["task"]["by_share"]["0.2"]["any_lost"]
    thirds, harmless = any_lost["reliability_by_thirds"], any_lost["harmless"]
    said = ", ".join(f"{third['predicted']:.2f}" for third in thirds)
    came = ", ".join(f"{third['came']:.0%}" for third in thirds)
    return "\n".join(
        [
            _later(result["held_out"]["task"]["by_share"]["0.2"]["shown"]),
            f"- **Few runs.** {result['num_runs']} runs of {models}; no figure here has an interval that is narrow.",
            "- **A run can change course.** With instruction data for code at 3e-4, commonsense had lost 16 points after "
            "a fifth of the run, 3 after three tenths, and 8 at the end.",
            f"- **Only {harmless} runs lost none**, so small probabilities are hardly tested. At 20 % of the steps P(any required "
            f"capability lost) had the means {said} in the thirds of the runs; {came} lost one.",
            f"- **A fit to another model in another regime** (SmolLM2-135M, short runs) has R2 {unseen['0.2']['r2']} at "
            f"20 % and covers {unseen['0.2']['coverage_of_what_comes_after']['all']:.0%}: too wide, so it decides "
            f"{unseen['0.2']['decided']['share']:.0%} of cells there.",
            f"- **On your model** the median is the measured change: growth and healing hold for the models that they were fitted to "
            f"({_grown_models()}). The spread is that of models left out. `driftline calibrate` with your own runs "
            "narrows it, and fits growth and healing of your model if four tasks show them.",
            f"- **One model makes most of it.** {_share_of_one_model()}",
        ]
    )


def _later(shown: dict[str, Any]) -> str:
    every, later = shown["all_runs"]["num_runs"], shown.get("later_runs")
    first = every - (later["num_runs"] if later else 0)
    told = f"- **The law was chosen on {first} of these {every} runs**, so the figures flatter it."
    if not later:
        return told
    return (
        f"{told} On the {later['num_runs']} later runs ({later['num_cells']} capabilities that their base has) R2 at 20 % is "
        f"{later['r2']:.2f}, and {later['truncated_r2']:.2f} of a truncated run; the 95 % interval of the "
        f"difference, tasks resampled, is {_ends(later['gain_in_r2_interval_95'])}."
    )


def _shown(found: dict[str, Any], runs: str) -> str:
    """Tell R2 where the base has the capability, and that of the truncated run; a dash where there is no such run."""
    own = found["shown"].get(runs)
    if not own:
        return "–"
    cells = "" if runs == "all_runs" else f"; {own['num_runs']} runs, {own['num_cells']} cells"
    return f"{own['r2']:.2f} ({own['truncated_r2']:.2f}{cells})"


def _shown_gain(found: dict[str, Any], runs: str) -> str:
    own = found["shown"].get(runs)
    return _ends(own["gain_in_r2_interval_95"]) if own else "–"


def _ends(interval: list[float] | None) -> str:
    """Tell an interval; a dash where there is a single task."""
    return "–" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def _share_of_one_model() -> str:
    runs = benchmark_runs(read_records())
    cells = Counter(run.finished.probe.model for run in runs for _ in run.held)
    names = Counter(name for run in runs for name in run.held)
    (model, most), (*few,) = cells.most_common(1)[0], names.most_common(3)
    return (
        f"Of the {cells.total()} capabilities of runs that their base has, {most} are of {model}, mostly "
        f"{', '.join(name for name, _ in few)}."
    )


def _grown_models() -> str:
    fits = FittedForecasters.from_json(FITS.read_text(encoding="utf-8"), origin=str(FITS))
    known = {run.probe.model_digest: run.probe.model for run in calibration().runs}
    return ", ".join(known[digest] for digest in fits.capabilities.own.get("probability", {}))


def pictures() -> dict[str, altair.LayerChart]:
    """Draw forecast against end, and probability against what came, at a fifth of the run."""
    runs = benchmark_runs(read_records())
    cells = [
        cell
        for _, probe, cell in held_out_cells(runs, SPLITS["task"])
        if probe == "0.2" and cell.metric == "probability"
    ]
    points = [
        {"forecast": -100 * c.forecast.value, "came": -100 * c.actual, "config": c.run.config}
        for c in cells
    ]
    scatter = (
        altair.Chart(altair.InlineData(values=points))
        .mark_circle(size=30, opacity=0.7)
        .encode(
            x=altair.X("forecast:Q", title="forecast change, points"),
            y=altair.Y("came:Q", title="change that came, points"),
            color="config:N",
        )
        .properties(width=360, height=300)
    )
    bins = json.loads(RESULT.read_text())["held_out"]["task"]["by_share"]["0.2"]
    reliability = (
        altair.Chart(altair.InlineData(values=bins["reliability_by_fifths"]))
        .mark_line(point=True)
        .encode(
            x=altair.X("predicted:Q", title="P of a loss beyond the tolerance"),
            y=altair.Y("came:Q", title="share that came"),
        )
        .properties(width=360, height=300)
    )
    return {
        "forecast-realistic": _with_diagonal(scatter, -30, 10),
        "forecast-reliability": _with_diagonal(reliability, 0, 1),
    }


def _with_diagonal(chart: altair.Chart, low: float, high: float) -> altair.LayerChart:
    ends = altair.InlineData(values=[{"v": low}, {"v": high}])
    line = altair.Chart(ends).mark_line(color="gray", strokeDash=[4, 4]).encode(x="v:Q", y="v:Q")
    layered: altair.LayerChart = line + chart
    return layered


def _told(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.2f}"


if __name__ == "__main__":
    main()
