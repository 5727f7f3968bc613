"""Rules that the pages of a plan, a repair and a diff keep alike."""

import pytest

from driftline.report import (
    render_comparison,
    render_config_comparison,
    render_plan,
    render_repair,
    render_weight_diff,
)

from ...results.comparison_sample import build_comparison, build_config_comparison
from ...results.plan_sample import build_plan
from ...results.repair_sample import build_repair
from ..diff_sample import build_diff
from ..sample import IMAGE, SCRIPT
from .test_assessment import Page, assert_inert

PAGES = {
    "comparison": (render_comparison, build_comparison),
    "configs": (render_config_comparison, build_config_comparison),
    "plan": (render_plan, build_plan),
    "repair": (render_repair, build_repair),
    "diff": (render_weight_diff, build_diff),
}
every_page = pytest.mark.parametrize(("render", "build"), PAGES.values(), ids=PAGES)


@every_page
def test_it_loads_nothing_and_runs_nothing(render, build):
    assert_inert(Page(render(build())))


@every_page
@pytest.mark.parametrize("hostile", [SCRIPT, IMAGE, "]]><b>", "\x1b[31m"])
def test_hostile_names_are_text(render, build, hostile):
    html = render(build(hostile))
    page = Page(html)
    assert page.open == []
    assert not {"script", "img", "b"} & set(page.tags)
    assert "\x1b" not in html
    if hostile == SCRIPT:
        assert SCRIPT in page.text


@every_page
def test_equal_documents_make_equal_pages(render, build):
    assert render(build()) == render(build())
