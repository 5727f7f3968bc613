"""Documents that a question makes without an analysis: its cost, and a calibration's summary."""

from ._calibrated import Calibrated as Calibrated
from ._calibrated import calibrated_summary as calibrated_summary
from ._compare_cost import ConfigsCost as ConfigsCost
from ._compare_cost import estimate_checkpoints as estimate_checkpoints
from ._compare_cost import estimate_configs as estimate_configs
from ._estimate import Estimate as Estimate
from ._estimate import PlanCost as PlanCost
from ._estimate import TrainCost as TrainCost
from ._estimate import estimate_assessment as estimate_assessment
from ._estimate import estimate_certification as estimate_certification
from ._estimate import estimate_plan as estimate_plan
from ._estimate import estimate_summary as estimate_summary
from ._estimate import estimate_training as estimate_training
from ._scaled_model import ScaledModel as ScaledModel
from ._scaled_model import scaled_model_summary as scaled_model_summary
