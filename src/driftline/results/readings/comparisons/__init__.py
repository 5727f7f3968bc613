"""Words and rows of the two kinds of comparison."""

from ._comparison import alpha_after_choice as alpha_after_choice
from ._comparison import comparison_headline as comparison_headline
from ._comparison import history_sentence as history_sentence
from ._comparison import reason_lines as reason_lines
from ._config_comparison import config_comparison_headline as config_comparison_headline
from ._config_comparison import lacks_what_is_required as lacks_what_is_required
