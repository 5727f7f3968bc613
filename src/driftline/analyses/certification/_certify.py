"""Was anything lost? A tuned model against its base, item by item, within margins fixed beforehand."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy

from ...capabilities import Capability, Suite, governed_suites
from ...engine import (
    Engine,
    LocalEngine,
    Meter,
    Progress,
    RayOptions,
    RunFolder,
    Table,
    open_session,
)
from ...errors import ModelError, SuiteError
from ...models import (
    BASE,
    LanguageModel,
    Point,
    ScoringOptions,
    TunedModel,
    digest_at,
    open_tuned_model,
    unloaded_changes,
)
from ...provenance import provenance_fields
from ...results import (
    CapabilityClaim,
    Certification,
    CertificationGuards,
    CertificationPolicy,
    CertificationProvenance,
    ChosenBy,
    Cost,
    EqualItems,
    NoiseFloor,
    RecoveryProbe,
)
from ...verdicts import ClaimVerdict, TestVerdict
from ..comparison import (
    Paired,
    adjusted_claims,
    capability_claim,
    check_claims,
    identical_claim,
    suite_claim,
    with_answers,
)
from ..items import SuiteRequest, distinct
from ..suite_scores import check_names
from ._caveats import certify_caveats
from ._choosing_items import ChoosingItems, check_choices, num_left_out, unchosen
from ._paired_scores import has_same_weights, is_same_model, score_both, score_once
from ._recovery import probe_recovery
from ._subjects import base_subject, file_caveats, tuned_subject

_NUM_REPEATED = 16
"""Items of each capability that the base scores twice."""
_VERDICTS: dict[ClaimVerdict, TestVerdict] = {
    "non_inferior": "pass",
    "inferior": "fail",
    "inconclusive": "inconclusive",
}


@dataclass(frozen=True)
class CertifyRequest(SuiteRequest):
    """Request: a base, a model tuned from it, and the suites that it must retain."""

    opened: LanguageModel
    """The base."""
    tuned: str
    """A model folder with safetensors, a PEFT adapter folder, or a hub id."""
    suites: tuple[Suite, ...]
    alpha: float = 0.05
    """Accepted chance that a loss of the margin passes, of each claim."""
    seed: int = 0
    options: ScoringOptions = field(default_factory=ScoringOptions)
    policy: CertificationPolicy | None = None
    """Takes the place of alpha, and of the tolerances and tiers of the suites."""
    sequential: bool = False
    """Score items in batches, each capability until its decision is clear."""
    recovery: bool = False
    """Ask what was lost again behind solved examples."""
    chosen_by: tuple[ChoosingItems, ...] = ()
    """Plans and repairs that chose the tuned model, whose choosing items are left out."""
    ray: RayOptions | None = None
    """Have the points computed on Ray; None computes them in this process."""


def certify(
    request: CertifyRequest,
    folder: RunFolder,
    *,
    listener: Callable[[Progress], None] = lambda _progress: None,
) -> Certification:
    """Compare a tuned model with its base on the same items, in the same numerics.

    The tuned model is scored as the point base + (tuned - base), so that only weights differ. Each
    capability is tested for non-inferiority against its tolerance, as
    design/certification-statistics.md says, and two claims are made: that all required ones are
    retained (intersection-union, Berger 1982), and that each is (Holm 1979). What an earlier process
    stored in the folder is taken up.

    Cost: two forward passes over the items of all capabilities (over fewer where the request is
    sequential), one over up to 16 items of each, and a few passes over the weights for their digests.

    Args:
        request: Model, data and settings.
        folder: Folder of the store.
        listener: Told about progress.

    Returns:
        The document; the base is as it was.

    Raises:
        ConfigError: alpha or a tolerance with which nothing could be tested, two capabilities of
            one name, or a policy about one that no suite holds.
        ModelError: The tuned model cannot be read, was not tuned from this base, has a tokenizer
            that makes other tokens of the items, or changes no score.
        RunError: A point could not be scored, or a score is not finite.
        InputError: A run of `chosen_by` chose another model, or by items that the suites do not have.
        SuiteError: Too few items of a capability did not choose.
    """
    started = time.monotonic()
    request = _governed(request)
    capabilities, opened = request.capabilities, request.opened
    check_names(capabilities)
    check_claims(capabilities, request.alpha)
    meter = Meter(listener)
    meter.enter("opening the tuned model")
    tuned = open_tuned_model(request.tuned, opened)
    # Where tuning moved the head away from an embedding that the base ties, the base is untied.
    bases = (opened.provenance(), tuned.base.provenance())
    opened = tuned.base
    request = replace(request, opened=opened)
    with open_session(folder, opened, request.options, meter, ray=request.ray) as engine:
        check_tokens(tuned, capabilities, engine)
        left = unchosen(request.suites, request.chosen_by)
        # A copy of an item that chose must be gone before copies are looked for.
        inputs = distinct(left, engine)
        capabilities = inputs.capabilities
        engine.meter.plan(engine.num_tokens([_repeated(c, request.seed) for c in capabilities]))
        tuned_digest = digest_at(opened, tuned.point)
        check_choices(request.chosen_by, bases, request.tuned, tuned_digest)
        is_same = has_same_weights(tuned, opened, tuned_digest)
        unloaded = unloaded_changes(tuned.checkpoint, opened)
        is_base = is_same_model(tuned, opened, tuned_digest) and not unloaded
        meter.enter("scoring the base and the tuned model")
        pairs = _scored(request, capabilities, engine, tuned, is_same=is_same)
        meter.enter("scoring a part of the base again")
        noise = repeatability(pairs, engine, request.seed)
        claims = _claims(request, pairs, [obstacle for _, obstacle in noise], is_base=is_base)
        claims = _answered(claims, pairs, engine, tuned.point)
        recovery = _recovery(request, pairs, claims, engine, tuned.point)
        engine.check_unchanged()
        for files in (opened.files, tuned.files):
            files.check_unchanged()
    guards = _guards(
        pairs, [floor for floor, _ in noise], tuned, inputs.equal_items, is_base=is_base
    )
    together_claim = suite_claim(claims)
    return Certification(
        verdict=_VERDICTS[together_claim.verdict],
        suite_claim=together_claim,
        claims=claims,
        guards=guards,
        recovery=recovery,
        cost=Cost.since(started, forward=engine.tokens_used),
        caveats=(
            *file_caveats(opened, tuned, unloaded),
            *certify_caveats(
                claims,
                guards,
                engine.numerics,
                alpha=request.alpha,
                policy=request.policy,
                shared=inputs.shared,
                chosen_by=[run.name for run in request.chosen_by],
                num_left_out=num_left_out(request.capabilities, left),
            ),
        ),
        provenance=_provenance(request, tuned, engine, tuned_digest, left),
    )


def _scored(
    request: CertifyRequest,
    capabilities: Sequence[Capability],
    engine: Engine,
    tuned: TunedModel,
    *,
    is_same: bool,
) -> tuple[Paired, ...]:
    if is_same:
        return score_once(capabilities, engine)
    return score_both(
        capabilities,
        engine,
        tuned,
        alpha=request.alpha,
        seed=request.seed,
        sequential=request.sequential,
    )


def _recovery(
    request: CertifyRequest,
    pairs: Sequence[Paired],
    claims: Sequence[CapabilityClaim],
    engine: Engine,
    point: Point,
) -> tuple[RecoveryProbe, ...] | None:
    if not request.recovery:
        return None
    engine.meter.enter("asking again what was lost")
    return probe_recovery(pairs, claims, engine, point, alpha=request.alpha, seed=request.seed)


def _guards(
    pairs: Sequence[Paired],
    noise: Sequence[NoiseFloor],
    tuned: TunedModel,
    equal_items: tuple[EqualItems, ...],
    *,
    is_base: bool,
) -> CertificationGuards:
    return CertificationGuards(
        tuned_is_base=is_base,
        num_items_moved=sum(pair.num_moved for pair in pairs),
        num_items=sum(len(pair.capability.items) for pair in pairs),
        noise=tuple(noise),
        tokenizer="the base's" if tuned.tokenizer is None else "same tokens",
        equal_items=equal_items,
    )


def _governed(request: CertifyRequest) -> CertifyRequest:
    """Return the request with its policy applied."""
    if request.policy is None:
        return request
    suites = governed_suites(request.suites, request.policy)
    return replace(request, suites=suites, alpha=request.policy.alpha)


def _claims(
    request: CertifyRequest,
    pairs: Sequence[Paired],
    obstacles: Sequence[str | None],
    *,
    is_base: bool,
) -> tuple[CapabilityClaim, ...]:
    claims = [
        identical_claim(pair)
        if is_base
        else capability_claim(pair, alpha=request.alpha, seed=request.seed, obstacle=obstacle)
        for pair, obstacle in zip(pairs, obstacles, strict=True)
    ]
    return adjusted_claims(claims, request.alpha)


def _answered(
    claims: Sequence[CapabilityClaim], pairs: Sequence[Paired], engine: Engine, point: Point
) -> tuple[CapabilityClaim, ...]:
    """Return the claims with the wrong model's answers, if answers are generated."""
    answers = engine.scorer.answers
    return tuple(
        claim.model_copy(update={"flips": with_answers(claim.flips, pair, answers, point)})
        for claim, pair in zip(claims, pairs, strict=True)
    )


def check_tokens(tuned: TunedModel, capabilities: Sequence[Capability], engine: Engine) -> None:
    """Check that both models get the same tokens, template included."""
    engine.num_tokens(capabilities)  # An item that does not fit the base is named as such.
    if tuned.tokenizer is None:
        return
    opened = replace(engine.opened, tokenizer=tuned.tokenizer)
    own = LocalEngine(opened, engine.store, engine.options).scorer
    for capability in capabilities:
        try:
            is_same = own.tokens_digest(capability) == engine.scorer.tokens_digest(capability)
        except SuiteError:
            is_same = False
        if not is_same:
            raise ModelError(
                f"{tuned.checkpoint.source}: its tokenizer or chat template makes other tokens of "
                f"capability {capability.name} than the base's, so the two would not be asked the "
                "same; save the base's tokenizer beside it with tokenizer.save_pretrained(...)"
            )


def _repeated(capability: Capability, seed: int) -> Capability:
    """Return the part of a capability that is scored twice; all of it if it has only two items."""
    return capability.sample(min(_NUM_REPEATED, len(capability.items) - 1), seed=seed)


def repeatability(
    pairs: Sequence[Paired], engine: Engine, seed: int
) -> list[tuple[NoiseFloor, str | None]]:
    """Measure how well the base repeats its scores in other batches, and note if too badly.

    Args:
        pairs: The base's scores.
        engine: The engine that scores it again.
        seed: Seed of the parts.

    Returns:
        For each capability the largest difference, and why nothing can be claimed, if it is too large.
    """
    parts = [_repeated(pair.capability, seed) for pair in pairs]
    again = engine.evaluate((BASE,), parts)
    return [_noise(pair, part, again) for pair, part in zip(pairs, parts, strict=True)]


def _noise(paired: Paired, part: Capability, again: Table) -> tuple[NoiseFloor, str | None]:
    capability = paired.capability
    if part.digest == capability.digest:
        floor = NoiseFloor(
            capability=capability.name, unit=capability.unit, num_items=0, largest_difference=None
        )
        return floor, None
    ids = {item.id for item in part.items}
    first = paired.values(paired.base)[[item.id in ids for item in capability.items]]
    differences = numpy.abs(again.values(BASE, part) - first)
    floor = NoiseFloor(
        capability=capability.name,
        unit=capability.unit,
        num_items=len(differences),
        largest_difference=float(differences.max()),
    )
    # One share that lies at the edge may round either way; two do not by chance.
    is_noisy = differences.mean() > capability.tolerance and (differences > 0).sum() > 1
    return floor, "the base does not repeat its own scores within the margin" if is_noisy else None


def _provenance(
    request: CertifyRequest,
    tuned: TunedModel,
    engine: Engine,
    tuned_digest: str | None,
    left: Sequence[Capability],
) -> CertificationProvenance:
    opened = request.opened
    return CertificationProvenance(
        **provenance_fields("certify", request.seed),
        base=base_subject(opened),
        tuned=tuned_subject(tuned),
        base_model=opened.provenance(),
        tuned_digest=tuned_digest,
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=engine.numerics,
        policy=request.policy,
        alpha=request.alpha,
        sequential=request.sequential,
        chosen_by=tuple(ChosenBy(name=run.name, digest=run.digest) for run in request.chosen_by),
        num_left_out=num_left_out(request.capabilities, left),
    )
