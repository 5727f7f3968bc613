"""One file a question. An analysis decides which points to ask for, and what to conclude."""

from ._assess import PARTS as PARTS
from ._assess import AssessmentRequest as AssessmentRequest
from ._assess import Part as Part
from ._assess import assess as assess
from ._calibration import ForecastCalibration as ForecastCalibration
from ._calibration import shipped_calibration as shipped_calibration
from ._diff import DiffRequest as DiffRequest
from ._diff import diff as diff
from ._forecast import CalibrationCell as CalibrationCell
from ._forecast import LossForecast as LossForecast
from ._forecast import fit_exponent as fit_exponent
from ._forecast import forecast_loss as forecast_loss
from ._forecast import held_out_errors as held_out_errors
from ._most_fragile import most_fragile as most_fragile
from ._path_model import Exponent as Exponent
from ._path_model import PathCalibration as PathCalibration
from ._path_model import PathLosses as PathLosses
from ._path_model import predicted_losses as predicted_losses
from ._path_model import shipped_path_calibration as shipped_path_calibration
from ._score import ScoredModel as ScoredModel
from ._score import ScoreRequest as ScoreRequest
from ._score import score as score
from ._study import Effort as Effort
from ._study import probe_steps as probe_steps
from ._target import target_capability as target_capability
