"""A sample size in words, for a terminal."""

from ...metrics import METRICS
from ...results import SampleSize
from ...results.readings import clean, shown_amount
from ._columns import aligned, caveat_lines, wrapped

_CLAIMS = {
    "one": "one capability is kept",
    "all": "all of them are kept, in one claim",
    "each": "each is kept, claim by claim",
}


def sample_size_summary(document: SampleSize) -> str:
    """Render a sample size for a terminal, without colour."""
    largest = max(claim.num_items for claim in document.claims)
    margin = _amount(document, document.margin)
    if_so = "it does not change"
    if document.change != 0:
        if_so = f"it changes by {_amount(document, document.change)}"
    spread = f"the change of an item varies by {_amount(document, document.spread or 0.0)}"
    if document.discordance is not None:
        spread = f"{document.discordance:.1%} of the items flip"
    known = METRICS.get(document.metric)
    moved = "fallen" if known is None or known.higher_is_better else "risen"
    source = " (measured on SmolLM2-135M, mild runs)" if document.is_measured else ""
    lines = wrapped(
        f"{largest:,} items a capability show that {clean(document.metric)} has not {moved} by "
        f"{margin} or more, with a chance of {document.power:.0%} if in truth {if_so} while "
        f"{spread}{source}; a loss of {margin} passes in at most {document.alpha:.1%} of cases"
    )
    rows = [("claim", "items", "alpha", "power")]
    rows += [
        (
            _CLAIMS[claim.claim],
            f"{claim.num_items:,}",
            f"{claim.alpha:.4g}",
            f"{claim.power:.1%}",
        )
        for claim in document.claims
    ]
    lines += ["", *aligned(rows, numeric=(1, 2, 3)), ""]
    lines += caveat_lines(document.caveats)
    return "\n".join(lines) + "\n"


def _amount(document: SampleSize, value: float) -> str:
    if document.discordance is not None:
        return f"{100 * value:g} points"
    return shown_amount(value, document.unit)
