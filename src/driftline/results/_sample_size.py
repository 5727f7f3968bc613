"""How many items a certificate needs: what `sample-size` returns."""

from typing import Literal

from pydantic import Field

from ._document import Document, Value
from ._readings import clean
from ._summary import aligned, wrapped

_CLAIMS = {
    "one": "one capability is kept",
    "all": "all of them are kept, in one claim",
    "each": "each is kept, claim by claim",
}


class SampleSizeClaim(Value):
    """What one kind of claim needs."""

    claim: Literal["one", "all", "each"]
    """All: every capability passes at alpha. Each: Holm's correction, at its first and hardest step."""
    num_items: int
    """A capability."""
    alpha: float
    """Of the test of a single capability."""
    power: float
    """Of the test of a single capability, with that number of items."""


class SampleSize(Document):
    """The document of `sample-size`: items, margin and power that go together."""

    schema_: Literal["driftline/sample_size/1"] = Field(
        default="driftline/sample_size/1", alias="schema"
    )
    verdict: None = None
    """Nothing was measured."""
    margin: float
    """Accepted loss, as a share of items."""
    discordance: float
    """Share of items that flip, lost and gained together."""
    change: float
    """The true change for which the power is wanted."""
    power: float
    """Wanted for the claim as a whole."""
    alpha: float
    num_capabilities: int
    claims: tuple[SampleSizeClaim, ...]
    caveats: tuple[str, ...]


def sample_size_summary(found: SampleSize) -> str:
    """A sample size for a terminal, without colour.

    Args:
        found: What to put in words.

    Returns:
        Text of lines up to about 100 characters, ending in a newline.
    """
    largest = max(claim.num_items for claim in found.claims)
    if_so = "it does not change" if found.change == 0 else f"it changes by {_points(found.change)}"
    lines = wrapped(
        f"{largest:,} items a capability show that accuracy has not fallen by "
        f"{_points(found.margin)} or more, with a chance of {found.power:.0%} if in truth {if_so} "
        f"while {found.discordance:.1%} of the items flip; a loss of {_points(found.margin)} passes "
        f"in at most {found.alpha:.1%} of cases"
    )
    rows = [("claim", "items", "alpha", "power")]
    rows += [
        (
            _CLAIMS[claim.claim],
            f"{claim.num_items:,}",
            f"{claim.alpha:.4g}",
            f"{claim.power:.1%}",
        )
        for claim in found.claims
    ]
    lines += ["", *aligned(rows, numeric=(1, 2, 3)), ""]
    for index, caveat in enumerate(found.caveats, start=1):
        lines += wrapped(f"[{index}] {clean(caveat)}", indent="    ")
    return "\n".join(lines) + "\n"


def _points(share: float) -> str:
    return f"{100 * share:g} points"
