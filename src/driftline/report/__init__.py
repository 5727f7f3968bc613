"""A result as a page that one can print, mail and file. It computes nothing and loads nothing."""

from ._drawing import Chart as Chart
from ._drawing import to_png as to_png
from ._drawing import to_svg as to_svg
from ._figures import figures as figures
from ._html import render_html as render_html
from ._repair import render_repair as render_repair
from ._weight_diff import render_weight_diff as render_weight_diff
