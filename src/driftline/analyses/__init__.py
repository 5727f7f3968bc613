"""One file a question. An analysis decides which points to ask for, and what to conclude."""

import importlib
from typing import TYPE_CHECKING

from ._assess import PARTS as PARTS
from ._assess import AssessmentRequest as AssessmentRequest
from ._assess import Part as Part
from ._assess import assess as assess
from ._calibrate import calibrate as calibrate
from ._calibrate import finished_run as finished_run
from ._calibrate import metrics_left_out as metrics_left_out
from ._calibration import FinishedRun as FinishedRun
from ._calibration import ForecastCalibration as ForecastCalibration
from ._calibration import read_calibration as read_calibration
from ._calibration import shipped_calibration as shipped_calibration
from ._certify import CertifyRequest as CertifyRequest
from ._certify import certify as certify
from ._diff import DiffRequest as DiffRequest
from ._diff import diff as diff
from ._forecaster import PROBES as PROBES
from ._forecaster import Forecaster as Forecaster
from ._forecaster import LossForecast as LossForecast
from ._forecaster import Probe as Probe
from ._forecaster import fit_forecaster as fit_forecaster
from ._forecaster import seen_by as seen_by
from ._most_fragile import most_fragile as most_fragile
from ._path_model import Exponent as Exponent
from ._path_model import PathCalibration as PathCalibration
from ._path_model import PathLosses as PathLosses
from ._path_model import predicted_losses as predicted_losses
from ._path_model import shipped_path_calibration as shipped_path_calibration
from ._plan_data import PlanData as PlanData
from ._plan_data import hold_out as hold_out
from ._probe_items import TokenCounter as TokenCounter
from ._probe_items import affordable_items as affordable_items
from ._probe_items import items_caveat as items_caveat
from ._probe_items import sampled_items as sampled_items
from ._repair import RepairRequest as RepairRequest
from ._repair import repair as repair
from ._rivals import RIVALS as RIVALS
from ._rivals import Case as Case
from ._rivals import Method as Method
from ._score import ScoredModel as ScoredModel
from ._score import ScoreRequest as ScoreRequest
from ._score import score as score
from ._shipped_fits import FittedForecasters as FittedForecasters
from ._shipped_fits import fit_all as fit_all
from ._study import Effort as Effort
from ._study import probe_steps as probe_steps
from ._suite_power import suite_power as suite_power
from ._target import target_capability as target_capability

if TYPE_CHECKING:
    from ._plan import PlanRequest as PlanRequest
    from ._plan import plan as plan


def __getattr__(name: str) -> object:
    # Nobody but a plan needs Optuna.
    if name in ("PlanRequest", "plan"):
        return getattr(importlib.import_module("._plan", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
