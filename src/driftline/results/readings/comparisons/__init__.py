"""Words and rows of the two kinds of comparison."""

from ._comparison import CHECKPOINT_TITLES as CHECKPOINT_TITLES
from ._comparison import CLAIM_TITLES as CLAIM_TITLES
from ._comparison import checkpoint_rows as checkpoint_rows
from ._comparison import claim_cells as claim_cells
from ._comparison import comparison_headline as comparison_headline
from ._comparison import history_sentence as history_sentence
from ._comparison import reason_lines as reason_lines
from ._config_comparison import CONFIG_FORECAST_TITLES as CONFIG_FORECAST_TITLES
from ._config_comparison import CONFIG_TITLES as CONFIG_TITLES
from ._config_comparison import config_comparison_headline as config_comparison_headline
from ._config_comparison import config_forecast_rows as config_forecast_rows
from ._config_comparison import config_rows as config_rows
