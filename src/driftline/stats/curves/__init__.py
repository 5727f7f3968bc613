"""Curves of loss against scale: where they cross a tolerance, and where they bend."""

from ._crossing import Crossing as Crossing
from ._crossing import crossing_interval as crossing_interval
from ._crossing import first_crossing as first_crossing
from ._crossing import resampled_crossings as resampled_crossings
from ._crossing_search import CrossingSearch as CrossingSearch
from ._crossing_search import ScaleGrid as ScaleGrid
from ._direction_quantile import Curve as Curve
from ._direction_quantile import direction_quantile as direction_quantile
from ._knee import Knee as Knee
from ._knee import find_knee as find_knee
