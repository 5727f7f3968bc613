"""Charts as static SVG, one file a subject."""

from ._comparison import ComparedPoint as ComparedPoint
from ._comparison import gain_against_loss as gain_against_loss
from ._curves import curve_margins as curve_margins
from ._drawing import CONTENT_WIDTH as CONTENT_WIDTH
from ._drawing import INK as INK
from ._drawing import SERIES as SERIES
from ._drawing import Chart as Chart
from ._drawing import data as data
from ._drawing import styled as styled
from ._drawing import to_png as to_png
from ._drawing import to_svg as to_svg
from ._figures import figures as figures
from ._figures import forecast_units as forecast_units
from ._figures import path_margins as path_margins
from ._figures import used_interval as used_interval
from ._module_maps import has_module_maps as has_module_maps
from ._module_maps import module_maps as module_maps
from ._plan import plan_front as plan_front
from ._repair import repair_front as repair_front
from ._weight_diff import weight_diff_charts as weight_diff_charts
