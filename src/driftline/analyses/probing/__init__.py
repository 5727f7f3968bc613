"""The study of a planned run, its probe run, and straight lines; every analysis of a run uses them."""

from ._lines import Line as Line
from ._lines import LineScan as LineScan
from ._lines import scan_lines as scan_lines
from ._study import CONFIDENCE_LEVEL as CONFIDENCE_LEVEL
from ._study import Effort as Effort
from ._study import Study as Study
from ._study import base_standard_error as base_standard_error
from ._study import item_mean_error as item_mean_error
from ._study import losses_at as losses_at
