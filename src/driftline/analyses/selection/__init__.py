"""Choice among several checkpoints after training, or several configs before it."""

from ._checkpoint_folders import NamedCheckpoint as NamedCheckpoint
from ._checkpoint_folders import find_checkpoints as find_checkpoints
from ._compare_checkpoints import CompareRequest as CompareRequest
from ._compare_checkpoints import compare_checkpoints as compare_checkpoints
from ._compare_configs import CompareConfigsRequest as CompareConfigsRequest
from ._compare_configs import compare_configs as compare_configs
from ._config_forecast import COMPARE_ROUNDS as COMPARE_ROUNDS
from ._config_forecast import SHORT_COMPARE_ROUNDS as SHORT_COMPARE_ROUNDS
from ._config_forecast import PlannedConfig as PlannedConfig
from ._target_rows import NUM_TARGET_ROWS as NUM_TARGET_ROWS
from ._target_rows import rows_by_prompt as rows_by_prompt
from ._target_rows import target_gain as target_gain
