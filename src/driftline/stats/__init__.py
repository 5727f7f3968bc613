"""Intervals, quantiles and change points, as pure functions of arrays."""

from ._conformal import conformal_quantile as conformal_quantile
from ._crossing import Crossing as Crossing
from ._crossing import crossing_interval as crossing_interval
from ._crossing import first_crossing as first_crossing
from ._crossing import resampled_crossings as resampled_crossings
from ._direction_quantile import Curve as Curve
from ._direction_quantile import direction_quantile as direction_quantile
from ._knee import Knee as Knee
from ._knee import find_knee as find_knee
from ._mean import ConfidenceInterval as ConfidenceInterval
from ._mean import mean_interval as mean_interval
from ._search import CrossingSearch as CrossingSearch
from ._search import Ladder as Ladder
from ._subspace import energy_share as energy_share
from ._subspace import paired_participation_ratio as paired_participation_ratio
from ._subspace import top_directions as top_directions
