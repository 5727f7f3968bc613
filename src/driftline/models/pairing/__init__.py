"""Two checkpoints side by side: which tensor of one belongs to which of the other."""

from ._merge_replay import Presence as Presence
from ._merge_replay import replay_merge as replay_merge
from ._paired_checkpoints import pair_checkpoints as pair_checkpoints
from ._pairing import AdapterChange as AdapterChange
from ._pairing import LoneWeight as LoneWeight
from ._pairing import PairedCheckpoints as PairedCheckpoints
from ._placed_adapter import text_base as text_base
from ._placed_adapter import untied_base as untied_base
from ._sliced_factors import SlicedFactors as SlicedFactors
from ._weight_pairs import Moments as Moments
from ._weight_pairs import WeightPair as WeightPair
from ._weight_pairs import equal_values as equal_values
