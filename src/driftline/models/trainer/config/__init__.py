"""Training configs: read from files of TRL and other trainers, and checked."""

from ._config_checks import check_outputs as check_outputs
from ._config_checks import check_training as check_training
from ._config_checks import one_line as one_line
from ._config_checks import output_faults as output_faults
from ._config_checks import told_in_one_line as told_in_one_line
from ._config_fields import FREE_FIELDS as FREE_FIELDS
from ._config_fields import SET_BY_TRAIN as SET_BY_TRAIN
from ._config_notes import named_model as named_model
from ._config_notes import run_notes as run_notes
from ._config_notes import streams as streams
from ._in_memory import config_in_memory as config_in_memory
from ._training_config import TrainingConfig as TrainingConfig
from ._training_config import config_from_values as config_from_values
from ._training_config import read_training_config as read_training_config
from ._value_checks import with_key as with_key
