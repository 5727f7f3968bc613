"""The capabilities of a small search: one required, one watched, and the target."""

from driftline.capabilities import Capability, MinimalPair, Passage

PAIRS = Capability(
    "pairs", "minimal_pair", "margin_nats", 0.5,
    tuple(MinimalPair(id=str(i), good=f"a{i}", bad=f"b{i}") for i in range(4)),
)  # fmt: skip
WATCHED = Capability("watched", "minimal_pair", "margin_nats", 0.5, PAIRS.items[:2], required=False)
TARGET = Capability(
    "target", "perplexity", "nll_nats", 1e9,
    tuple(Passage(id=str(i), text=f"t{i}") for i in range(4)), required=False,
)  # fmt: skip
