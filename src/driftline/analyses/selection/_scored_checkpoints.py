"""Scores of every checkpoint and of the base on the same items, one checkpoint open at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...capabilities import Capability
from ...engine import Meter, RayOptions, RunFolder, open_session
from ...errors import SuiteError
from ...models import (
    BASE,
    LanguageModel,
    ScoringOptions,
    TrainingData,
    digest_at,
    open_tuned_model,
    unloaded_changes,
)
from ...results import EqualItems, Numerics, Subject
from ..certification import (
    check_tokens,
    has_same_weights,
    is_same_model,
    repeatability,
    score_both,
    score_once,
    tuned_subject,
)
from ..comparison import Paired
from ..items import distinct
from ._checkpoint_folders import NamedCheckpoint
from ._target_rows import paired_rows, target_rows


@dataclass(frozen=True)
class ScoredCheckpoint:
    """One checkpoint with the scores of both models."""

    named: NamedCheckpoint
    subject: Subject
    digest: str | None
    is_base: bool
    pairs: tuple[Paired, ...]
    """A capability each."""
    target: Paired | None
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoredBase:
    """Facts from scoring the base that hold for all checkpoints."""

    obstacles: tuple[str | None, ...]
    """For each capability, the reason that nothing can be claimed of it; None where there is none."""
    equal_items: tuple[EqualItems, ...]
    numerics: Numerics
    num_tokens: int


@dataclass(frozen=True)
class Scoring:
    """The model, folder and options with which the base and all checkpoints are scored."""

    opened: LanguageModel
    folder: RunFolder
    options: ScoringOptions
    meter: Meter
    seed: int
    alpha: float
    ray: RayOptions | None = None


def score_base(
    scoring: Scoring, request: Sequence[Capability], data: TrainingData | None
) -> tuple[ScoredBase, tuple[Capability, ...], Capability | None]:
    """Score the base once, for all checkpoints, and a part of it again.

    Args:
        scoring: Where and how.
        request: The capabilities of the suites.
        data: Held-out rows; None where there are none.

    Returns:
        What holds for all checkpoints, the capabilities without copies, and the target rows.
    """
    meter = scoring.meter
    with open_session(
        scoring.folder, scoring.opened, scoring.options, meter, ray=scoring.ray
    ) as engine:
        engine.num_tokens(request)
        result = distinct(request, engine)
        target = None
        if data is not None:
            target = target_rows(data, scoring.opened, engine, seed=scoring.seed)
        meter.enter("scoring the base")
        pairs = score_once(result.capabilities, engine)
        if target is not None:
            meter.plan(engine.num_tokens((target,)))
            engine.evaluate((BASE,), (target,))
        noise = repeatability(pairs, engine, scoring.seed)
        base = ScoredBase(
            tuple(obstacle for _, obstacle in noise),
            result.equal_items,
            engine.numerics,
            engine.tokens_used,
        )
    return base, result.capabilities, target


def score_checkpoint(
    scoring: Scoring,
    named: NamedCheckpoint,
    capabilities: Sequence[Capability],
    target: Capability | None,
) -> tuple[ScoredCheckpoint, int]:
    """Open one checkpoint and score it; the base's scores come from the store.

    Args:
        scoring: Where and how.
        capabilities: Without copies.
        target: The target rows, if any.

    Returns:
        Its scores, and how many tokens they cost.

    Raises:
        ModelError: It cannot be read, was not tuned from this base, or makes other tokens.
    """
    meter = scoring.meter
    meter.enter(f"opening {named.label}")
    tuned = open_tuned_model(named.source, scoring.opened)
    with open_session(
        scoring.folder, tuned.base, scoring.options, meter, ray=scoring.ray
    ) as engine:
        check_tokens(tuned, capabilities, engine)
        digest = digest_at(tuned.base, tuned.point)
        is_same = has_same_weights(tuned, tuned.base, digest)
        is_base = is_same_model(tuned, tuned.base, digest)
        is_base = is_base and not unloaded_changes(tuned.checkpoint, tuned.base)
        meter.enter(f"scoring {named.label}")
        if is_same:
            pairs = score_once(capabilities, engine)
        else:
            pairs = score_both(
                capabilities,
                engine,
                tuned,
                alpha=scoring.alpha,
                seed=scoring.seed,
                sequential=False,
            )
        rows = None
        if target is not None:
            point = BASE if is_same else tuned.point
            meter.plan(engine.num_tokens((target,)) * (1 if is_same else 2))
            rows = paired_rows(target, engine.evaluate((BASE, point), (target,)), point)
        engine.check_unchanged()
        tuned.files.check_unchanged()
        # An engine counts what it takes from the store too, and here that is the base.
        request = capabilities if target is None else (*capabilities, target)
        used = 0 if is_same else engine.num_tokens(request)
    caveats = tuple(f"{named.label}: {caveat}" for caveat in tuned.caveats)
    scored = ScoredCheckpoint(named, tuned_subject(tuned), digest, is_base, pairs, rows, caveats)
    return scored, used


def without_copies(
    scored: Sequence[ScoredCheckpoint],
) -> tuple[tuple[ScoredCheckpoint, ...], tuple[tuple[str, str], ...]]:
    """Keep the first of checkpoints with the same weights; a second claim about it would cost power.

    Args:
        scored: All that were named.

    Returns:
        Those that differ, and the labels of each copy and of its original.
    """
    kept: dict[object, ScoredCheckpoint] = {}
    copies = []
    for index, each in enumerate(scored):
        first = kept.setdefault(each.digest or index, each)
        if first is each:
            continue
        copies.append((each.named.label, first.named.label))
        if first.named.step is None and each.named.step is not None:
            kept[each.digest or index] = replace(
                first, named=first.named._replace(step=each.named.step)
            )
    return tuple(kept.values()), tuple(copies)


def check_comparable(capabilities: Sequence[Capability]) -> None:
    """Refuse suites in which nothing is required, since every checkpoint would keep everything."""
    if not any(capability.required for capability in capabilities):
        raise SuiteError(
            "--suite: no capability is required, so that no checkpoint could lose anything; "
            "set required: true in the suite"
        )
