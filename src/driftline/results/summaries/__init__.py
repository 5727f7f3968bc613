"""One file a document: its summary for a terminal."""

from ._assessment import summary as summary
from ._certification import certification_summary as certification_summary
from ._certification import outcome_sentence as outcome_sentence
from ._certification import pvalue_text as pvalue_text
from ._certification import recovery_sentence as recovery_sentence
from ._columns import aligned as aligned
from ._columns import wrapped as wrapped
from ._comparison import comparison_summary as comparison_summary
from ._config_comparison import config_comparison_summary as config_comparison_summary
from ._plan import budget_words as budget_words
from ._plan import plan_headline as plan_headline
from ._plan import plan_summary as plan_summary
from ._plan import scale_word as scale_word
from ._plan import setting_words as setting_words
from ._plan import trial_order as trial_order
from ._repair import chosen_words as chosen_words
from ._repair import repair_headline as repair_headline
from ._repair import repair_summary as repair_summary
from ._repair import scale_lines as scale_lines
from ._sample_size import sample_size_summary as sample_size_summary
from ._scores import scores_summary as scores_summary
from ._suite_power import suite_power_summary as suite_power_summary
from ._training_run import training_run_summary as training_run_summary
from ._verification import verification_summary as verification_summary
from ._weight_diff import weight_diff_summary as weight_diff_summary
