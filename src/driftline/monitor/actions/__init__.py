"""Act on a finding: log it, warn, lower the rate, stop, roll back."""

from ._acting import Acting as Acting
from ._acting import TrainerHandles as TrainerHandles
from ._interventions import withhold_step as withhold_step
from ._log import SCHEMA as SCHEMA
from ._log import MonitorLog as MonitorLog
from ._log import read_log as read_log
from ._log import unfinished_check as unfinished_check
