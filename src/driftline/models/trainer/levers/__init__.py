"""Levers: changes to a training run that protect what the base can do."""

from ._levers import Levers as Levers
from ._losses import TrainedPass as TrainedPass
from ._replay import with_replay as with_replay
from ._scales import compress_scales as compress_scales
