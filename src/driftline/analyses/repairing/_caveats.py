"""Limitations of a repair, for the document itself."""

from collections.abc import Iterator

from ...results import Numerics, RepairedModel
from ._repair_document import RepairOutcome
from ._scale_search import RepairSearch

_SPLIT = (
    "Items that chose the scales are in no claim, no share given back and no share of the gain on "
    "this page but the search's own tables and chart, whose numbers are optimistic: they are the "
    "best of {num} looks."
)
_CLAIMS = (
    "Claims are those of a certification, on half of the items or more, with the weights as they "
    "were written. More items settle more; certify it again on a suite that this search never saw."
)
_UNMET = (
    "No point of the search met the constraint with the gain that must be kept; the chosen one "
    "misses it by least."
)
_NO_TARGET = (
    "Without --data nothing is known of the target: the search kept as much of the update as it "
    "could, by its norm, which says little of what the update is good for."
)
_NOT_ALL_GAIN = (
    "Tuning did not improve the target on the examples that choose, so no gain was kept."
)
_LACKING = (
    "The base is not shown to have these by the items that choose, so that nothing was lost there that could be "
    "given back, and no verdict can be a pass while they are required: {reasons}. Or write `required: false`."
)
_NOTHING = "Tuning cost no required capability more than its tolerance on the items that choose."
_BASE = "No model was written: what was chosen is the base."
_ROUNDED = (
    "Each repaired weight is rounded once, to the dtype in which the tuned model stores it; what is "
    "claimed was scored after that."
)
_BFLOAT16 = "Products ran in bfloat16, for all models in the same batches."


def repair_caveats(
    search: RepairSearch,
    outcome: RepairOutcome,
    numerics: Numerics,
    alpha: float,
    *,
    output: RepairedModel | None,
) -> tuple[str, ...]:
    """Return the caveats of one repair, those that affect its verdict first."""
    best, tuned = search.best, search.looks[0]

    def chosen() -> Iterator[str]:
        if output is None:
            yield _BASE
        if not best.meets_all:
            yield _UNMET
        if search.ruler.target is None:
            yield _NO_TARGET
        elif tuned.gain_share is None:
            yield _NOT_ALL_GAIN
        if search.lacking:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in search.lacking.items())
            yield _LACKING.format(reasons=reasons)
        if not outcome.recovery.lost:
            yield _NOTHING
        yield _SPLIT.format(num=len(search.looks))
        yield _CLAIMS
        yield (
            f"Limits are one-sided at {1 - alpha:.4g} for each capability by itself; a capability "
            "that is broken passes with a chance of at most alpha."
        )
        if output is not None and output.kind == "model":
            yield _ROUNDED
        if "bfloat16" in numerics.compute_dtype:
            yield _BFLOAT16

    return tuple(chosen())
