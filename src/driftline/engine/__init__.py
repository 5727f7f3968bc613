"""One verb: evaluate(points, capabilities) -> table; with the result store and progress.

Two engines, which differ in who computes: this process, or a pool of Ray actors.
"""

from ._session import open_session as open_session
from .evaluation import GRADIENT_TOKEN as GRADIENT_TOKEN
from .evaluation import SLOPE_TOKEN as SLOPE_TOKEN
from .evaluation import Anchors as Anchors
from .evaluation import CapabilityScorer as CapabilityScorer
from .evaluation import CapabilitySlopes as CapabilitySlopes
from .evaluation import Engine as Engine
from .evaluation import LocalEngine as LocalEngine
from .evaluation import Meter as Meter
from .evaluation import Progress as Progress
from .evaluation import SlopeTable as SlopeTable
from .evaluation import Table as Table
from .evaluation import ascent_direction as ascent_direction
from .evaluation import ascent_obstacle as ascent_obstacle
from .evaluation import ascent_tokens as ascent_tokens
from .evaluation import has_slope as has_slope
from .evaluation import measure_slopes as measure_slopes
from .remote import RayEngine as RayEngine
from .remote import RayOptions as RayOptions
from .remote import check_ray as check_ray
from .remote import open_engine as open_engine
from .remote import ray_workers as ray_workers
from .storage import PruneRule as PruneRule
from .storage import ResultStore as ResultStore
from .storage import RunFolder as RunFolder
from .storage import choose_runs as choose_runs
from .storage import disk_errors_named as disk_errors_named
from .storage import list_runs as list_runs
from .storage import prune_runs as prune_runs
from .storage import show_run as show_run
