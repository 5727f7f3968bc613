"""Wording for a diff: orders, words and the headline that all its renderings share."""

from collections.abc import Iterable, Sequence

from ..documents import ChangeGroup, TensorChange, WeightDiff
from ._merges import merge_headline
from ._readings import clean, number, percent

MOST = 0.5
"""The share of the squared change that a headline places."""
NUM_NAMED = 4


def weight_diff_headline(diff: WeightDiff) -> str:
    """Describe the update in one line; the word before the colon is its kind.

    Args:
        diff: Document to describe.

    Returns:
        `IDENTICAL`, `UNCHANGED` (but for rounding), `MOVED`, or `AT ROUNDING` where no change rises
        above it. Before it, what limits it: `BROKEN` where weights are not finite, `INCOMPLETE`
        where weights have no partner, and with an adapter whether the merged model holds it.
    """
    limits = [] if diff.merge is None else [merge_headline(diff.merge)]
    if diff.lone_parts:
        limits.append(f"INCOMPLETE: {lone_line(diff)}")
    if diff.not_finite:
        names = _some([bad.name for bad in diff.not_finite])
        limits.append(
            f"BROKEN: {len(diff.not_finite)} weight{'s hold' if len(diff.not_finite) > 1 else ' holds'} NaN or infinity ({names})"
        )
    told = [*limits, _movement(diff, is_rest=bool(limits))]
    if diff.changed_beside and (diff.changes or limits):
        told.append(_beside_line(diff))
    return "; ".join(told)


def lone_line(diff: WeightDiff) -> str:
    """Describe the weights without a partner, with their shares of the parameters of their side."""
    missing = {"base": diff.missing_in_base, "tuned": diff.missing_in_tuned}
    told = []
    for side, other, alone in (
        ("base", "tuned", diff.only_in_base),
        ("tuned", "base", diff.only_in_tuned),
    ):
        model = "the base" if side == "base" else "the tuned model"
        if names := missing[side]:
            told.append(
                f"{len(names)} weights that the config of {model} asks for are missing in its files "
                f"({_some(names)})"
            )
        # What the other side lacks by its own config is told there.
        if names := tuple(name for name in alone if name not in missing[other]):
            parts = [p for p in diff.lone_parts if p.side == side and not p.is_missing]
            share = sum(part.share for part in parts)
            places = _some([part.name for part in parts])
            told.append(
                f"{len(names)} weights of {model}, {percent(share)} of its parameters, have no "
                f"partner ({places})"
            )
    return "; ".join(told)


def _movement(diff: WeightDiff, *, is_rest: bool) -> str:
    total = diff.total
    if not diff.changes:
        return _stillness(diff, is_rest=is_rest)
    word = "AT ROUNDING" if all(c.at_rounding for c in diff.changes) else "MOVED"
    roles = [clean(g.role or "") for g in most_of(diff.by_role)]
    places = f"most of the squared change is in {', '.join(roles)}"
    inside = [g for g in diff.by_layer if g.layer is not None]
    layers = sorted(g.layer for g in most_of(inside) if g.layer is not None)
    if layers:
        noun = "layer" if len(layers) == 1 else "layers"
        places += f"; within the layers, most is in {noun} {spans(layers)} of {len(inside)}"
    return (
        f"{word}: relative change {percent(total.relative_change)}, {total.num_changed} of "
        f"{total.num_weights} weights; {places}"
    )


def _stillness(diff: WeightDiff, *, is_rest: bool) -> str:
    num, rounded = diff.total.num_weights, diff.num_rounded_copies
    but = f", but for the rounding of {rounded} to another dtype" if rounded else ""
    if is_rest:
        # A word of its own would read as the verdict on the whole.
        return (
            f"the other {num} weights are equal{but}" if diff.merge is None else f"{num} equal{but}"
        )
    if diff.changed_beside:
        return f"MOVED: {_beside_line(diff)}; all {num} weights are equal{but}"
    if diff.provenance.tuned.kind == "adapter":
        return f"UNCHANGED: the adapter changes none of {num} weights"
    return f"{'UNCHANGED' if rounded else 'IDENTICAL'}: all {num} weights are equal{but}"


def _beside_line(diff: WeightDiff) -> str:
    names = diff.changed_beside
    subject = "tensor that is no weight" if len(names) == 1 else "tensors that are no weights"
    verb = "differs" if len(names) == 1 else "differ"
    return f"{len(names)} {subject} of the model's class {verb} ({_some(names)})"


def most_of(groups: Sequence[ChangeGroup]) -> list[ChangeGroup]:
    """Return the fewest groups that hold half of the total, the largest first."""
    whole = sum(group.share or 0.0 for group in groups)
    held, result = 0.0, []
    for group in sorted(groups, key=lambda group: -(group.share or 0.0)):
        if held >= MOST * whole:
            break
        held += group.share or 0.0
        result.append(group)
    return result


def spans(numbers: Iterable[int]) -> str:
    """Join neighbouring numbers of an ascending list into ranges.

    >>> spans([0, 3, 4, 5, 9])
    '0, 3-5, 9'

    Args:
        numbers: In ascending order.
    """
    runs: list[list[int]] = []
    for value in numbers:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def movers(diff: WeightDiff) -> list[TensorChange]:
    """Return the weights that moved, the largest relative change first; from zero before all."""
    return sorted(
        diff.changes,
        key=lambda c: (c.relative_change is not None, -(c.relative_change or 0.0), c.name),
    )


def count_lines(diff: WeightDiff) -> list[str]:
    """Count the other weights: unchanged, on one side only, tied."""
    total = diff.total
    lines = []
    if unmoved := total.num_weights - total.num_changed:
        rounded = diff.num_rounded_copies
        more = f" ({rounded} of them rounded to another dtype)" if rounded else ""
        lines.append(f"unchanged: {unmoved} of {total.num_weights} weights{more}")
    for what, names in (
        ("only in the base", diff.only_in_base),
        ("only in the tuned model", diff.only_in_tuned),
        ("different, but no weights of the model's class", diff.changed_beside),
        ("missing in the base, by its config", diff.missing_in_base),
        ("missing in the tuned model, by its config", diff.missing_in_tuned),
        ("tied to the embedding, counted there", diff.tied),
    ):
        if names:
            lines.append(f"{what}: {_some(names)}")
    return lines


def rank_cells(change: TensorChange) -> tuple[str, str, str, str]:
    """Format effective, stable and energy rank and the number of intruders."""
    result, intruders = change.spectrum, change.intruders
    about = "" if result is None or result.is_exact else "~"
    ranks = (
        (result.effective_rank, result.stable_rank, result.energy_rank) if result else (None,) * 3
    )
    cells = [about + number(rank) if rank is not None else number(rank) for rank in ranks[:2]]
    energy = number(None) if ranks[2] is None else f"{about}{ranks[2]}"
    return (
        cells[0],
        cells[1],
        energy,
        number(None) if intruders is None else str(intruders.num_intruders),
    )


def gaps(diff: WeightDiff) -> list[str]:
    """List the reasons for missing numbers, each once, with the number of weights."""
    counts: dict[str, int] = {}
    for c in diff.changes:
        own = (c.spectrum_reason, c.intruders_reason, c.spectrum.reason if c.spectrum else None)
        for reason in dict.fromkeys(r for r in own if r is not None):
            counts[reason] = counts.get(reason, 0) + 1
    return [f"{clean(reason)} ({count} weights)" for reason, count in counts.items()]


def cost_line(diff: WeightDiff) -> str:
    """Say how much the comparison read, and how long it took."""
    return f"{diff.num_bytes / 1e9:,.2f} GB of weights, {diff.wall_seconds:,.1f} s"


def _some(names: Sequence[str]) -> str:
    """Name the first few, and count the others."""
    told = ", ".join(clean(name) for name in names[:NUM_NAMED])
    return told + (f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else "")
