"""The same evaluation by a pool of Ray workers."""

from ._ray import RayEngine as RayEngine
from ._ray import open_engine as open_engine
from ._ray import ray_workers as ray_workers
from ._ray_session import RayOptions as RayOptions
from ._ray_session import check_ray as check_ray
