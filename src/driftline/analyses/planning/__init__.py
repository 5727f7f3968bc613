"""Search for the protocol that adapts most within the tolerances."""

from ._held_out_rows import PlanData as PlanData
from ._held_out_rows import hold_out as hold_out
