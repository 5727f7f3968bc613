"""Does a merged model hold its adapter? Each weight is held against the replayed merge."""

from collections.abc import Collection

from ...models import PairedCheckpoints
from ...results import MergedWeight, MergeReplay, Subject
from ...verdicts import TestVerdict
from ._work import DiffWork


def merge_replay(
    paired: PairedCheckpoints, adapter: Subject, moved: Collection[str], work: DiffWork
) -> MergeReplay:
    """Replay the merge of an adapter, weight by weight."""
    changes = paired.adapter_changes or {}
    weights, elsewhere = [], []
    for pair in paired.pairs:
        presence = work.replayed(pair, changes[pair.name]) if pair.name in changes else None
        if presence is not None:
            weights.append(
                MergedWeight(
                    name=pair.name,
                    layer=pair.layer,
                    state=presence.state,
                    strength=presence.strength,
                    residual=presence.residual,
                    is_exact=presence.is_exact,
                )
            )
        elif pair.name in moved:
            elsewhere.append(pair.name)
    elsewhere += [pair.name for pair in paired.beside if pair.name in moved]
    is_whole = not paired.lone and {*changes} <= {pair.name for pair in paired.pairs}
    return MergeReplay(
        verdict=_verdict(weights, elsewhere, is_whole=is_whole),
        adapter=adapter,
        weights=tuple(weights),
        moved_elsewhere=tuple(elsewhere),
    )


def _verdict(
    weights: Collection[MergedWeight], elsewhere: Collection[str], *, is_whole: bool
) -> TestVerdict:
    states = {weight.state for weight in weights}
    if elsewhere or states & {"scaled", "absent", "other"}:
        return "fail"
    return "pass" if is_whole and states == {"present"} else "inconclusive"
