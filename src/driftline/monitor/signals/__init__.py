"""Measurements of the monitor: anchors, steps before and after they are taken, update norm, spikes."""

from ._anchors import AnchorReading as AnchorReading
from ._anchors import AnchorWatch as AnchorWatch
from ._anchors import anchor_texts as anchor_texts
from ._next_step import NextStep as NextStep
from ._next_step import standing_after as standing_after
from ._reforecast import StepsLeft as StepsLeft
from ._reforecast import fewest as fewest
from ._reforecast import planned_rates as planned_rates
from ._reforecast import steps_left as steps_left
from ._self_test import BlindError as BlindError
from ._self_test import check_sensitivity as check_sensitivity
from ._self_test import mean_losses as mean_losses
from ._spikes import SpikeWatch as SpikeWatch
from ._step_probe import BatchRecorder as BatchRecorder
from ._step_probe import StepProbe as StepProbe
from ._step_probe import StepReading as StepReading
from ._step_probe import is_loss_of_labels as is_loss_of_labels
from ._update_norm import UpdateNorm as UpdateNorm
from ._update_norm import critical_relative_norm as critical_relative_norm
from ._update_norm import read_assessment as read_assessment
from ._update_norm import update_norm as update_norm
