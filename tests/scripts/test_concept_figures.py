"""Every page of concepts shows one figure, which is the one that its script draws from today's results."""

import itertools
import json
import re
import shutil
import sys
from xml.etree import ElementTree

import pytest

from scripts import concept_figures
from scripts.concept_figures import FIGURES, _figure, stale, unused
from scripts.concept_figures._drawing import DARK, LIGHT, WIDTH

PAGES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (_figure.ROOT / "docs" / "concepts").glob("*.md")
    if path.name != "index.md"
}
# It loads torch and fits, so the gates draw it and a slow test.
QUICK = [each for each in FIGURES if each.page != "forecast"]
LARGEST = 15_000
LETTER = 7.4
"""Mean width of a letter, in units of the picture."""


def by_page(page):
    return next(each for each in FIGURES if each.page == page)


def words_of(drawing):
    """List the boxes of the words: left, top, right, bottom."""
    for text in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text"):
        x, y, width = float(text.get("x")), float(text.get("y")), LETTER * len(text.text)
        left = x - {"start": 0, "middle": width / 2, "end": width}[text.get("text-anchor", "start")]
        yield text.text, (left, y - 11, left + width, y + 3)


def test_every_page_shows_one_figure_that_exists_and_says_what_it_is_drawn_from():
    assert sorted(PAGES) == sorted(each.page for each in FIGURES)
    for figure in FIGURES:
        page = PAGES[figure.page]
        assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page) == [f"../images/{figure.name}"]
        assert (concept_figures.IMAGES / figure.name).is_file()
        below = page.partition(f"{figure.name})\n\n")[2].partition("\n\n")[0]
        assert below.replace("\n", " ").strip() == figure.note, figure.page


def test_no_figure_is_unused():
    assert unused() == []


def test_an_unused_figure_is_named_and_removed(monkeypatch, tmp_path):
    (tmp_path / "concept-nothing.svg").write_text("<svg/>")
    (tmp_path / "other.svg").write_text("<svg/>")
    monkeypatch.setattr(concept_figures, "IMAGES", tmp_path)
    monkeypatch.setattr(concept_figures, "FIGURES", QUICK[:1])
    monkeypatch.setattr(sys, "argv", ["concept_figures", "--check"])
    with pytest.raises(
        SystemExit, match=r"concept-nat\.svg, concept-nothing\.svg: stale or unused"
    ):
        concept_figures.main()
    monkeypatch.setattr(sys, "argv", ["concept_figures"])
    concept_figures.main()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["concept-nat.svg", "other.svg"]


def test_the_figures_are_those_of_the_results():
    assert list(stale(QUICK)) == []


@pytest.mark.slow
def test_the_figure_of_the_forecast_is_that_of_its_fit():
    assert list(stale([by_page("forecast")])) == []


@pytest.mark.parametrize(
    ("page", "change"),
    [
        ("verdict", lambda result: result.update(probability_any_lost=0.5)),
        ("radius", lambda result: result["curves"][0].update(by_grid=0.2)),
        ("safe-envelope", lambda result: result["rate_exponent"].update(value=2.0)),
        ("non-inferiority", lambda result: result["claims"][0].update(high=0.2)),
    ],
)
def test_a_changed_result_makes_its_figure_stale(page, change, monkeypatch, tmp_path):
    figure = by_page(page)
    for file in figure.files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_figure.ROOT / file, tmp_path / file)
    monkeypatch.setattr(_figure, "ROOT", tmp_path)
    assert list(stale([figure])) == []
    path = tmp_path / figure.files[0]
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))
    assert list(stale([figure])) == [figure.name]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.page)
def test_a_figure_is_small_and_its_words_have_room(figure):
    drawing = (concept_figures.IMAGES / figure.name).read_text(encoding="utf-8")
    assert len(drawing.encode()) < LARGEST
    title = ElementTree.fromstring(drawing).find("{http://www.w3.org/2000/svg}title")
    assert title.text.endswith(".")
    words = list(words_of(drawing))
    for text, (left, _, right, _) in words:
        assert left >= 0, text
        assert right <= WIDTH, text
    for (text, one), (other, two) in itertools.combinations(words, 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart, f"{text!r} and {other!r}"


def luminance(colour):
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_marks_stand_out(colours):
    paper = luminance(colours["paper"])
    for use, colour in colours.items():
        high, low = sorted((paper, luminance(colour)), reverse=True)
        assert use == "paper" or (high + 0.05) / (low + 0.05) >= (4.5 if use == "ink" else 3)
