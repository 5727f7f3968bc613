"""Write the table of results into README.md and docs/results.md.

python -m scripts.results_table           # writes both pages
python -m scripts.results_table --check   # exit code 1 if a page is not what the results say

Every figure comes from a committed result.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.plan_figures import FIRST, SECOND

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
_SHARE = "0.2"
"""Of a run's steps: the probe's default."""


@dataclass(frozen=True)
class Row:
    """One claim, its bar, and what was measured."""

    claim: str
    bar: str
    measured: str
    is_met: bool | None
    """None: no bar was set."""
    page: str
    """That tells it whole, from the root of the repository."""

    def told(self, place: str) -> str:
        """Show the row on a page.

        Args:
            place: The page's folder: an empty text for the root, or `docs`.

        Returns:
            A line of Markdown.
        """
        met = {True: "met", False: "**missed**", None: "–"}[self.is_met]
        page = self.page if not place else _from_docs(self.page)
        return f"| [{self.claim}]({page}) | {self.bar} | {self.measured} | {met} |"


def main() -> None:
    """Write, or check, the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    stale = stale_pages()
    if parser.parse_args().check and stale:
        sys.exit(fault(stale))
    for path, made in stale.items():
        path.write_text(made, encoding="utf-8")


def stale_pages() -> dict[Path, str]:
    """Find the pages whose table is not that of the results.

    Returns:
        Each page, and its text with the right table.
    """
    rows, stale = results(), {}
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        made = with_table(page, rows, "" if path.parent == ROOT else "docs")
        if made != page:
            stale[path] = made
    return stale


def fault(stale: Iterable[Path]) -> str:
    """Say which pages are stale, and how to write them."""
    names = ", ".join(path.name for path in stale)
    return f"{names}: stale; run python -m scripts.results_table"


def with_table(page: str, rows: list[Row], place: str) -> str:
    """Put the table between its marks.

    Args:
        page: Markdown with both marks.
        rows: The claims.
        place: As for `Row.told`.

    Returns:
        The page.

    Raises:
        ValueError: The marks are missing.
    """
    head = ["| claim | bar | measured | |", "|---|---|---|---|"]
    table = "\n".join(head + [row.told(place) for row in rows])
    made, count = re.subn(
        r"(<!-- results: [^\n]*-->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{table}\n{found[2]}",
        page,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError("the marks <!-- results: … --> and <!-- end --> must be there once")
    return made


def results() -> list[Row]:
    """Read the committed results.

    Returns:
        The claims, in the order of a fine-tuning run.
    """
    return [
        *_forecast(), _busy_machine(), _path_margin(), _map(), _monitor("stories15m"), _looks_ahead("minimind2-small"), _looks_ahead("smollm2-135m"),
        _healthy(), _certificate(), _plan(), _front(), _held_out(SECOND, "two fresh tasks"),
        _held_out(FIRST, "two earlier tasks, an earlier search"), _retention(),
        _repair(),
    ]  # fmt: skip


def _forecast() -> list[Row]:
    found, page = _read("evidence/realistic/forecast.json"), "docs/forecast.md"
    by_split = [found["held_out"][split]["by_share"][_SHARE] for split in ("task", "region")]
    later = by_split[0]["shown"].get("later_runs", {"num_runs": 0})["num_runs"]
    runs = f"{found['num_runs']} runs; the law was chosen on {found['num_runs'] - later} of them"
    r2 = [each["r2"] for each in by_split]
    ranks = [each["spearman"] for each in by_split]
    covered = [each["coverage_of_what_comes_after"]["all"] for each in by_split]
    decided = [each["decided"]["share"] for each in by_split]
    wrong = [each["decided"]["wrong"] for each in by_split]
    lowest, highest = 0.85, 0.95
    return [
        Row("Forecast after 20 % of the steps: R2 of the change", f"{_bar('R2', '20%'):g}",
            f"{_both(r2)} ({runs})", min(r2) >= _bar("R2", "20%"), page),
        Row("the same, rank correlation", f"{_bar('Spearman', '20%'):g}", _both(ranks, digits=3),
            min(ranks) >= _bar("Spearman", "20%"), page),
        Row("90 % intervals cover", f"{lowest} to {highest}", _both(covered),
            all(lowest <= round(each, 2) <= highest for each in covered), page),
        Row("capabilities decided after 20 %", "60 %", _both(decided, percent=True), min(decided) >= 0.6, page),
        Row("wrong among the decided", "at most 7 %", _both(wrong, percent=True), max(wrong) <= 0.07, page),
    ]  # fmt: skip


def _bar(name: str, share: str) -> float:
    """Read a bar from the generated table of all figures of the forecast.

    Args:
        name: Start of the row.
        share: Of the run's steps, as the table writes it.

    Returns:
        The bar.

    Raises:
        ValueError: The table has no such bar.
    """
    page = (ROOT / "docs/forecast-figures.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith(f"| {name}"))
    if found := re.search(rf"([0-9.]+) at {share}", line):
        return float(found[1])
    raise ValueError(f"docs/forecast-figures.md: no bar for {name} at {share}")


def _path_margin() -> Row:
    found = _read("evidence/path_margin/result.json")
    false = f"{found['of_the_never_called_passing']} of {found['num_never_passed']}"
    return Row("Path margin: the first loss comes at a step inside its interval", "–",
               f"{found['first_inside']} runs; {false} that never passed were called passing", None,
               "docs/concepts/path-margin.md")  # fmt: skip


def _map() -> Row:
    found = _read("evidence/protection/result.json")["ratios_on_fresh_seeds"]["all"]
    ratio = found["random"]["geometric_mean"]
    return Row("Map: forgetting with its quarter frozen, over a random quarter frozen", "at most 0.5",
               f"{ratio:.2f}", ratio <= 0.5, "docs/fragility.md")  # fmt: skip


def _monitor(model: str) -> Row:
    found = _monitored(model)
    timely, count = found["alarm_before_twice"], found["damaged_runs"]
    return Row(f"Monitor: alarm before twice the tolerance ({model})", "every damaged run",
               f"{timely} of {count}", timely == count, "docs/monitor.md")  # fmt: skip


def _looks_ahead(model: str) -> Row:
    found = next(e for e in _read("evidence/monitor/ahead/result.json") if e["model"] == model)
    timely, count = found["alarm_before_twice"], found["lost_twice_the_tolerance"]
    return Row(f"Monitor that looks ahead: alarm before twice the tolerance ({model})",
               "6 of 8 damaged runs", f"{timely} of {count}", timely >= 0.75 * count,
               "docs/monitor.md")  # fmt: skip


def _healthy() -> Row:
    found = _monitored("stories15m")
    accused = {*found["healthy_accused_measured"], *found["healthy_accused_by_evidence"]}
    return Row("healthy runs that are accused", "none", f"{len(accused)} of {found['healthy_runs']}",
               not accused, "docs/monitor.md")  # fmt: skip


def _monitored(model: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = _read("evidence/monitor/result.json")
    return next(each for each in found if each["model"] == model)


def _certificate() -> Row:
    found = _read("benchmarks/results/certification_errors.json")
    worst = max(
        error
        for cell, values in found.items()
        if cell.startswith("flips")
        for name, error in values.items()
        if name.startswith("pvalue_error")
    )
    return Row("Certificate: chance that a model passes which lost just the margin (exact test)", "at most 5 %",
               f"{100 * worst:.3f} %", worst <= 0.05, "docs/certify.md")  # fmt: skip


def _plan() -> Row:
    found = _protocols()["summary"]
    halves = [
        max(each[rival]["of_means"] for rival in ("full", "lora")) <= 0.5
        for each in found["ratio_by_task"].values()
    ]
    measured = f"{sum(halves)} of {len(halves)} tasks ({found['at_most_half_of_lora_and_full']} of {found['num_plans']} plans)"
    return Row("Plan: at equal gain, at most half the loss of tuned full fine-tuning and LoRA", "every task",
               measured, all(halves), "evidence/README.md#protocols")  # fmt: skip


def _front() -> Row:
    ratios = []
    for each in _protocols()["plans"]:
        areas = each["hypervolume"]["1"]
        ratios.append(areas["plan"] / max(area for name, area in areas.items() if name != "plan"))
    return Row("Plan: area of its front over the best single method's", "1.10",
               f"{min(ratios):.2f} to {max(ratios):.2f}", min(ratios) >= 1.1,
               "evidence/README.md#protocols")  # fmt: skip


def _protocols() -> dict[str, Any]:
    found: dict[str, Any] = _read("evidence/protocols/result.json")["stories15m"]
    return found


def _held_out(tasks: tuple[str, ...], words: str) -> Row:
    found = _read("evidence/protocols/held_out.json")
    rows = {task: found[task] for task in tasks}
    told = [
        f"{task}: {each['over_the_best']['value']:.2f} ({each['over_the_best']['low']:.2f} to "
        f"{each['over_the_best']['high']:.2f})"
        for task, each in rows.items()
    ]
    is_met = all(each["claim"] == "shown" for each in rows.values())
    claim = f"Plan: gain over the best single method's at equal compute, {words}"
    return Row(claim, "1.10", "; ".join(told), is_met, "docs/plan.md")


def _busy_machine() -> Row:
    found = _read("benchmarks/results/busy_machine.json")["forecast"]
    return Row("Slowdown of a forecast when every core is busy", "at most 2.2",
               f"{found['ratio']['forecast']:g}", found["meets_the_bar"], "docs/costs.md")  # fmt: skip


def _retention() -> Row:
    counts = _read("benchmarks/results/retention_bound.json")["counts"].values()
    held = sum(each["mean_within_tolerance"] for each in counts)
    moved = sum(each["with_an_update"] for each in counts)
    return Row("Plan and repair: every mean loss within its tolerance on unseen items", "27 of 30",
               f"{held} of {moved}", held >= 0.9 * moved, "docs/plan.md")  # fmt: skip


def _repair() -> Row:
    found = _read("evidence/repair/result.json")
    bar = found["bar"]
    limited = [each for each in found["repairs"] if each["limit"] == "cost-5"]
    good = sum(each["meets_bar"] for each in limited)
    return Row(
        f"Repair: gives {bar['given_back']:.0%} back for at most {bar['gain_given_up']:.0%} of the gain".replace("%", " %"),
        "3 models", f"{good} of {len(limited)}", good >= 3, "docs/repair.md")  # fmt: skip


def _both(values: list[float], *, percent: bool = False, digits: int = 2) -> str:
    told = [
        f"{each:.1%}".replace("%", " %") if percent else f"{each:.{digits}f}" for each in values
    ]
    return " / ".join(told)


def _from_docs(page: str) -> str:
    return page.removeprefix("docs/") if page.startswith("docs/") else f"../{page}"


def _read(path: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
