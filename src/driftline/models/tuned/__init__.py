"""Tuned models as points of their base: opened, checked against their own code, written."""

from ._scaled import ScaledKind as ScaledKind
from ._scaled import can_stay_adapter as can_stay_adapter
from ._scaled import scaled_point as scaled_point
from ._scaled import write_scaled as write_scaled
from ._tuned_adapter import merge_adapter as merge_adapter
from ._tuned_direction import open_tuned as open_tuned
from ._tuned_layout import unloaded_changes as unloaded_changes
from ._tuned_model import TunedModel as TunedModel
from ._tuned_model import digest_at as digest_at
from ._tuned_model import is_held_as_stored as is_held_as_stored
from ._tuned_model import open_tuned_model as open_tuned_model
