"""HTML pages, one file a document, with the tables that they share."""

from ._assessment import render_html as render_html
from ._certification import render_certification as render_certification
from ._plan import render_plan as render_plan
from ._repair import render_repair as render_repair
from ._scores import render_scores as render_scores
from ._training_run import render_training_run as render_training_run
from ._weight_diff import render_weight_diff as render_weight_diff
from .comparisons import render_comparison as render_comparison
from .comparisons import render_config_comparison as render_config_comparison
from .comparisons import render_run_comparison as render_run_comparison
