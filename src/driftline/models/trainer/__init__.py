"""The trainer, and the trajectory that a planned run takes from the base."""

from ._base_checks import check_packing as check_packing
from ._base_checks import refuse_packing as refuse_packing
from ._checkpoints import checkpoint_files as checkpoint_files
from ._checkpoints import checkpoint_folder as checkpoint_folder
from ._checkpoints import is_whole_checkpoint as is_whole_checkpoint
from ._checkpoints import last_checkpoint as last_checkpoint
from ._checkpoints import start_weights as start_weights
from ._lever_trainer import LeverTrainer as LeverTrainer
from ._lever_trainer import lever_trainer as lever_trainer
from ._outcome import finish as finish
from ._outcome import scale_update as scale_update
from ._planned_trainer import planned_trainer as planned_trainer
from ._probe_trainer import probe_trainer as probe_trainer
from ._random_states import random_states_kept as random_states_kept
from ._training_plan import TrainingPlan as TrainingPlan
from ._training_plan import plan_training as plan_training
from ._trajectory import TrainingOutcome as TrainingOutcome
from ._trajectory import Trajectory as Trajectory
from ._trajectory import TrajectoryDirection as TrajectoryDirection
