"""First screens of comparisons: which checkpoint to take, which config to train."""

from ....results import ComparedConfig, Comparison, ConfigComparison
from ....results.readings import (
    alpha_after_choice,
    caveats_of_run,
    clean,
    comparison_headline,
    config_comparison_headline,
    fall,
    in_points,
    in_tolerances,
    lacks_what_is_required,
    number,
    standing_caveats,
)
from ...tables import checkpoints_table, configs_table
from .._columns import table_lines
from ._claim_screens import claims_sentence
from ._screen import Screen


def comparison_screen(document: Comparison) -> Screen:
    """Say which checkpoint to take."""
    shown = in_points(document)
    actions = {
        "pass": f"take {clean(document.recommended or '')}, and certify it {_how(document)}.",
        "fail": "tune again with a milder protocol: none of these keeps what it must.",
        "inconclusive": "compare on more items.",
    }
    rows = table_lines(checkpoints_table(shown))
    return Screen(
        document.verdict.upper(), comparison_headline(shown), _worst_claim(shown), actions[document.verdict], rows=tuple(rows),
        caveats=caveats_of_run(document.caveats), num_standing=len(standing_caveats(document.caveats)),
    )  # fmt: skip


def _how(document: Comparison) -> str:
    level = alpha_after_choice(document)
    return (
        "before you ship it"
        if level is None
        else f"at alpha {level:g}, for it was chosen among {sum(not row.is_base for row in document.checkpoints)}"
    )


def _worst_claim(document: Comparison) -> str | None:
    """Say the largest loss of the checkpoint to take, or of the one that lost least."""
    rows = [row for row in document.checkpoints if row.worst_loss is not None and not row.is_base]
    if not rows:
        return None
    named = (row for row in rows if row.label == document.recommended)
    row = next(named, min(rows, key=lambda each: each.worst_loss or 0.0))
    sentence = claims_sentence(row.claims)
    return sentence and f"{clean(row.label)}: {sentence.partition(': ')[2]}"


def _worst_forecast(document: ConfigComparison) -> str | None:
    """Say the largest predicted loss of the config to train, or of the safest."""
    label = document.recommended or document.safest
    row: ComparedConfig = next(each for each in document.configs if each.label == label)
    each = next((f for f in row.forecast if f.capability == row.worst_capability), None)
    if each is None or row.worst_loss is None or row.worst_capability is None:
        return None
    change = number(fall(row.worst_loss * each.tolerance), signed=True)
    text = (
        f"{clean(label)}: {clean(row.worst_capability)} is predicted to change by {change} "
        f"{clean(each.unit)}"
    )
    times = in_tolerances(row.worst_loss, 1.0) if row.worst_loss > 0 else None
    return f"{text}, {times} the {number(each.tolerance)} that you accept." if times else f"{text}."


def config_comparison_screen(document: ConfigComparison) -> Screen:
    """Say which config to train."""
    shown = in_points(document)
    actions = {
        "pass": f"train {clean(document.recommended or document.safest)}, with the monitor on.",
        "fail": "lower the learning rates: none of these configs is safe.",
        "inconclusive": f"forecast {clean(document.safest)} with `--until decided`.",
    }
    action = actions[document.verdict]
    if lacks_what_is_required(document):
        action = "give items that the base can answer, or mark the capability `required: false`."
    rows = table_lines(configs_table(shown))
    return Screen(
        document.verdict.upper(), config_comparison_headline(shown), _worst_forecast(shown), action,
        rows=tuple(rows), caveats=caveats_of_run(document.caveats),
        num_standing=len(standing_caveats(document.caveats)),
    )  # fmt: skip
