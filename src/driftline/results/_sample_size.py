"""How many items a certificate needs: what `sample-size` returns."""

from typing import Literal

from pydantic import Field

from ..metrics import METRICS
from ._document import Document, Value
from ._points import shown_amount
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
    metric: str = "accuracy"
    unit: str = "share of items"
    margin: float
    """Accepted loss, in the unit."""
    discordance: float | None
    """Share of items that flip, lost and gained together; None where a metric is no share."""
    spread: float | None = None
    """Standard deviation of an item's change, where the metric is no share."""
    is_measured: bool = False
    """The discordance or the spread was not stated; it is that of the benchmark."""
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
    margin = _amount(found, found.margin)
    if_so = "it does not change"
    if found.change != 0:
        if_so = f"it changes by {_amount(found, found.change)}"
    spread = f"the change of an item varies by {_amount(found, found.spread or 0.0)}"
    if found.discordance is not None:
        spread = f"{found.discordance:.1%} of the items flip"
    known = METRICS.get(found.metric)
    moved = "fallen" if known is None or known.higher_is_better else "risen"
    source = " (measured on SmolLM2-135M, mild runs)" if found.is_measured else ""
    lines = wrapped(
        f"{largest:,} items a capability show that {clean(found.metric)} has not {moved} by "
        f"{margin} or more, with a chance of {found.power:.0%} if in truth {if_so} while "
        f"{spread}{source}; a loss of {margin} passes in at most {found.alpha:.1%} of cases"
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


def _amount(found: SampleSize, value: float) -> str:
    if found.discordance is not None:
        return f"{100 * value:g} points"
    return shown_amount(value, found.unit)
