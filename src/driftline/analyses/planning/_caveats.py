"""Limitations of a plan, for the document itself."""

from collections.abc import Iterator

from ...results import Numerics
from ._protocol_looks import ProtocolEvaluation
from ._protocol_search import Found
from ._trials import Bench

_SPLIT = (
    "Items that chose the protocol are in no claim, no margin and no gain on this page but the "
    "search's own tables and chart, whose numbers are optimistic: they are the best of {num} looks."
)
_CLAIMS = (
    "Claims are those of a certification, on half of the items or more, about the run that was trained "
    "here. Training it again with other seeds gives other weights: certify what you deploy."
)
_SEED = "Every protocol was trained once, with the config's own seed; how much a seed moves is not known."
_UNMET = "No point of the search meets the constraint but the base, which is what is left."
_LACKING = (
    "The base is not shown to have these by the items that choose, so that nothing can be lost there: they held "
    "no protocol back, no module was frozen for them, and no verdict can be a pass while they are required: "
    "{reasons}. Or write `required: false`."
)
_BLIND = (
    "Even ruined weights do not clearly cost these more than their tolerance, by the items that choose, so "
    "they say little against a protocol, and `driftline train` may refuse to watch them: {names}. Give more items, or "
    "write `required: false`."
)
_UNSCALED = (
    "The update is scaled after training, which `driftline train` does and other trainers do not: what their "
    "files train gains {gain:.3g} nats per token{worst}, by the items that choose."
)
_UNSCALED_WORST = " and its worst capability, {name}, loses {loss:.3g} tolerances"
_NO_MAP = "No modules were frozen or slowed: {reason}."
_TARGET = (
    "The target is {num} rows of the data that were kept out of training, half of which report; the "
    "protocol trains the rest, written beside it."
)
_BFLOAT16 = "Matrix products ran in bfloat16, in which a score moves a little with what else is in its batch."
_UNMEASURED = "The budget did not hold the runs that would tell what these levers gained: {names}."
_NEVER = "Whether a slower schedule, another batch size or more data would do better was not tried."


def plan_caveats(
    result: Found,
    bench: Bench,
    numerics: Numerics,
    *,
    num_held_out: int,
    alpha: float,
    no_map: str | None,
) -> tuple[str, ...]:
    """Return the caveats of one plan, those that affect its verdict first.

    Args:
        result: By the search.
        bench: On which it was found.
        numerics: In which all was scored.
        num_held_out: Rows that were not trained on.
        alpha: Level of each claim.
        no_map: Why no module was protected; None where some were.

    Returns:
        Sentences.
    """

    def chosen() -> Iterator[str]:
        if result.trial is None:
            yield _UNMET
        if bench.lacking:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in bench.lacking.items())
            yield _LACKING.format(reasons=reasons)
        if bench.blind:
            yield _BLIND.format(names=", ".join(bench.blind))
        unmeasured = [
            row.lever for row in result.ablation if row.bought is None and row.gain_without is None
        ]
        whole = _unscaled(result)
        if whole is not None:
            worst = (
                ""
                if whole.worst is None
                else _UNSCALED_WORST.format(name=whole.worst, loss=whole.worst_loss)
            )
            yield _UNSCALED.format(gain=whole.gain, worst=worst)
        if unmeasured:
            yield _UNMEASURED.format(names=", ".join(unmeasured))
        yield _SPLIT.format(num=len(bench.looks))
        yield _CLAIMS
        yield _SEED
        yield _TARGET.format(num=num_held_out)
        yield (
            f"Limits are one-sided at {1 - alpha:.4g} for each capability by itself; a capability "
            "that is broken passes with a chance of at most alpha."
        )
        if no_map is not None:
            yield _NO_MAP.format(reason=no_map)
        yield _NEVER
        if "bfloat16" in numerics.compute_dtype:
            yield _BFLOAT16

    return tuple(chosen())


def _unscaled(result: Found) -> ProtocolEvaluation | None:
    """Return the evaluation of the chosen trial's whole update; None if that was chosen."""
    if result.trial is None or (result.best.scale == 1.0 and result.best.parts is None):
        return None
    return next((look for look in result.trial.looks if look.scale == 1.0 and not look.parts), None)
