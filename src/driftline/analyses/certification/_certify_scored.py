"""Was anything lost, by the logs of another tool? Two models' scores of the same items, paired."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from ...capabilities import Capability, Passage, ScoredCapability, Suite, governed_suites
from ...errors import ConfigError, SuiteError
from ...metrics import METRICS, Metric
from ...provenance import digest_value, provenance_fields
from ...results import (
    CapabilityClaim,
    Certification,
    CertificationGuards,
    CertificationPolicy,
    CertificationProvenance,
    Cost,
    SourceProvenance,
    Subject,
)
from ...verdicts import ClaimVerdict, TestVerdict
from ..comparison import Paired, adjusted_claims, capability_claim, check_claims, suite_claim

_SHARE = "share of items"
_VERDICTS: dict[ClaimVerdict, TestVerdict] = {
    "non_inferior": "pass",
    "inferior": "fail",
    "inconclusive": "inconclusive",
}
_NOT_SCORED = (
    "Driftline did not score these weights. It read two logs, {base} and {tuned}, which another tool "
    "wrote; which weights, prompts and numerics made them is not certified. The files that are named are "
    "the logs."
)
_NO_CHANCE = (
    "The logs do not say what a guess would score, so that a base at chance is not found; check that the "
    "base is well above it."
)
_NO_PROMPTS = "The logs do not hold the prompts, so only the documents are known to be the same for both models."
_SCOPE = (
    "A claim is statistical and about items drawn like these: a capability that is broken passes "
    "with a chance of at most {alpha:g}. What the log does not ask is not covered."
)
_MARGIN = (
    "The claim holds if margin, metric, items and alpha were fixed before any score of the tuned model "
    "was seen."
)
_NO_RANGE = (
    "{metric} has no bounds that are known, so that no number of items rules out a rare and large loss; "
    "declare them with --range LOW HIGH, or take another metric"
)


@dataclass(frozen=True)
class ScoredRequest:
    """Request: two logs of the same items, the base's and the tuned model's."""

    base: ScoredCapability
    tuned: ScoredCapability
    margin: float | None
    """Accepted loss in the metric's unit; None leaves it to the policy."""
    score_range: tuple[float, float] | None = None
    """Lowest and highest score of an item, for a metric without bounds of its own."""
    alpha: float = 0.05
    seed: int = 0
    policy: CertificationPolicy | None = None


@dataclass(frozen=True)
class _LoggedCapability(Capability):
    """A capability that another tool has scored; its items are names alone."""

    metric_used: Metric | None = None

    def __post_init__(self) -> None:
        """Check nothing: the log's reader has."""

    @property
    def measure(self) -> Metric:
        """The metric as the log has it."""
        assert self.metric_used is not None
        return self.metric_used


def certify_scored(request: ScoredRequest) -> Certification:
    """Test for non-inferiority on scores that another tool has written.

    Items are paired by name and content, never by position. The test is the one that `certify` makes:
    exact for shares of right answers, by bets for other bounded scores.

    Args:
        request: The logs, the margin and the level.

    Returns:
        The document; it says that Driftline did not score the weights.

    Raises:
        ConfigError: No margin is given, it is given twice, or it accepts every loss.
        SuiteError: The logs do not hold the same items under the same prompts and metric.
    """
    started = time.monotonic()
    capability, paired = _paired(request)
    check_claims((capability,), request.alpha)
    claim = capability_claim(paired, alpha=request.alpha, seed=request.seed)
    claims = adjusted_claims([_reworded(claim, capability)], request.alpha)
    together = suite_claim(claims)
    return Certification(
        verdict=_VERDICTS[together.verdict],
        suite_claim=together,
        claims=claims,
        guards=CertificationGuards(
            tuned_is_base=False,
            num_items_moved=paired.num_moved,
            num_items=len(capability.items),
            noise=(),
            tokenizer="not checked",
        ),
        cost=Cost.since(started),
        caveats=_caveats(request),
        provenance=_provenance(request, capability),
    )


def _paired(request: ScoredRequest) -> tuple[_LoggedCapability, Paired]:
    base, tuned = request.base, request.tuned
    _check_same(base, tuned)
    values = dict(zip(tuned.item_ids, tuned.values, strict=True))
    after = [values[item] for item in base.item_ids]
    metric = _metric(base, (*base.values, *after))
    capability = _LoggedCapability(
        name=base.name,
        scorer="perplexity",
        metric=base.metric,  # type: ignore[arg-type]  # any name: the measure is its own
        tolerance=_margin(request),
        items=tuple(
            Passage(id=item, text=item, group=group)
            for item, group in zip(base.item_ids, base.groups, strict=True)
        ),
        score_range=_range(request, metric),
        metric_used=metric,
    )
    (suite,) = governed_suites((Suite(base.name, (capability,)),), request.policy)
    chosen = suite.capabilities[0]
    assert isinstance(chosen, _LoggedCapability)
    return chosen, Paired(chosen, _scores(metric, base.values), _scores(metric, after))


def _scores(metric: Metric, values: tuple[float, ...] | list[float]) -> list[dict[str, float]]:
    """Name each score; right-or-wrong ones are named as accuracy too."""
    names = {metric.name, "accuracy"} if metric.is_binary else {metric.name}
    return [dict.fromkeys(names, value) for value in values]


def _check_same(base: ScoredCapability, tuned: ScoredCapability) -> None:
    """Refuse logs that cannot be paired item by item."""
    sides = f"{base.source.name} and {tuned.source.name}"
    if (base.metric, base.higher_is_better) != (tuned.metric, tuned.higher_is_better):
        raise SuiteError(
            f"{sides}: hold the metrics {base.metric} and {tuned.metric}; name one of both with --metric"
        )
    held, request = set(base.item_ids), set(tuned.item_ids)
    for one, lacking, other in ((held, tuned, request), (request, base, held)):
        if missing := sorted(one - other):
            raise SuiteError(
                f"{lacking.source.name}: lacks {len(missing):,} items of the other log, the first "
                f"{missing[0]}; score both models on the same documents"
            )
    if base.prompts_digest != tuned.prompts_digest:
        raise SuiteError(
            f"{sides}: put the same documents into different prompts; score both with the same chat "
            "template, examples and instructions"
        )
    groups = dict(zip(base.item_ids, base.groups, strict=True))
    for item, group in zip(tuned.item_ids, tuned.groups, strict=True):
        if groups[item] != group:
            raise SuiteError(
                f"{tuned.source.name}: item {item} is in another group than in the base's"
            )


def _metric(base: ScoredCapability, values: tuple[float, ...]) -> Metric:
    """Read the metric's properties from its name, else from the unit that the log gives it."""
    known = METRICS.get(base.metric)
    if known is not None and not known.is_binary:
        return known
    is_share = base.unit == _SHARE
    if is_share and not all(0 <= value <= 1 for value in values):
        raise SuiteError(f"{base.source.name}: {base.metric} is a share and lies outside of 0 to 1")
    return Metric(
        base.metric,  # type: ignore[arg-type]  # a metric of another tool
        base.unit,
        (0.0, 1.0) if is_share else (-math.inf, math.inf),
        higher_is_better=base.higher_is_better,
        is_binary=is_share and base.higher_is_better and set(values) <= {0.0, 1.0},
        has_gradient=False,
        falls_to_chance=is_share,
    )


def _range(request: ScoredRequest, metric: Metric) -> tuple[float, float] | None:
    declared = request.score_range
    if declared is None:
        return None
    if metric.is_bounded:
        raise ConfigError(f"--range: {metric.name} has a range of its own; leave it out")
    low, high = declared
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f"--range {low:g} {high:g}: must be two finite numbers, the smaller first"
        )
    return declared


def _margin(request: ScoredRequest) -> float:
    """Find the margin, in the one place that says it."""
    rule = None if request.policy is None else request.policy.rule(request.base.name)
    stated = None if rule is None else rule.margin
    if stated is not None and request.margin is not None:
        raise ConfigError(
            f"--margin {request.margin:g}: the policy says {stated:g}; leave the option out"
        )
    margin = request.margin if stated is None else stated
    if margin is None:
        raise ConfigError(
            f"no margin is fixed for {request.base.name}; give --margin in {request.base.unit}, or a "
            "policy that names it"
        )
    if not 0 < margin < math.inf:
        raise ConfigError(f"--margin {margin:g}: must be above 0, such as 0.02")
    return margin


def _reworded(claim: CapabilityClaim, capability: Capability) -> CapabilityClaim:
    """Explain how a log's unbounded metric gets bounds; a suite would declare them otherwise."""
    is_open = claim.method == "unbounded" and claim.reason is not None and claim.low is None
    if not is_open:
        return claim
    return claim.model_copy(update={"reason": _NO_RANGE.format(metric=capability.metric)})


def _caveats(request: ScoredRequest) -> tuple[str, ...]:
    base, tuned = request.base, request.tuned
    said = [_NOT_SCORED.format(base=base.source.name, tuned=tuned.source.name)]
    if base.unit == _SHARE or base.metric in METRICS:
        said.append(_NO_CHANCE)
    if base.prompts_digest is None:
        said.append(_NO_PROMPTS)
    return (*said, _SCOPE.format(alpha=request.alpha), _MARGIN)


def _provenance(request: ScoredRequest, capability: Capability) -> CertificationProvenance:
    said: list[JsonValue] = [capability.name, capability.metric]
    pairs = zip(request.base.item_ids, request.base.groups, strict=True)
    said += [[item, group] for item, group in sorted(pairs)]
    items = digest_value(said)
    return CertificationProvenance(
        **provenance_fields("certify --scored", request.seed),
        base=_subject(request.base),
        tuned=_subject(request.tuned),
        base_model=None,
        tuned_digest=None,
        suites=(
            SourceProvenance(name=capability.name, digest=items, num_records=len(capability.items)),
        ),
        numerics=None,
        policy=request.policy,
        alpha=request.alpha,
    )


def _subject(scored: ScoredCapability) -> Subject:
    source = scored.source
    # A certificate names files plainly.
    file = source.model_copy(update={"name": Path(source.name).name})
    return Subject(source=source.name, revision=None, kind="log", files=(file,))
