"""Requirements of an organisation for a tuned model, fixed before any score is seen."""

from typing import Annotated, Literal

from pydantic import Field

from ._document import Value

Tier = Literal["critical", "advisory"]


class PolicyRule(Value):
    """Requirements of a policy for one capability."""

    name: str
    tier: Tier
    """critical: it must be retained. advisory: it is tested and reported, and decides nothing."""
    margin: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)] | None = None
    """The loss that is accepted, in the metric's unit; None: the suite's tolerance."""


class CertificationPolicy(Value):
    """A policy as it was read, and as it stands in every document that was made under it."""

    name: str
    """Name of the file."""
    digest: str
    """`sha256:` and the hex digest of the file, as any tool for files computes it."""
    alpha: Annotated[float, Field(gt=0, le=0.5)]
    """Accepted chance that a loss of the margin passes, of each claim."""
    capabilities: tuple[PolicyRule, ...]

    def rule(self, capability: str) -> PolicyRule | None:
        """Return the rule for a capability; None if the suite's own settings apply."""
        return next((rule for rule in self.capabilities if rule.name == capability), None)
