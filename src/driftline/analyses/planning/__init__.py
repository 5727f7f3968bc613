"""Search for the protocol that adapts most within the tolerances."""

import importlib
from typing import TYPE_CHECKING

from ._held_out_rows import PlanData as PlanData
from ._held_out_rows import hold_out as hold_out

if TYPE_CHECKING:
    from ._choices import plan_space as plan_space
    from ._protocol_looks import PlanRuler as PlanRuler
    from ._protocol_looks import ProtocolEvaluation as ProtocolEvaluation
    from ._protocol_looks import best_of as best_of
    from ._space import Choice as Choice
    from ._space import PlanSpace as PlanSpace
    from ._space import ProtocolCandidate as ProtocolCandidate
    from ._trials import SCALES as SCALES

# Loaded on use: the search needs Optuna, which is an optional package.
_SEARCHES = {
    "plan_space": "._choices",
    "PlanRuler": "._protocol_looks",
    "ProtocolEvaluation": "._protocol_looks",
    "best_of": "._protocol_looks",
    "Choice": "._space",
    "PlanSpace": "._space",
    "ProtocolCandidate": "._space",
    "SCALES": "._trials",
}


def __getattr__(name: str) -> object:
    if name in _SEARCHES:
        return getattr(importlib.import_module(_SEARCHES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
