"""Stability margins, forecasts, protocols and certificates for fine-tuning of language models.

One call a question: `driftline.assess("model", config="sft.yaml", data="train.jsonl")`, and so `forecast`,
`margin`, `fragility_map`, `plan`, `train`, `scale`, `certify`, `compare`, `repair`, `diff`, `score`, `verify`,
`suite_power`, `calibrate` and `read_run`. Each does what the command of its name does, and returns an `Answer`.

The rooms hold the parts: `driftline.models` opens models and moves them in weight space,
`driftline.capabilities` holds what is watched, `driftline.engine` evaluates, `driftline.analyses`
answers, `driftline.results` is what comes out, `driftline.report` shows it. The names below are
loaded on first use, so that importing Driftline costs nothing.
"""

import importlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capabilities import Suite as Suite
    from .capabilities import read_scored_log as read_scored_log
    from .capabilities import read_suite as read_suite
    from .engine import RunFolder as RunFolder
    from .models import open_model as open_model
    from .models import read_training_config as read_training_config
    from .models import read_training_data as read_training_data
    from .questions import Answer as Answer
    from .questions import assess as assess
    from .questions import calibrate as calibrate
    from .questions import certify as certify
    from .questions import compare as compare
    from .questions import diff as diff
    from .questions import forecast as forecast
    from .questions import fragility_map as fragility_map
    from .questions import margin as margin
    from .questions import plan as plan
    from .questions import read_run as read_run
    from .questions import repair as repair
    from .questions import scale as scale
    from .questions import score as score
    from .questions import suite_power as suite_power
    from .questions import train as train
    from .questions import verify as verify
    from .results import Assessment as Assessment
    from .results import Certification as Certification
    from .results import Comparison as Comparison
    from .results import ConfigComparison as ConfigComparison
    from .results import Plan as Plan
    from .results import Repair as Repair
    from .results import Scores as Scores
    from .results import TrainingRun as TrainingRun
    from .results import WeightDiff as WeightDiff
    from .training import MonitorSettings as MonitorSettings
    from .training import StabilityMonitor as StabilityMonitor

_QUESTIONS = (
    "assess", "calibrate", "certify", "compare", "diff", "forecast", "fragility_map", "margin", "plan", "read_run",
    "repair", "scale", "score", "suite_power", "train", "verify",
)  # fmt: skip
_HOMES = {
    **dict.fromkeys(_QUESTIONS, "questions"),
    "Answer": "questions",
    "Assessment": "results",
    "Certification": "results",
    "Comparison": "results",
    "ConfigComparison": "results",
    "MonitorSettings": "training",
    "Plan": "results",
    "Repair": "results",
    "RunFolder": "engine",
    "Scores": "results",
    "StabilityMonitor": "training",
    "Suite": "capabilities",
    "TrainingRun": "results",
    "WeightDiff": "results",
    "open_model": "models",
    "read_scored_log": "capabilities",
    "read_suite": "capabilities",
    "read_training_config": "models",
    "read_training_data": "models",
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
