"""Policy files: which capabilities must be retained, within which margins, at which error."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigError
from ..parsing import parse_yaml, read_bytes
from ..provenance import digest_bytes
from ..results import CertificationPolicy, PolicyRule
from ._capability import Capability
from ._items import describe_fault
from ._suites import Suite


class _PolicyFile(BaseModel):
    """A policy as it stands in the YAML."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_: Literal["driftline/policy/1"] = Field(alias="schema")
    alpha: Annotated[float, Field(ge=1e-4, le=0.5)]
    capabilities: Annotated[list[PolicyRule], Field(min_length=1)]


def read_policy(path: Path) -> CertificationPolicy:
    """Read a policy; a key that it does not know is refused by name.

    Args:
        path: The YAML file.

    Returns:
        The policy, with the digest of the file as it lies there.

    Raises:
        ConfigError: It cannot be read, is not YAML, has a key or value that is not right, or has a key
            or a capability twice.
    """
    content = read_bytes(path, ConfigError, mend="check --policy")
    parsed = parse_yaml(content, f"--policy: {path}", ConfigError)
    try:
        said = _PolicyFile.model_validate(parsed)
    except ValidationError as error:
        raise ConfigError(f"--policy: {path}: {describe_fault(error)}") from None
    names = [rule.name for rule in said.capabilities]
    for name in sorted({n for n in names if names.count(n) > 1}):
        raise ConfigError(f"--policy: {path}: duplicate capability {name}; keep one of the rules")
    return CertificationPolicy(
        name=path.name,
        digest=digest_bytes(content),
        alpha=said.alpha,
        capabilities=tuple(said.capabilities),
    )


def governed(capability: Capability, policy: CertificationPolicy | None) -> Capability:
    """Apply a policy to a capability.

    Args:
        capability: As its suite has it.
        policy: Policy; capabilities that it does not name stay as they are, required ones too.

    Returns:
        With the policy's margin and tier.
    """
    rule = None if policy is None else policy.rule(capability.name)
    if rule is None:
        return capability
    tolerance = capability.tolerance if rule.margin is None else rule.margin
    return replace(capability, tolerance=tolerance, required=rule.tier == "critical")


def governed_suites(
    suites: Sequence[Suite], policy: CertificationPolicy | None
) -> tuple[Suite, ...]:
    """Apply a policy to suites.

    Args:
        suites: As they were read.
        policy: None leaves them as they are.

    Returns:
        The suites, with the policy's margins and tiers.

    Raises:
        ConfigError: The policy names a capability that none of them holds, so that it could not be
            tested, and what is missing is no pass.
    """
    if policy is None:
        return tuple(suites)
    held = {capability.name for suite in suites for capability in suite.capabilities}
    for rule in policy.capabilities:
        if rule.name not in held:
            raise ConfigError(
                f"--policy: {policy.name}: no --suite holds the capability {rule.name}; add its "
                "suite, or take it out of the policy"
            )
    return tuple(
        replace(suite, capabilities=tuple(governed(c, policy) for c in suite.capabilities))
        for suite in suites
    )
