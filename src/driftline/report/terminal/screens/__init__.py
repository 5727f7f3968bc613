"""First screens: the decision of a document in at most twelve lines."""

from ._claim_screens import certification_screen as certification_screen
from ._claim_screens import repair_screen as repair_screen
from ._claim_screens import sample_size_screen as sample_size_screen
from ._claim_screens import scores_screen as scores_screen
from ._claim_screens import suite_power_screen as suite_power_screen
from ._claim_screens import verification_screen as verification_screen
from ._claim_screens import weight_diff_screen as weight_diff_screen
from ._compare_screens import comparison_screen as comparison_screen
from ._compare_screens import config_comparison_screen as config_comparison_screen
from ._next_commands import next_command as next_command
from ._run_screens import assessment_screen as assessment_screen
from ._run_screens import loss_sentence as loss_sentence
from ._run_screens import plan_screen as plan_screen
from ._run_screens import training_screen as training_screen
from ._screen import MOST_LINES as MOST_LINES
from ._screen import Screen as Screen
from ._screen import screen_text as screen_text
