"""Training under the monitor: `StabilityMonitor`, and a thin runner over TRL's trainer."""

from ._detectors import Finding as Finding
from ._exports import ExportedRun as ExportedRun
from ._exports import write_exports as write_exports
from ._log import read_log as read_log
from ._monitor import LOG_NAME as LOG_NAME
from ._monitor import StabilityMonitor as StabilityMonitor
from ._plan_files import PLAN_FILES as PLAN_FILES
from ._plan_files import write_plan_files as write_plan_files
from ._protocol import Protocol as Protocol
from ._protocol import read_protocol as read_protocol
from ._runner import TrainRequest as TrainRequest
from ._runner import train as train
from ._settings import ACTIONS as ACTIONS
from ._settings import DETECTORS as DETECTORS
from ._settings import Action as Action
from ._settings import MonitorSettings as MonitorSettings
from ._settings import Thresholds as Thresholds
from ._update_norm import read_assessment as read_assessment
