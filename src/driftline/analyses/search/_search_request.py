"""The part that the requests of plan and repair share: the effort and the rules of the search."""

from dataclasses import dataclass, field

from ...engine import RayOptions
from ...models import ScoringOptions
from ._evaluations import Preference


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """A base of requests that search on some items and make their claims on others."""

    num_items: int | None = None
    """Items of each capability to use, for choosing and for the final claims (default: all)."""
    num_search_items: int | None = None
    """Items of each capability used to choose, at most half (default: half)."""
    alpha: float = 0.05
    """Level of each claim, and of the bounds of the search, which are corrected for its looks."""
    seed: int = 0
    options: ScoringOptions = field(default_factory=ScoringOptions)
    ray: RayOptions | None = None
    """Have the points computed on Ray; None computes them in this process."""
    prefer: Preference = "gain"
    """Choice among points within the tolerances."""
