"""Figures of the pages are those of the committed results, and a stale one fails."""

import re

import pytest
from mkdocs.exceptions import PluginError

from scripts import page_figures, results_table
from scripts.docs_site import hooks
from scripts.page_figures import Statement, stands, statements
from scripts.results_table import ROOT
from scripts.statements import fixed, percent

ALL = list(statements())
RESULTS = sorted({each.result for each in ALL})


def test_every_statement_stands_on_its_page():
    lost = [each for each in ALL if not stands(each, (ROOT / each.page).read_text("utf-8"))]
    assert lost == []


@pytest.mark.parametrize(
    "part",
    ["suites", "first_forecast", "radius", "fragility", "protection", "certification", "repair",
     "path_margin", "forgetting", "peak_memory", "scoring", "monitor_overhead", "monitor_cost",
     "look_ahead_cost", "streaming", "monitor_false_alarms", "monitor_kill_and_resume", "monitor/ahead"],
)  # fmt: skip
def test_each_result_has_a_statement(part):
    assert any(part in result for result in RESULTS)


@pytest.mark.parametrize("result", RESULTS)
def test_another_figure_on_the_page_is_found(result):
    statement = next(each for each in ALL if each.result == result and re.search(r"\d", each.text))
    page = " ".join((ROOT / statement.page).read_text("utf-8").split())
    text = " ".join(statement.text.split())
    stale = re.sub(r"\d(?=\D*$)", lambda found: str((int(found[0]) + 1) % 10), text)
    assert stale != text
    assert not stands(statement, page.replace(text, stale))


def test_another_number_of_planned_runs_is_found(monkeypatch):
    monkeypatch.setattr(page_figures, "runs", lambda _model: iter([1]))
    assert any("Made so far" in fault and " of 3 (" in fault for fault in page_figures.faults())


@pytest.mark.parametrize("result", [each for each in RESULTS if each.endswith(".json")])
def test_another_result_is_found(monkeypatch, capsys, result):
    read = page_figures._read

    def changed(path):
        return raised(read(path)) if path == result else read(path)

    monkeypatch.setattr(page_figures, "_read", changed)
    with pytest.raises(SystemExit) as stopped:
        page_figures.main()
    assert stopped.value.code
    assert result in capsys.readouterr().out


def raised(value):
    """Add a little to every number."""
    if isinstance(value, dict):
        return {key: raised(each) for key, each in value.items()}
    if isinstance(value, list):
        return [raised(each) for each in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value * 1.3 + 1 if is_number else value


def test_line_breaks_do_not_count_and_halves_are_rounded_up():
    assert stands(Statement("p", "a b | 1", "r"), "x a\n   b | 1 y")
    assert not stands(Statement("p", "a b | 1", "r"), "a b | 2")
    assert (fixed(3.195, 2), fixed(1.275, 2), percent(0.0765)) == ("3.20", "1.28", "7.7 %")


def test_the_docs_build_goes_on_where_figures_are_right():
    hooks.on_pre_build({})


def test_the_docs_build_stops_at_a_stale_statement(monkeypatch):
    monkeypatch.setattr(page_figures, "_page", lambda name: "")
    with pytest.raises(PluginError, match=r"docs/costs.md does not say what benchmarks/results/"):
        hooks.on_pre_build({})


def test_the_docs_build_stops_at_a_stale_table(monkeypatch, tmp_path):
    page = tmp_path / "results.md"
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    page.write_text(text.replace("| met |", "| **missed** |", 1))
    monkeypatch.setattr(results_table, "PAGES", (page,))
    with pytest.raises(
        PluginError, match=r"results.md: stale; run python -m scripts.results_table"
    ):
        hooks.on_pre_build({})
