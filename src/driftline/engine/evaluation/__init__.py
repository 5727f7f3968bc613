"""Points and capabilities in, a table of scores out, in this process."""

from ._anchors import Anchors as Anchors
from ._ascent import GRADIENT_TOKEN as GRADIENT_TOKEN
from ._ascent import ascent_direction as ascent_direction
from ._ascent import ascent_obstacle as ascent_obstacle
from ._ascent import ascent_tokens as ascent_tokens
from ._engine import Engine as Engine
from ._engine import LocalEngine as LocalEngine
from ._evaluate import CapabilityScorer as CapabilityScorer
from ._evaluate import Pending as Pending
from ._evaluate import Scored as Scored
from ._evaluate import Watched as Watched
from ._meter import Meter as Meter
from ._meter import Progress as Progress
from ._slopes import SLOPE_TOKEN as SLOPE_TOKEN
from ._slopes import CapabilitySlopes as CapabilitySlopes
from ._slopes import SlopeTable as SlopeTable
from ._slopes import has_slope as has_slope
from ._slopes import measure_slopes as measure_slopes
from ._slopes import weighed_items as weighed_items
from ._table import Table as Table
