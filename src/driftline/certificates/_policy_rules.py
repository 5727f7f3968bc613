"""Do the claims of a certification keep to the rules of a policy?"""

from collections.abc import Iterator, Sequence

from ..results import CertificationPolicy
from ._certification import Certification, Claim, Policy


def embedded_policy_faults(policy: Policy, claims: Sequence[Claim], alpha: float) -> Iterator[str]:
    """Compare claims with the policy that the document says it was made under.

    Args:
        policy: The policy in the document.
        claims: The claims of the document.
        alpha: The level of each claim.

    Yields:
        A sentence a fault. Every number must be the policy's own.
    """
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
    certification: Certification, policy: CertificationPolicy, *, has_suites: bool
) -> Iterator[str]:
    """Compare claims with the policy of whoever verifies.

    A rule holds where the claim is at least as strict: a margin and an alpha that are not larger, and
    a critical capability that is required. Whether a capability that the policy does not name is as
    its suite says can only be told from the suite, which counts where the certificate was made under
    another policy.

    Args:
        certification: The document.
        policy: The file that was given.
        has_suites: Whether the suites are compared as well.

    Yields:
        A sentence a rule that does not hold.
    """
    alpha = certification.provenance.alpha
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
    certified = certification.provenance.policy
    if certified is None or has_suites:
        return
    for own in certified.capabilities:
        rule_of_file = policy.rule(own.name)
        if rule_of_file is None or (rule_of_file.margin is None and own.margin is not None):
            yield (
                f"{own.name}: the certificate was made under {certified.name}, which changes it, and "
                f"{policy.name} leaves it to its suite; give the suite by --suite"
            )
