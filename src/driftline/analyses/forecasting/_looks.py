"""The looks of a probe: the steps of the planned run at which it is measured."""

from ...choices import Probe
from ...results import Look

LOOK_SHARES: dict[Look, float] = {
    "early_5": 0.05,
    "early_10": 0.1,
    "early_20": 0.2,
    "early_30": 0.3,
    "early_40": 0.4,
    "early_60": 0.6,
}
"""The share of the planned steps after which each look is taken."""
PROBES: dict[Probe, tuple[Look, ...]] = {
    "0.05": ("early_5",),
    "0.1": ("early_5", "early_10"),
    "0.2": ("early_5", "early_10", "early_20"),
    "0.3": ("early_5", "early_10", "early_20", "early_30"),
    "0.4": ("early_5", "early_10", "early_20", "early_40"),
    "0.6": ("early_5", "early_10", "early_20", "early_40", "early_60"),
}
"""Looks of each probe, ascending."""


def early_step(look: Look, num_steps: int) -> int:
    """Compute the optimiser step of a look.

    Args:
        look: One of `LOOK_SHARES`.
        num_steps: Of the planned run.

    Returns:
        At least 1.
    """
    return max(1, round(LOOK_SHARES[look] * num_steps))


def last_look(looks: "dict[Look, float] | tuple[Look, ...]") -> Look:
    """Find the latest of some looks; a look of earlier versions that is none is passed over.

    Args:
        looks: At least one of `LOOK_SHARES`.

    Returns:
        The latest.
    """
    return max((look for look in looks if look in LOOK_SHARES), key=LOOK_SHARES.__getitem__)
