"""What an organisation asks of a tuned model, fixed before any score of it is seen."""

from typing import Annotated, Literal

from pydantic import Field

from ._document import Value

Tier = Literal["critical", "advisory"]


class PolicyRule(Value):
    """What a policy says of one capability."""

    name: str
    tier: Tier
    """critical: it must be retained. advisory: it is tested and reported, and decides nothing."""
    margin: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)] | None = None
    """The loss that is accepted, in the metric's unit; None: the suite's tolerance."""


class CertificationPolicy(Value):
    """A policy as it was read, and as it stands in every document that was made under it."""

    name: str
    """Of the file."""
    digest: str
    """`sha256:` and the hex digest of the file, as any tool for files computes it."""
    alpha: Annotated[float, Field(gt=0, le=0.5)]
    """Accepted chance that a loss of the margin passes, of each claim."""
    capabilities: tuple[PolicyRule, ...]

    def rule(self, capability: str) -> PolicyRule | None:
        """What it says of a capability; None where that stays as its suite says."""
        return next((rule for rule in self.capabilities if rule.name == capability), None)
