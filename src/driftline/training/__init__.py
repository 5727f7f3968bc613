"""Training under the monitor: `StabilityMonitor`, and a thin runner over TRL's trainer."""

from ..monitor import ACTIONS as ACTIONS
from ..monitor import DETECTORS as DETECTORS
from ..monitor import LOG_NAME as LOG_NAME
from ..monitor import Action as Action
from ..monitor import Finding as Finding
from ..monitor import MonitorSettings as MonitorSettings
from ..monitor import StabilityMonitor as StabilityMonitor
from ..monitor import Thresholds as Thresholds
from ..monitor import read_assessment as read_assessment
from ..monitor import read_log as read_log
from ._continued import ProbedRun as ProbedRun
from ._continued import check_inputs as check_inputs
from ._continued import check_model as check_model
from ._continued import name_input as name_input
from ._continued import planned_protocol as planned_protocol
from ._continued import read_probed_run as read_probed_run
from ._exports import ExportedRun as ExportedRun
from ._exports import write_exports as write_exports
from ._plan_files import PLAN_FILES as PLAN_FILES
from ._plan_files import write_plan_files as write_plan_files
from ._protocol import Protocol as Protocol
from ._protocol import protocol_in_memory as protocol_in_memory
from ._protocol import read_protocol as read_protocol
from ._run_start import RunStart as RunStart
from ._runner import TrainRequest as TrainRequest
from ._runner import train as train
