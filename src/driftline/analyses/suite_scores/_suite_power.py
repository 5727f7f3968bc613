"""Smallest change that a suite's items can show, before a model is run."""

import math

import scipy.stats

from ...capabilities import Capability, Suite
from ...results import CapabilityPower, SuitePower
from ...stats import ALPHA, POWER, margin_shown
from ..comparison import no_pass
from ..items import certified_metric, certifying_items, usual_spread
from ..probing import CONFIDENCE_LEVEL

_CAVEATS = (
    "Spreads are those of items in runs of SmolLM2-135M that moved the mean by less than 0.1 nats "
    "(1 to 3 points of probability); a run that breaks more spreads more, and needs more items.",
    "A certification counts a group as one draw, however alike its items are, so groups of several "
    "items need more of them; here their items are taken to change independently.",
    "In a forecast, the width is that of the measured change alone; what the run does after the probe "
    "comes on top.",
)


def suite_power(suite: Suite) -> SuitePower:
    """Compute the smallest change that each capability of a suite can show.

    Cost: about a second a capability.

    Args:
        suite: The suite.

    Returns:
        The document; nothing is scored.
    """
    return SuitePower(
        suite=suite.provenance(),
        alpha=ALPHA,
        power=POWER,
        confidence_level=CONFIDENCE_LEVEL,
        capabilities=tuple(_power_of(capability) for capability in suite.capabilities),
        caveats=_CAVEATS,
    )


def _power_of(capability: Capability) -> CapabilityPower:
    metric, groups, spread = (
        certified_metric(capability),
        capability.groups(),
        usual_spread(capability),
    )
    deviation = math.sqrt(spread) if metric.is_binary else spread
    num_groups = len(set(groups))
    quantile = scipy.stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, num_groups - 1)
    reason, shown = no_pass(capability), None
    if reason is None:
        shown = margin_shown(metric, groups, spread, max_group_size=capability.max_group_size)
    return CapabilityPower(
        capability=capability.name,
        scorer=capability.scorer,
        metric=metric.name,
        unit=metric.unit,
        num_items=len(capability.items),
        num_groups=num_groups,
        chance=capability.chance,
        tolerance=capability.tolerance,
        required=capability.required,
        spread=spread,
        forecast_half_width=float(quantile) * deviation / math.sqrt(len(groups)),
        certify_margin=shown,
        num_items_needed=certifying_items(capability),
        reason=reason,
    )
