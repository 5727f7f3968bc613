"""The page of a diff."""

import pytest

from driftline.report import render_weight_diff

from ..diff_sample import build_diff, unmoved
from .test_assessment import Page


@pytest.fixture(scope="module")
def html():
    return render_weight_diff(build_diff())


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
        "Caveats",
        "Cost",
        "Provenance",
    ]


def test_it_shows_the_numbers(page):
    for part in (
        "BROKEN",
        "1 weight holds NaN or infinity",
        "path/to/tuned (adapter)",
        "model.layers.29.mlp.gate_proj.weight",
        "~3.25",
        "not a matrix (30 weights)",
        "50 more are in the JSON",
        "sha256:" + "a" * 64,
        "driftline/diff/1",
        "2.00 GB of weights, 12.3 s",
    ):
        assert part in page.text, part
    assert page.tags.count("svg") == 4


def test_what_may_be_rounding_says_so():
    sample = build_diff()
    noise = tuple(c.model_copy(update={"at_rounding": True}) for c in sample.changes)
    found = Page(render_weight_diff(sample.model_copy(update={"changes": noise})))
    assert found.text.count("at the level of rounding") == 40


def test_a_page_of_no_movement():
    found = Page(render_weight_diff(unmoved()))
    assert "UNCHANGED" in found.text
    assert "No weight moved." in found.text
    assert "svg" not in found.tags
    assert "NaN" not in found.text
