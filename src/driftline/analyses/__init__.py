"""One folder a question. An analysis decides which points to ask for, and what to conclude."""

import importlib
from typing import TYPE_CHECKING

from .assessment import PARTS as PARTS
from .assessment import AssessmentRequest as AssessmentRequest
from .assessment import Part as Part
from .assessment import PlannedWork as PlannedWork
from .assessment import assess as assess
from .assessment import planned_work as planned_work
from .certification import CertifyRequest as CertifyRequest
from .certification import ChoosingItems as ChoosingItems
from .certification import ScoredRequest as ScoredRequest
from .certification import certify as certify
from .certification import certify_scored as certify_scored
from .certification import unchosen as unchosen
from .comparison import Paired as Paired
from .forecasting import BASELINES as BASELINES
from .forecasting import EARLIEST_SAFE as EARLIEST_SAFE
from .forecasting import FEWEST_RUNS as FEWEST_RUNS
from .forecasting import LOOK_SHARES as LOOK_SHARES
from .forecasting import PROBES as PROBES
from .forecasting import Case as Case
from .forecasting import DriftForecaster as DriftForecaster
from .forecasting import DriftModel as DriftModel
from .forecasting import FinishedRun as FinishedRun
from .forecasting import FittedForecasters as FittedForecasters
from .forecasting import ForecastCalibration as ForecastCalibration
from .forecasting import Forecaster as Forecaster
from .forecasting import Limit as Limit
from .forecasting import LossForecast as LossForecast
from .forecasting import any_exceeds as any_exceeds
from .forecasting import calibrate as calibrate
from .forecasting import capability_verdict as capability_verdict
from .forecasting import dropped_by as dropped_by
from .forecasting import finished_run as finished_run
from .forecasting import fit_all as fit_all
from .forecasting import fit_forecaster as fit_forecaster
from .forecasting import is_measured_lost as is_measured_lost
from .forecasting import largest_multiple as largest_multiple
from .forecasting import probability_any as probability_any
from .forecasting import read_calibration as read_calibration
from .forecasting import seen_by as seen_by
from .forecasting import shipped_calibration as shipped_calibration
from .fragility import most_fragile as most_fragile
from .items import TokenCounter as TokenCounter
from .items import affordable_items as affordable_items
from .items import items_caveat as items_caveat
from .items import sampled_items as sampled_items
from .items import target_capability as target_capability
from .margins import Exponent as Exponent
from .margins import PathCalibration as PathCalibration
from .margins import PathLosses as PathLosses
from .margins import predicted_losses as predicted_losses
from .margins import shipped_path_calibration as shipped_path_calibration
from .planning import PlanData as PlanData
from .planning import hold_out as hold_out
from .probing import Effort as Effort
from .selection import COMPARE_ROUNDS as COMPARE_ROUNDS
from .selection import NUM_TARGET_ROWS as NUM_TARGET_ROWS
from .selection import SHORT_COMPARE_ROUNDS as SHORT_COMPARE_ROUNDS
from .selection import CompareConfigsRequest as CompareConfigsRequest
from .selection import CompareRequest as CompareRequest
from .selection import PlannedConfig as PlannedConfig
from .selection import compare_checkpoints as compare_checkpoints
from .selection import compare_configs as compare_configs
from .selection import find_checkpoints as find_checkpoints
from .selection import rows_by_prompt as rows_by_prompt
from .selection import target_gain as target_gain
from .suite_scores import ScoredModel as ScoredModel
from .suite_scores import ScoreRequest as ScoreRequest
from .suite_scores import score as score
from .suite_scores import suite_power as suite_power
from .weight_diff import DiffRequest as DiffRequest
from .weight_diff import diff as diff

if TYPE_CHECKING:
    from .planning._plan import PlanRequest as PlanRequest
    from .planning._plan import plan as plan
    from .repairing import RepairRequest as RepairRequest
    from .repairing import repair as repair

# Loaded on use: nothing else needs Optuna, which is an optional package.
_SEARCHES = {
    "PlanRequest": ".planning._plan",
    "plan": ".planning._plan",
    "RepairRequest": ".repairing",
    "repair": ".repairing",
}


def __getattr__(name: str) -> object:
    if name in _SEARCHES:
        return getattr(importlib.import_module(_SEARCHES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
