"""The main job: margin, map, forecast and verdict for one planned run."""

from ._assess import PlannedWork as PlannedWork
from ._assess import assess as assess
from ._assess import planned_work as planned_work
from ._request import PARTS as PARTS
from ._request import AssessmentRequest as AssessmentRequest
from ._request import Part as Part
