"""The search that plan and repair share: parts of the model, evaluations, proposals, held-out claims."""

from ._cells import Cell as Cell
from ._cells import depths as depths
from ._cells import list_cells as list_cells
from ._cells import segments as segments
from ._cells import weight_scales as weight_scales
from ._evaluations import Candidate as Candidate
from ._evaluations import CandidateEvaluation as CandidateEvaluation
from ._evaluations import Loss as Loss
from ._evaluations import Preference as Preference
from ._evaluations import Ruler as Ruler
from ._evaluations import WithLosses as WithLosses
from ._evaluations import choice_level as choice_level
from ._evaluations import front as front
from ._evaluations import mean_limits as mean_limits
from ._evaluations import required_capabilities as required_capabilities
from ._evaluations import required_losses as required_losses
from ._evaluations import safe_worth as safe_worth
from ._held_out import point_claims as point_claims
from ._held_out import weighed as weighed
from ._part_sampler import Tried as Tried
from ._part_sampler import propose_scales as propose_scales
from ._search_request import SearchRequest as SearchRequest
