"""Questions about a run before it is trained."""

from ._assess import assess as assess
from ._assess import forecast as forecast
from ._assess import fragility_map as fragility_map
from ._assess import margin as margin
from ._calibrate import calibrate as calibrate
from ._plan import plan as plan
