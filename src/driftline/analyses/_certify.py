"""Was anything lost? A tuned model against its base, item by item, within margins fixed beforehand."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy

from ..capabilities import Capability, Passage, Suite, right_text
from ..engine import LocalEngine, Meter, Progress, ResultStore, RunFolder, Table, disk_errors_named
from ..errors import ModelError, SuiteError
from ..models import (
    BASE,
    LanguageModel,
    ScoringOptions,
    TunedModel,
    digest_at,
    open_tuned_model,
)
from ..provenance import driftline_version, package_versions, python_version
from ..results import (
    CapabilityClaim,
    Certification,
    CertificationGuards,
    CertificationProvenance,
    CertificationVerdict,
    ClaimVerdict,
    Cost,
    NoiseFloor,
)
from ._certify_caveats import certify_caveats
from ._claims import Paired, adjusted_claims, capability_claim, check_claims, suite_claim
from ._score import batches, check_names
from ._subjects import base_subject, tuned_subject

_NUM_REPEATED = 16
"""Items of each capability that the base scores twice."""
_NUM_PROBED = 8
"""Items of each capability whose texts show whether tuning reaches the logits at all."""
_VERDICTS: dict[ClaimVerdict, CertificationVerdict] = {
    "non_inferior": "pass",
    "inferior": "fail",
    "inconclusive": "inconclusive",
}


@dataclass(frozen=True)
class CertifyRequest:
    """What is asked: a base, what was tuned from it, and the suites that it must not lose."""

    opened: LanguageModel
    """The base."""
    tuned: str
    """A model folder with safetensors, a PEFT adapter folder, or a hub id."""
    suites: tuple[Suite, ...]
    alpha: float = 0.05
    """Accepted chance that a loss of the margin passes, of each claim."""
    seed: int = 0
    options: ScoringOptions = field(default_factory=ScoringOptions)

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites."""
        return tuple(c for suite in self.suites for c in suite.capabilities)


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

    Cost: two forward passes over the items of all capabilities, one over up to 16 items of each, and
    a few passes over the weights for their digests.

    Args:
        request: What is asked.
        folder: Where the store is kept.
        listener: Told about progress.

    Returns:
        The document; the base is as it was.

    Raises:
        ConfigError: alpha or a tolerance with which nothing could be tested, or two capabilities of
            one name.
        ModelError: The tuned model cannot be read, was not tuned from this base, has a tokenizer
            that makes other tokens of the items, or changes no score.
        RunError: A point could not be scored, or a score is not finite.
    """
    started = time.monotonic()
    capabilities, opened = request.capabilities, request.opened
    check_names(capabilities)
    check_claims(capabilities, request.alpha)
    meter = Meter(listener)
    meter.enter("opening the tuned model")
    tuned = open_tuned_model(request.tuned, opened)
    with disk_errors_named(folder.path), ResultStore(folder.store) as store:
        engine = LocalEngine(opened, store, request.options, meter)
        check_tokens(tuned, capabilities, engine)
        repeated = [_repeated(capability, request.seed) for capability in capabilities]
        meter.plan(2 * engine.num_tokens(capabilities) + engine.num_tokens(repeated))
        meter.enter("scoring the base and the tuned model")
        rows = {}
        for together in batches(capabilities, engine):
            rows.update(engine.evaluate((BASE, tuned.point), together).rows)
        meter.enter("scoring a part of the base again")
        again, table = engine.evaluate((BASE,), repeated), Table(rows)
        tuned_digest = digest_at(opened, tuned.point)
        pairs = [_paired(capability, table, tuned) for capability in capabilities]
        if not any(pair.num_moved for pair in pairs) and tuned_digest != opened.digest:
            _check_effect(tuned, capabilities, engine)
        engine.check_unchanged()
    noise = [_noise(c, part, table, again) for c, part in zip(capabilities, repeated, strict=True)]
    guards = CertificationGuards(
        tuned_is_base=tuned_digest == opened.digest,
        num_items_moved=sum(pair.num_moved for pair in pairs),
        num_items=sum(len(capability.items) for capability in capabilities),
        noise=tuple(floor for floor, _ in noise),
        tokenizer="the base's" if tuned.tokenizer is None else "same tokens",
    )
    claims = _claims(request, pairs, [obstacle for _, obstacle in noise])
    together_claim = suite_claim(claims)
    return Certification(
        verdict=_VERDICTS[together_claim.verdict],
        suite_claim=together_claim,
        claims=claims,
        guards=guards,
        cost=Cost(
            wall_seconds=round(time.monotonic() - started, 1),
            tokens_forward=engine.tokens_used,
            tokens_backward=0,
            fraction_of_planned_run=None,
        ),
        caveats=certify_caveats(claims, guards, engine.numerics, alpha=request.alpha),
        provenance=_provenance(request, tuned, engine, tuned_digest),
    )


def _claims(
    request: CertifyRequest, pairs: Sequence[Paired], obstacles: Sequence[str | None]
) -> tuple[CapabilityClaim, ...]:
    claims = [
        capability_claim(pair, alpha=request.alpha, seed=request.seed, obstacle=obstacle)
        for pair, obstacle in zip(pairs, obstacles, strict=True)
    ]
    return adjusted_claims(claims, request.alpha)


def check_tokens(
    tuned: TunedModel, capabilities: Sequence[Capability], engine: LocalEngine
) -> None:
    """Both models must be asked the same: tokens, template and all.

    Args:
        tuned: The tuned model, with the tokenizer that it came with, if any.
        capabilities: What both are to be asked.
        engine: Knows the base's tokens.

    Raises:
        ModelError: The tuned model's own tokenizer makes other tokens of an item.
    """
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


def _check_effect(
    tuned: TunedModel, capabilities: Sequence[Capability], engine: LocalEngine
) -> None:
    """Weights that differ must move some logit, or the comparison says nothing.

    Raises:
        ModelError: They move none.
    """
    texts = [right_text(item) for c in capabilities for item in c.items[:_NUM_PROBED]]
    items = tuple(Passage(id=str(index), text=text) for index, text in enumerate(texts))
    probe = Capability("effect of tuning", "perplexity", "nll_nats", 1.0, items)
    engine.meter.plan(2 * engine.num_tokens((probe,)))
    table = engine.evaluate((BASE, tuned.point), (probe,))
    if numpy.array_equal(table.values(BASE, probe), table.values(tuned.point, probe)):
        raise ModelError(
            f"{tuned.checkpoint.source}: its weights differ from the base's and not one score "
            "does, so tuning does not reach what is scored; check which modules it changes"
        )


def _paired(capability: Capability, table: Table, tuned: TunedModel) -> Paired:
    return Paired(
        capability,
        table.item_metrics(BASE, capability),
        table.item_metrics(tuned.point, capability),
    )


def _repeated(capability: Capability, seed: int) -> Capability:
    """The part of a capability that is scored twice; all of it where there are but two items."""
    return capability.sample(min(_NUM_REPEATED, len(capability.items) - 1), seed=seed)


def _noise(
    capability: Capability, part: Capability, table: Table, again: Table
) -> tuple[NoiseFloor, str | None]:
    """How well the base repeats itself in other batches, and why that is too badly, if so."""
    if part.digest == capability.digest:
        floor = NoiseFloor(
            capability=capability.name, unit=capability.unit, num_items=0, largest_difference=None
        )
        return floor, None
    ids = {item.id for item in part.items}
    first = table.values(BASE, capability)[[item.id in ids for item in capability.items]]
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
    request: CertifyRequest, tuned: TunedModel, engine: LocalEngine, tuned_digest: str | None
) -> CertificationProvenance:
    opened = request.opened
    return CertificationProvenance(
        driftline_version=driftline_version(),
        python_version=python_version(),
        packages=package_versions(),
        command="certify",
        base=base_subject(opened),
        tuned=tuned_subject(tuned.checkpoint),
        base_model=opened.provenance(),
        tuned_digest=tuned_digest,
        suites=tuple(suite.provenance() for suite in request.suites),
        numerics=engine.numerics,
        alpha=request.alpha,
        seed=request.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
