"""Pages of comparisons: of checkpoints after training, of configs before it, of two finished runs."""

from ._checkpoints import render_comparison as render_comparison
from ._configs import render_config_comparison as render_config_comparison
from ._run_comparison import render_run_comparison as render_run_comparison
