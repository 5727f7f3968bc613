"""One check: its settings, the items that it scores, the detectors that judge signals, and the state they keep."""

from ._check import Checker as Checker
from ._check import CheckResult as CheckResult
from ._check import is_held as is_held
from ._detectors import Finding as Finding
from ._detectors import count_unpredictable as count_unpredictable
from ._detectors import findings as findings
from ._metrics import metrics_of as metrics_of
from ._metrics import words_of as words_of
from ._scored_items import check_group_sizes as check_group_sizes
from ._scored_items import scored_items as scored_items
from ._settings import ACTIONS as ACTIONS
from ._settings import DETECTORS as DETECTORS
from ._settings import Action as Action
from ._settings import MonitorSettings as MonitorSettings
from ._settings import Thresholds as Thresholds
from ._state import MonitorState as MonitorState
