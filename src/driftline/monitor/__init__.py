"""The monitor: a callback that checks a running trainer and acts on what it finds."""

from ._cadence import affordable_cadence as affordable_cadence
from ._cadence import affordable_num_items as affordable_num_items
from ._cadence import is_early_glance as is_early_glance
from ._monitor import LOG_NAME as LOG_NAME
from ._monitor import StabilityMonitor as StabilityMonitor
from .actions import read_log as read_log
from .detectors import ACTIONS as ACTIONS
from .detectors import DETECTORS as DETECTORS
from .detectors import Action as Action
from .detectors import Finding as Finding
from .detectors import MonitorSettings as MonitorSettings
from .detectors import Thresholds as Thresholds
from .handles import score_items as score_items
from .signals import read_assessment as read_assessment
