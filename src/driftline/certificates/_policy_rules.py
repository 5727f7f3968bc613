"""Do the claims of a certification keep to the rules of a policy?"""

from collections.abc import Iterator, Sequence

from ..results import CertificationPolicy
from ._certification import CertifiedDocument, CertifiedPolicy, Claim


def embedded_policy_faults(
    policy: CertifiedPolicy, claims: Sequence[Claim], alpha: float
) -> Iterator[str]:
    """Compare claims with the policy that the document says it was made under."""
    if policy.alpha != alpha:
        yield f"alpha is {alpha}, and the policy {policy.name} wants {policy.alpha}"
    held = {claim.capability: claim for claim in claims}
    for rule in policy.capabilities:
        claim = held.get(rule.name)
        if claim is None:
            yield f"{rule.name}: the policy {policy.name} names it, and no claim is about it"
            continue
        if rule.margin is not None and rule.margin != claim.margin:
            yield (
                f"{rule.name}: its margin is {claim.margin}, and the policy {policy.name} wants "
                f"{rule.margin}"
            )
        if claim.required != (rule.tier == "critical"):
            held_as = "required" if claim.required else "watched"
            yield f"{rule.name}: it is {held_as}, and the policy {policy.name} says {rule.tier}"


def asked_policy_faults(
    certification: CertifiedDocument, policy: CertificationPolicy
) -> Iterator[str]:
    """Compare a certification with the policy of the verifier.

    A certificate that was made under a policy must have been made under the same rules; comments and
    the order of rules may differ. One that was made under none must keep to each rule: a margin and
    an alpha that are not larger, and critical capabilities that are required.

    Args:
        policy: The file that was given.

    Yields:
        A sentence a rule that does not hold.
    """
    certified, alpha = certification.provenance.policy, certification.provenance.alpha
    if certified is not None:
        yield from _difference(certified, policy)
    if alpha > policy.alpha:
        yield f"alpha is {alpha}, and {policy.name} allows at most {policy.alpha}"
    held = {claim.capability: claim for claim in certification.claims}
    for rule in policy.capabilities:
        claim = held.get(rule.name)
        if claim is None:
            yield f"{rule.name}: {policy.name} names it, and no claim is about it"
            continue
        if rule.margin is not None and claim.margin > rule.margin:
            yield (
                f"{rule.name}: its margin is {claim.margin}, and {policy.name} allows at most "
                f"{rule.margin}"
            )
        if rule.tier == "critical" and not claim.required:
            yield f"{rule.name}: it is watched, and {policy.name} says critical"


def _difference(certified: CertifiedPolicy, policy: CertificationPolicy) -> Iterator[str]:
    """Yield the differences between two policies."""
    if certified.alpha != policy.alpha:
        yield (
            f"it was certified under {certified.name} with alpha {certified.alpha}, and {policy.name} "
            f"says {policy.alpha}"
        )
    own = {rule.name: (rule.tier, rule.margin) for rule in certified.capabilities}
    given = {rule.name: (rule.tier, rule.margin) for rule in policy.capabilities}
    for name in dict.fromkeys((*own, *given)):
        if own.get(name) != given.get(name):
            yield (
                f"{name}: it was certified under {certified.name} as {_rule(own.get(name))}, and "
                f"{policy.name} says {_rule(given.get(name))}"
            )


def _rule(rule: tuple[str, float | None] | None) -> str:
    """Describe a rule in words."""
    if rule is None:
        return "its suite says"
    tier, margin = rule
    return f"{tier} with the suite's margin" if margin is None else f"{tier} with margin {margin}"
