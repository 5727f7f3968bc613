"""The scores of one model as one HTML file."""

from ...results import Scores
from ...results.readings import clean, cost_sentence, in_points
from ..terminal import scores_screen
from ._model_tables import explained_scores, model_provenance
from ._page import Head, page


def render_scores(document: Scores) -> str:
    """Write scores as a page in the order of every page."""
    shown = in_points(document)
    p = shown.provenance
    head = Head(
        shown,
        title="Capabilities of one model",
        screen=scores_screen(document),
        facts=(
            ("model", clean(p.model.source)),
            ("suites", ", ".join(clean(suite.name) for suite in p.suites)),
        ),
        tiles=(),
        cost=(cost_sentence(shown.cost),),
        provenance=model_provenance(p, shown.schema_),
        footer="A mean holds for items drawn like these.",
    )
    empty = [
        f"{clean(s.capability)}: {clean(s.nothing_to_lose)}"
        for s in shown.scores
        if s.nothing_to_lose is not None
    ]
    return page("_scores.html.j2", head, scores=explained_scores(shown.scores), empty=empty)
