"""One model's scores on suites, and what change their items can show."""

from ._score import ScoredModel as ScoredModel
from ._score import ScoreRequest as ScoreRequest
from ._score import batches as batches
from ._score import capability_score as capability_score
from ._score import check_names as check_names
from ._score import score as score
from ._suite_power import suite_power as suite_power
