"""How far can this model be fine-tuned before it breaks, and how do I train it so that it does not?

The rooms hold the parts: `driftline.models` opens models and moves them in weight space,
`driftline.capabilities` holds what is watched, `driftline.engine` evaluates, `driftline.analyses`
answers, `driftline.results` is what comes out, `driftline.report` shows it. The names below are
loaded on first use, so that importing Driftline costs nothing.
"""

import importlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analyses import AssessmentRequest as AssessmentRequest
    from .analyses import CertifyRequest as CertifyRequest
    from .analyses import DiffRequest as DiffRequest
    from .analyses import PlanRequest as PlanRequest
    from .analyses import RepairRequest as RepairRequest
    from .analyses import ScoreRequest as ScoreRequest
    from .analyses import assess as assess
    from .analyses import certify as certify
    from .analyses import diff as diff
    from .analyses import plan as plan
    from .analyses import repair as repair
    from .analyses import score as score
    from .capabilities import read_scored_log as read_scored_log
    from .capabilities import read_suite as read_suite
    from .engine import RunFolder as RunFolder
    from .models import open_model as open_model
    from .models import read_training_config as read_training_config
    from .models import read_training_data as read_training_data
    from .results import Assessment as Assessment
    from .results import Certification as Certification
    from .results import Plan as Plan
    from .results import Repair as Repair
    from .results import Scores as Scores
    from .results import TrainingRun as TrainingRun
    from .results import WeightDiff as WeightDiff
    from .training import MonitorSettings as MonitorSettings
    from .training import StabilityMonitor as StabilityMonitor
    from .training import TrainRequest as TrainRequest
    from .training import train as train

_HOMES = {
    "Assessment": "results",
    "AssessmentRequest": "analyses",
    "Certification": "results",
    "CertifyRequest": "analyses",
    "DiffRequest": "analyses",
    "MonitorSettings": "training",
    "Plan": "results",
    "PlanRequest": "analyses",
    "Repair": "results",
    "RepairRequest": "analyses",
    "RunFolder": "engine",
    "ScoreRequest": "analyses",
    "Scores": "results",
    "StabilityMonitor": "training",
    "TrainRequest": "training",
    "TrainingRun": "results",
    "WeightDiff": "results",
    "assess": "analyses",
    "certify": "analyses",
    "diff": "analyses",
    "open_model": "models",
    "plan": "analyses",
    "read_scored_log": "capabilities",
    "read_suite": "capabilities",
    "read_training_config": "models",
    "read_training_data": "models",
    "repair": "analyses",
    "score": "analyses",
    "train": "training",
}

# PEFT imports bitsandbytes wherever that is installed, which then warns of a kernel for quantised
# models that it would fetch from the hub; its own is as good, and few runs are quantised.
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(
    lambda record: "from kernels-community" not in record.getMessage()
)

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Load a public name from its room when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
