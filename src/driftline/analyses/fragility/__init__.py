"""Modules that break first, and the drift of representations from the base's."""

from ._belief_space import belief_space as belief_space
from ._belief_space import suite_anchors as suite_anchors
from ._belief_space import suite_texts as suite_texts
from ._fragility import FragilityMap as FragilityMap
from ._fragility import attempted_map as attempted_map
from ._fragility import fragility_map as fragility_map
from ._fragility import map_capabilities as map_capabilities
from ._most_fragile import most_fragile as most_fragile
from ._noise_sensitivity import noise_tokens as noise_tokens
from ._protected import protected_quarter as protected_quarter
from ._protected import unmapped_share as unmapped_share
