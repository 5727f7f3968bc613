"""Pages of comparisons: of checkpoints after training, of configs before it."""

from ._checkpoints import render_comparison as render_comparison
from ._configs import render_config_comparison as render_config_comparison
