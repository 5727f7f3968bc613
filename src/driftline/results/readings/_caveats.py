"""Caveats of one run, apart from the limits that hold for every run."""

from collections.abc import Sequence

STANDING = (
    # assess, margin, map, forecast
    "The forecast rests on ",
    "The probe trained ",
    "Each interval holds by itself: ",
    "Radius margins rest on ",
    "A worst-case radius (in `margin`; ",
    "The map is a first-order account ",
    "Critical and recommended learning rates and the envelope rest on ",
    "The belief space is read at ",
    "The target is scored on a sample of the training data",
    # certify
    "Two claims are made, and they differ. ",
    "A claim is statistical and about items drawn like these: ",
    "Margins are the suite's tolerances. ",
    "A capability is called inferior at alpha by itself: ",
    # plan and repair
    "Items that chose the protocol are in no claim, ",
    "Items that chose the scales are in no claim, ",
    "Claims are those of a certification, ",
    "Every protocol was trained once, ",
    "The target is ",
    "Limits are one-sided at ",
    "Whether a slower schedule, another batch size or more data ",
    "Each repaired weight is rounded once, ",
    # diff
    "Weights alone: ",
    "Intruder dimensions: ",
    # suite and sample-size
    "Spreads are those of items in runs of SmolLM2-135M ",
    "A certification counts a group as one draw, ",
    "In a forecast, the width is that of the measured change alone; ",
    "Each interval is about the mean over items of this kind, ",
    "In bfloat16 a score moves a little ",
    "items are independent; ",
    "discordance is the share of items ",
    "power and error are those of the exact test",
    "the spread is the standard deviation ",
    "the power is that of the test which certify makes",
    # numerics of every command
    "Products ran in bfloat16",
    "Matrix products ran in bfloat16",
)
"""Beginnings of caveats that are true of every run of a command. An unknown one counts as the run's."""
LIMITS_PAGE = "docs/limits.md"


def caveats_of_run(caveats: Sequence[str]) -> tuple[str, ...]:
    """Choose the caveats that hold for this run and not for every run."""
    return tuple(each for each in caveats if not each.startswith(STANDING))


def standing_caveats(caveats: Sequence[str]) -> tuple[str, ...]:
    """Choose the caveats that are true of every run."""
    return tuple(each for each in caveats if each.startswith(STANDING))
