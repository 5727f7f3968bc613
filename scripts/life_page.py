"""Fill docs/guides/one-life.md from the recorded lives.

python -m scripts.life_page           # writes the page
python -m scripts.life_page --check   # exit code 1 if the page is not what the lives say

A mark such as `<!-- life: stories assess -->` begins a part that is written from `evidence/life/stories.json`,
and `<!-- end life -->` ends it. The second word of a mark is a step, `commands`, `settings`, `sizes`, `total` or `table`.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from typing import Any

from scripts.life_agreement import comparisons
from scripts.results_table import ROOT

PAGE = ROOT / "docs" / "guides" / "one-life.md"
LIVES = ROOT / "evidence" / "life"
_PART = re.compile(r"(<!-- life: (\S+) (\S+) -->\n).*?(<!-- end life -->)", re.DOTALL)


def main() -> None:
    """Write, or check, the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args().check
    if not is_stale():
        return
    if is_check:
        sys.exit(fault())
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def is_stale() -> bool:
    """Tell whether the page is not what the lives say."""
    page = PAGE.read_text(encoding="utf-8")
    return filled(page) != page


def fault() -> str:
    """Say how to write the page."""
    return f"{PAGE.name}: stale; run python -m scripts.life_page"


def filled(page: str) -> str:
    """Write every part of the page anew.

    Args:
        page: Markdown with marks.

    Returns:
        The page; text outside of the marks is kept.

    Raises:
        KeyError: A mark names no step of its life.
        FileNotFoundError: A mark names no recorded life.
    """
    return _PART.sub(lambda mark: f"{mark[1]}\n{_part(mark[2], mark[3])}\n\n{mark[4]}", page)


def _part(life: str, what: str) -> str:
    record = json.loads((LIVES / f"{life}.json").read_text(encoding="utf-8"))
    make = _PARTS.get(what)
    return _step(record["steps"][what]) if make is None else make(record)


def _step(step: dict[str, Any]) -> str:
    return (
        f"    {step['command']}\n\n```text\n{_first_screen(step)}\n```\n\n"
        f"Exit code {step['exit_code']}, {_minutes(step)} minutes."
    )


def _first_screen(step: dict[str, Any]) -> str:
    """Take the lines before the caveats: verdict, figures and what to do."""
    lines = step["text"].strip().splitlines()
    ends = (i for i, line in enumerate(lines) if re.match(r"\[|Steps |Report: ", line))
    return "\n".join(lines[: next(ends, len(lines))])


def _verdict(step: dict[str, Any]) -> str:
    """Take the first sentence, which goes on in indented lines."""
    first = re.match(r".*(?:\n +.*)*", _first_screen(step))
    return " ".join(first[0].split()) if first else ""


def _settings(record: dict[str, Any]) -> str:
    settings = record["documents"]["plan"]["settings"]
    rows = [(each["lever"], each["value"], each["plain"]) for each in settings]
    return _table(("lever", "protocol", "plain training"), rows)


def _sizes(record: dict[str, Any]) -> str:
    sizes = record["sizes"]
    rows = [
        ("pairs of Tatoeba to train on, others", f"{sizes['rows']}, {sizes['unseen_rows']}"),
        ("minimal pairs of each kind of grammar in `own.yaml`", sizes["own_items"]),
        ("others in `other.yaml`", sizes["other_items"]),
        ("learning rate", f"{sizes['learning_rate']:.0e}".replace("e-0", "e-")),
        ("steps, rows a step", f"{sizes['steps']}, {record['config']['per_device_train_batch_size']}"),
        ("trials of `plan`", sizes["trials"]),
        ("items of each that `repair` takes", sizes["repair_items"]),
    ]  # fmt: skip
    return _table(("input", "size"), rows)


def _commands(record: dict[str, Any]) -> str:
    rows = [
        (f"`{name}`", step["exit_code"], _verdict(step), _minutes(step))
        for name, step in record["steps"].items()
    ]
    return _table(("step", "exit code", "verdict", "minutes"), rows)


def _total(record: dict[str, Any]) -> str:
    seconds = sum(step["cpu_seconds"] for step in record["steps"].values())
    return f"These steps took {seconds / 60:.0f} minutes of one core."


def _agreements(record: dict[str, Any]) -> str:
    rows = [
        (f"`{each.step}`", each.said, f"`{each.other}`", each.measured, each.agrees)
        for each in comparisons(record)
    ]
    return _table(("step", "said", "next step", "measured", "agrees"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _minutes(step: dict[str, Any]) -> str:
    minutes = step["cpu_seconds"] / 60
    return "less than 0.1" if minutes < 0.05 else f"{minutes:.1f}"


_PARTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "commands": _commands,
    "settings": _settings,
    "sizes": _sizes,
    "table": _agreements,
    "total": _total,
}

if __name__ == "__main__":
    main()
