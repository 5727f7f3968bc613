"""Choice of the checkpoint that keeps every required capability and gains most on the target."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy

from ...capabilities import Capability, Suite
from ...engine import Meter, Progress, RayOptions, RunFolder
from ...models import LanguageModel, ScoringOptions, TrainingData
from ...provenance import provenance_fields
from ...results import (
    CapabilityClaim,
    ComparedCheckpoint,
    Comparison,
    ComparisonProvenance,
    Cost,
    TrainerHistory,
)
from ...stats import SMALLEST_ALPHA
from ...verdicts import TestVerdict
from ..certification import base_subject, copies_caveats, stray_caveats
from ..comparison import Paired, adjusted_claims, capability_claim, check_claims, identical_claim
from ..suite_scores import check_names
from ._checkpoint_decision import (
    NUM_DRAWS,
    CapabilityTests,
    Chances,
    Decision,
    PairedLosses,
    chances,
    decide,
)
from ._checkpoint_folders import NamedCheckpoint, find_checkpoints
from ._scored_checkpoints import (
    ScoredBase,
    ScoredCheckpoint,
    Scoring,
    check_comparable,
    score_base,
    score_checkpoint,
    without_copies,
)
from ._target_rows import stacked_gains, target_gain
from ._trainer_history import read_history

_SMALLEST_UNBOUNDED = 5e-4
"""The smallest level that the bootstrap of scores without bounds reaches."""
_SCOPE = (
    "kept and lost hold for all checkpoints and required capabilities together: any wrong `kept` has a "
    "probability of at most {alpha:g}, and so has any wrong `lost`. Tolerances, items and alpha have "
    "to be fixed before any score was seen."
)
_HELD_OUT = (
    "The gain is on {num} rows of {name}. Whether these were trained on cannot be seen from here; a "
    "gain on training rows does not show over-fitting."
)
_CHOSEN = (
    "The recommended checkpoint was chosen by the same target rows that its gain is read from, so the "
    "true gain is a little smaller on average."
)
_NO_TARGET = (
    "No target rows were given, so nothing is said of what each checkpoint gains; add --data."
)
_CHANCES = (
    "The probabilities are from {num} resamples of items and target rows; they cover these samples, not "
    "another seed of the training."
)
_COPY = "{copy} holds the same weights as {first} and counts once."


@dataclass(frozen=True)
class CompareRequest:
    """A comparison to make: a base, several checkpoints, and the suites that they must not lose."""

    opened: LanguageModel
    """The base."""
    checkpoints: tuple[str, ...]
    """Folders of models or adapters, output folders of a trainer, or hub ids."""
    suites: tuple[Suite, ...]
    data: TrainingData | None = None
    """Held-out rows of the target task."""
    num_items: int | None = None
    """Number of items of each capability; None for all."""
    alpha: float = 0.05
    """Accepted probability of any wrong claim that a checkpoint kept everything."""
    seed: int = 0
    options: ScoringOptions = field(default_factory=ScoringOptions)
    ray: RayOptions | None = None

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites, with the items that are asked for."""
        result = tuple(c for suite in self.suites for c in suite.capabilities)
        if self.num_items is None:
            return result
        return tuple(c.sample(self.num_items, seed=self.seed) for c in result)


def compare_checkpoints(
    request: CompareRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> Comparison:
    """Compare checkpoints with their base, and with each other, on the same items.

    The base is scored once. Each checkpoint is opened by itself, so that memory holds one. What an
    earlier process stored in the folder is taken up.

    Cost: one forward pass over all items and target rows for the base and for each checkpoint.

    Args:
        request: What is asked.
        folder: Where the store is kept.
        listener: Told about progress.

    Returns:
        The document; the base is as it was.

    Raises:
        ConfigError: alpha or a tolerance with which nothing could be tested.
        ModelError: A checkpoint cannot be read, was not tuned from this base, or is named twice.
        SuiteError: No capability is required, or an item does not fit the base.
    """
    started = time.monotonic()
    check_names(request.capabilities, reserved=("target",))
    check_claims(request.capabilities, request.alpha)
    check_comparable(request.capabilities)
    named = find_checkpoints(request.checkpoints)
    histories = _histories(named)
    scoring = Scoring(
        request.opened,
        folder,
        request.options,
        Meter(listener),
        request.seed,
        request.alpha,
        request.ray,
    )
    base, capabilities, target = score_base(scoring, request.capabilities, request.data)
    result = [score_checkpoint(scoring, each, capabilities, target) for each in named]
    scored, copies = without_copies([each for each, _ in result])
    rows = _rows(request, base, scored, histories)
    recommended = _recommended(rows)
    return Comparison(
        verdict=_verdict(rows),
        recommended=recommended,
        checkpoints=rows,
        histories=tuple(histories.values()),
        equal_items=base.equal_items,
        cost=Cost.since(started, forward=base.num_tokens + sum(used for _, used in result)),
        caveats=(
            *(caveat for each, _ in result for caveat in each.caveats),
            *_caveats(request, base, rows, copies, recommended=recommended),
        ),
        provenance=_provenance(request, base, scored),
    )


def _histories(named: Sequence[NamedCheckpoint]) -> dict[Path, TrainerHistory]:
    """Read the trainer's history of each output folder that has one."""
    runs: dict[Path, list[Path]] = {}
    for each in named:
        if each.run is not None:
            runs.setdefault(each.run, []).append(Path(each.source))
    result = {run: read_history(run, folders) for run, folders in runs.items()}
    return {run: history for run, history in result.items() if history is not None}


def _rows(
    request: CompareRequest,
    base: ScoredBase,
    scored: Sequence[ScoredCheckpoint],
    histories: dict[Path, TrainerHistory],
) -> tuple[ComparedCheckpoint, ...]:
    claims = [_claims(request, each, base.obstacles) for each in scored]
    flat = adjusted_claims([claim for each in claims for claim in each], request.alpha)
    width = len(claims[0])
    adjusted = [flat[start : start + width] for start in range(0, len(flat), width)]
    decisions = decide(
        [
            _cells(request, each, own, base.obstacles)
            for each, own in zip(scored, claims, strict=True)
        ],
        request.alpha,
        is_base=[each.is_base for each in scored],
    )
    drawn = _chances(scored, request.seed)
    return tuple(
        _row(each, own, decision, chance, histories)
        for each, own, decision, chance in zip(scored, adjusted, decisions, drawn, strict=True)
    )


def _claims(
    request: CompareRequest, scored: ScoredCheckpoint, obstacles: Sequence[str | None]
) -> list[CapabilityClaim]:
    """Make the claims at alpha, without the lists of items that changed sides."""
    claims = [
        identical_claim(pair)
        if scored.is_base
        else capability_claim(pair, alpha=request.alpha, seed=request.seed, obstacle=obstacle)
        for pair, obstacle in zip(scored.pairs, obstacles, strict=True)
    ]
    return [claim.model_copy(update={"flips": None}) for claim in claims]


def _cells(
    request: CompareRequest,
    scored: ScoredCheckpoint,
    claims: Sequence[CapabilityClaim],
    obstacles: Sequence[str | None],
) -> tuple[CapabilityTests, ...]:
    rows = zip(claims, scored.pairs, obstacles, strict=True)
    return tuple(
        CapabilityTests(
            claim.pvalue,
            partial(_is_lost, request, claim, pair, obstacle),
        )
        for claim, pair, obstacle in rows
        if claim.required
    )


def _is_lost(
    request: CompareRequest,
    claim: CapabilityClaim,
    pair: Paired,
    obstacle: str | None,
    level: float,
) -> bool:
    """Test a loss beyond the tolerance at a level; one that the test cannot reach shows nothing."""
    least = _SMALLEST_UNBOUNDED if claim.method == "unbounded" else SMALLEST_ALPHA
    if claim.verdict != "inferior" or level < least:
        return False
    if level >= request.alpha:
        return True
    again = capability_claim(pair, alpha=level, seed=request.seed, obstacle=obstacle)
    return again.verdict == "inferior"


def _chances(scored: Sequence[ScoredCheckpoint], seed: int) -> tuple[Chances, ...]:
    columns = zip(*(each.pairs for each in scored), strict=True)
    losses = [
        PairedLosses(-stacked_gains(pairs) / capability.tolerance, pairs[0].group_numbers())
        for pairs in columns
        if (capability := pairs[0].capability).required
    ]
    targets = [each.target for each in scored if each.target is not None]
    gains = None
    if targets:
        gains = PairedLosses(stacked_gains(targets), targets[0].group_numbers())
    return chances(losses, gains, seed=seed)


def _row(
    scored: ScoredCheckpoint,
    claims: tuple[CapabilityClaim, ...],
    decision: Decision,
    chance: Chances,
    histories: dict[Path, TrainerHistory],
) -> ComparedCheckpoint:
    losses = {
        pair.capability.name: -float(pair.gains().mean()) / pair.capability.tolerance
        for pair in scored.pairs
        if pair.capability.required
    }
    worst = max(losses, key=lambda name: losses[name])
    named = scored.named
    history = None if named.run is None else histories.get(named.run)
    evaluations = {} if history is None else {e.step: e.value for e in history.evaluations}
    return ComparedCheckpoint(
        label=named.label,
        source=named.source,
        kind="adapter" if scored.subject.kind == "adapter" else "model",
        step=named.step,
        digest=scored.digest,
        is_base=scored.is_base,
        verdict=decision.verdict,
        reason=_reason(decision, claims),
        pvalue=decision.pvalue,
        adjusted_pvalue=decision.adjusted_pvalue,
        worst_capability=worst,
        # Of equal weights the change is 0, and never -0.
        worst_loss=losses[worst] + 0.0,
        worst_low=chance.worst_low + 0.0,
        worst_high=chance.worst_high + 0.0,
        gain=None if scored.target is None else target_gain(scored.target),
        probability_safest=chance.safest,
        probability_best=chance.best,
        probability_keeps=chance.keeps,
        trainer_value=None if named.step is None else evaluations.get(named.step),
        claims=claims,
    )


def _reason(decision: Decision, claims: Sequence[CapabilityClaim]) -> str | None:
    required = [claim for claim in claims if claim.required]
    if decision.verdict == "kept":
        return None
    if decision.verdict == "lost":
        lost = [claim.capability for claim in required if claim.verdict == "inferior"]
        return f"lost beyond the tolerance: {', '.join(lost)}"
    still = [claim.capability for claim in required if claim.verdict != "non_inferior"]
    if still:
        return f"not shown to be kept: {', '.join(still)}"
    return (
        "each capability is shown to be kept by itself, but not among so many checkpoints; score more "
        "items, or name fewer checkpoints"
    )


def _recommended(rows: Sequence[ComparedCheckpoint]) -> str | None:
    kept = [row for row in rows if row.verdict == "kept"]
    if not kept:
        return None

    def rank(row: ComparedCheckpoint) -> tuple[float, float]:
        gain = 0.0 if row.gain is None else row.gain.gain
        return gain, -(numpy.inf if row.worst_loss is None else row.worst_loss)

    return max(kept, key=rank).label


def _verdict(rows: Sequence[ComparedCheckpoint]) -> TestVerdict:
    verdicts = {row.verdict for row in rows}
    if "kept" in verdicts:
        return "pass"
    return "fail" if verdicts == {"lost"} else "inconclusive"


def _caveats(
    request: CompareRequest,
    base: ScoredBase,
    rows: Sequence[ComparedCheckpoint],
    copies: Sequence[tuple[str, str]],
    *,
    recommended: str | None,
) -> tuple[str, ...]:
    gain = rows[0].gain
    told = [_NO_TARGET]
    if gain is not None and request.data is not None:
        told = [_HELD_OUT.format(num=gain.num_rows, name=request.data.name)]
        if recommended is not None and sum(row.verdict == "kept" for row in rows) > 1:
            told.append(_CHOSEN)
    return (
        *stray_caveats(request.opened),
        _SCOPE.format(alpha=request.alpha),
        *told,
        _CHANCES.format(num=NUM_DRAWS),
        *(_COPY.format(copy=copy, first=first) for copy, first in copies),
        *copies_caveats(base.equal_items),
    )


def _provenance(
    request: CompareRequest, base: ScoredBase, scored: Sequence[ScoredCheckpoint]
) -> ComparisonProvenance:
    return ComparisonProvenance(
        **provenance_fields("compare", request.seed),
        base=base_subject(request.opened),
        base_model=request.opened.provenance(),
        checkpoints=tuple(each.subject for each in scored),
        suites=tuple(suite.provenance() for suite in request.suites),
        data=None if request.data is None else request.data.provenance(),
        numerics=base.numerics,
        alpha=request.alpha,
        num_draws=NUM_DRAWS,
    )
