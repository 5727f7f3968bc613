"""One verb: evaluate(points, capabilities) -> table; with the result store and progress.

Two engines, which differ in who computes: this process, or a crew of Ray actors.
"""

from ._anchors import Anchors as Anchors
from ._ascent import GRADIENT_TOKEN as GRADIENT_TOKEN
from ._ascent import ascent_direction as ascent_direction
from ._ascent import ascent_obstacle as ascent_obstacle
from ._ascent import ascent_tokens as ascent_tokens
from ._engine import Engine as Engine
from ._engine import LocalEngine as LocalEngine
from ._evaluate import CapabilityScorer as CapabilityScorer
from ._meter import Meter as Meter
from ._meter import Progress as Progress
from ._ray import RayEngine as RayEngine
from ._ray import open_engine as open_engine
from ._ray import ray_crew as ray_crew
from ._ray_session import RayOptions as RayOptions
from ._ray_session import check_ray as check_ray
from ._run_folder import RunFolder as RunFolder
from ._run_folder import disk_errors_named as disk_errors_named
from ._runs import PruneRule as PruneRule
from ._runs import choose_runs as choose_runs
from ._runs import list_runs as list_runs
from ._runs import prune_runs as prune_runs
from ._runs import show_run as show_run
from ._slopes import SLOPE_TOKEN as SLOPE_TOKEN
from ._slopes import CapabilitySlopes as CapabilitySlopes
from ._slopes import SlopeTable as SlopeTable
from ._slopes import has_slope as has_slope
from ._slopes import measure_slopes as measure_slopes
from ._store import ResultStore as ResultStore
from ._table import Table as Table
