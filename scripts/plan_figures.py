"""Statements of the plan's page about tuned methods at equal compute, from the held-out comparison."""

from collections.abc import Callable, Iterator
from typing import Any

from scripts.statements import Statement, fixed

PAGE, SOURCE = "docs/plan.md", "evidence/protocols/held_out.json"
FIRST, SECOND = ("code", "math"), ("scenes", "novels")
"""Tasks of the two comparisons, in the order of the columns."""
_METHODS = {
    "full": "full fine-tuning", "lora": "LoRA", "l2_sp": "L2-SP", "kl_to_base": "KL to the base",
    "replay_self": "self-generated replay",
}  # fmt: skip
_CLAIMS = {"shown": "shown", "refuted": "refuted", "undecided": "neither shown nor refuted"}


def statements(read: Callable[[str], Any]) -> Iterator[Statement]:
    """Make every statement.

    Args:
        read: Reads a committed result by its path.

    Yields:
        Each.
    """
    found = read(SOURCE)
    for tasks in (SECOND, FIRST):
        for method in ("plan", *_METHODS):
            words = _METHODS.get(method, "**plan**")
            cells = " | ".join(_cells(found[task], method) for task in tasks)
            yield Statement(PAGE, f"| {words} | {cells} |", SOURCE)
    for task in SECOND:
        each = found[task]
        best, ended = each["over_the_best"], sum(s == "finished" for s in each["plan"]["trials"])
        used = each["tokens"]["plan"] / each["tokens"]["full"]
        yield Statement(
            PAGE,
            f"| {task} | {_METHODS[each['best_single_method']]} | {_ratio(best)} | {_CLAIMS[each['claim']]} | "
            f"{ended} of {len(each['plan']['trials'])} | {100 * used:.0f} % | {each['plan']['verdict']} | "
            f"{fixed(each['front_over_the_best'], 2)} |",
            SOURCE,
        )
    again = found["math"]["with_the_whole_budget_for_the_search"]
    yield Statement(
        PAGE,
        f"the same budget gave a gain of {fixed(again['gain'], 2)}, {_ratio(again['over_the_best'])} times the best "
        f"method's, with a worst loss of {fixed(again['worst_loss'], 2)} against "
        f"{fixed(found['math']['worst_loss'][found['math']['best_single_method']], 2)}",
        SOURCE,
    )


def _cells(found: dict[str, Any], method: str) -> str:
    ratio = "" if method == "plan" else _ratio(found["over_each"][method])
    return f"{fixed(found['gain'][method], 2)} | {fixed(found['worst_loss'][method], 2)} | {ratio}"


def _ratio(found: dict[str, float]) -> str:
    low, high = fixed(found["low"], 2), fixed(found["high"], 2)
    return f"{fixed(found['value'], 2)} ({low} to {high})"
