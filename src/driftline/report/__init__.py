"""A result as a page that one can print, mail and file. It computes nothing and loads nothing.

`driftline.report.terminal` writes text. It is light; the pages load Altair and Jinja, and are loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._junit import render_junit as render_junit
    from ._model_card import render_model_card as render_model_card
    from .charts import Chart as Chart
    from .charts import figures as figures
    from .charts import to_png as to_png
    from .charts import to_svg as to_svg
    from .pages import render_certification as render_certification
    from .pages import render_comparison as render_comparison
    from .pages import render_config_comparison as render_config_comparison
    from .pages import render_html as render_html
    from .pages import render_plan as render_plan
    from .pages import render_repair as render_repair
    from .pages import render_run_comparison as render_run_comparison
    from .pages import render_scores as render_scores
    from .pages import render_training_run as render_training_run
    from .pages import render_weight_diff as render_weight_diff

_PLACES = {
    "render_junit": "._junit",
    "render_model_card": "._model_card",
    "Chart": ".charts",
    "figures": ".charts",
    "to_png": ".charts",
    "to_svg": ".charts",
    "render_certification": ".pages",
    "render_comparison": ".pages",
    "render_config_comparison": ".pages",
    "render_html": ".pages",
    "render_plan": ".pages",
    "render_repair": ".pages",
    "render_run_comparison": ".pages",
    "render_scores": ".pages",
    "render_training_run": ".pages",
    "render_weight_diff": ".pages",
}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
