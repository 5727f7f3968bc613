"""The page of a repair."""

import pytest

from driftline.report import render_repair

from ...results.repair_sample import build_repair
from .test_assessment import Page


@pytest.fixture(scope="module")
def html():
    return render_repair(build_repair())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_is_one_page_whose_tags_nest(html, page):
    assert html.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert page.headings == [
        "Decision",
        "V1 Observed phenomenon",
        "V2 Structural cause",
        "V3 Stability margins",
        "V4 Decision in detail",
        "Caveats",
        "Cost",
        "Provenance",
    ]


def test_it_shows_the_numbers(page):
    for part in (
        "INCONCLUSIVE",
        "path/to/tuned (adapter)",
        "75%",
        "96%",
        "64 examples that chose nothing: 4.00 nats per token in the base, 2.75 tuned, 2.80 repaired",
        "layers 0-1 MLP by -0.25",
        "layer 0 MLP, layer 0 attention",
        "sha256:" + "c" * 64,
        "driftline/repair/1",
        "gain to give up: 5%",
    ):
        assert part in page.text, part
    assert page.tags.count("svg") == 6


def test_a_page_without_a_target_or_a_model():
    found = Page(render_repair(build_repair(target=None, output=None)))
    assert "not written" in found.text
    assert "The target" not in found.text
    assert "NaN" not in found.text
