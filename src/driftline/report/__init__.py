"""A result as a page that one can print, mail and file. It computes nothing and loads nothing."""

from ._drawing import Chart as Chart
from ._drawing import to_png as to_png
from ._drawing import to_svg as to_svg
from ._figures import figures as figures
from ._html import render_html as render_html
from ._junit import render_junit as render_junit
from ._model_card import render_model_card as render_model_card
from ._plan import render_plan as render_plan
from ._repair import render_repair as render_repair
from ._training_run import render_training_run as render_training_run
from ._weight_diff import render_weight_diff as render_weight_diff
