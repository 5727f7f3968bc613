"""Points in weight space: the base plus scaled directions."""

from ._adapter_config import ADAPTER_PREFIX as ADAPTER_PREFIX
from ._adapter_config import mergeable_config as mergeable_config
from ._adapter_config import misfit_mend as misfit_mend
from ._adapter_config import misfit_reason as misfit_reason
from ._directions import Change as Change
from ._directions import Direction as Direction
from ._directions import HeldDirection as HeldDirection
from ._directions import LowRank as LowRank
from ._directions import NoiseDirection as NoiseDirection
from ._directions import StoredDirection as StoredDirection
from ._directions import as_tensors as as_tensors
from ._directions import store_direction as store_direction
from ._low_rank import lora_change as lora_change
from ._low_rank import open_lora as open_lora
from ._low_rank import unreadable_field as unreadable_field
from ._points import BASE as BASE
from ._points import Point as Point
from ._points import Scale as Scale
from ._points import Term as Term
from ._points import WeightNorms as WeightNorms
from ._points import at_point as at_point
from ._points import change_norms as change_norms
from ._points import relative_norm as relative_norm
from ._stored_adapter import as_the_base_lies as as_the_base_lies
from ._stored_adapter import plain_config as plain_config
from ._stored_adapter import read_adapter as read_adapter
