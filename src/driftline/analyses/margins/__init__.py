"""Stability margins: along the planned run, and along straight lines."""

from ._path_margin import path_losses as path_losses
from ._path_margin import path_margins as path_margins
from ._path_model import Exponent as Exponent
from ._path_model import PathCalibration as PathCalibration
from ._path_model import PathLosses as PathLosses
from ._path_model import predicted_losses as predicted_losses
from ._path_model import shipped_path_calibration as shipped_path_calibration
from ._path_model import tolerated_multiple as tolerated_multiple
from ._radius import FIRST_GUESS as FIRST_GUESS
from ._radius import LARGEST_NORM as LARGEST_NORM
from ._radius import SMALLEST_NORM as SMALLEST_NORM
from ._radius import radius_margins as radius_margins
from ._safe_envelope import safe_envelope as safe_envelope
from ._worst_case import has_worst_case as has_worst_case
from ._worst_case import worst_case_margins as worst_case_margins
from ._worst_case import worst_case_tokens as worst_case_tokens
