"""Pages that are made from code, tables from results, and the notebook from its script."""

import ast
import json
import re
import sys
import tomllib

import pytest

import driftline
from scripts import notebook, results_table
from scripts.docs_site.commands import command_pages, commands
from scripts.docs_site.links import ROOT, pages_outside_docs, relinked
from scripts.docs_site.python_page import python_page


def test_every_command_has_a_page_with_all_of_its_options():
    pages = command_pages()
    for name, command in commands():
        page = pages[name]
        assert page.startswith(f"# driftline {name}\n")
        for parameter in command.params:
            if not parameter.hidden:
                assert all(option in page for option in parameter.opts if option.startswith("--"))
    assert "runs prune" in pages


def test_a_bar_in_a_choice_does_not_end_its_cell():
    page = command_pages()["forecast"]
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert "<code>--until &lt;probe&#124;decided&gt;</code>" in page
    assert rows
    assert all(line.count("|") == 3 for line in rows)


def test_the_python_page_has_every_public_name_and_its_inputs():
    page = python_page()
    for name in driftline.__all__:
        assert f"\n### {name}\n" in page
    assert "- `columns`:" in page
    assert "**Raises**" in page


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("docs/forecast.md", "[a](../design/forecast.md)", "[a](design/forecast.md)"),
        ("docs/guides/kept.md", "[a](../certify.md#what)", "[a](../certify.md#what)"),
        ("docs/guides/kept.md", "[a](../../evidence/README.md#x)", "[a](../evidence/index.md#x)"),
        ("design/LOG.md", "[a](../docs/costs.md)", "[a](../costs.md)"),
        ("CONTRIBUTING.md", "[a](design/rooms.md)", "[a](design/rooms.md)"),
        ("docs/costs.md", "[a](../pyproject.toml)", "a (`pyproject.toml`)"),
        ("docs/costs.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/costs.md", "[a](../none.md)", "[a](../none.md)"),
        ("docs/costs.md", "[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("docs/costs.md", "[a](#here)", "[a](#here)"),
        ("docs/costs.md", "![a](images/none.svg)", "![a](images/none.svg)"),
        ("docs/costs.md", "```\n[a](../design/rooms.md)\n```", "```\n[a](../design/rooms.md)\n```"),
    ],
)  # fmt: skip
def test_links_lead_to_where_the_site_has_the_file(source, link, expected):
    assert relinked(link, source) == expected


def test_what_the_site_takes_from_elsewhere_exists_once():
    pages = pages_outside_docs()
    assert all((ROOT / path).is_file() for path in pages)
    assert len(set(pages.values())) == len(pages)
    assert not any((ROOT / "docs" / path).exists() for path in pages.values())


def test_the_tables_of_results_are_those_of_the_results(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["results_table", "--check"])
    results_table.main()


@pytest.mark.parametrize(("old", "new"), [("| met |", "| **missed** |"), ("0 of 23", "1 of 23")])
def test_a_changed_figure_is_stale(old, new, monkeypatch, tmp_path):
    page = tmp_path / "README.md"
    page.write_text((ROOT / "README.md").read_text("utf-8").replace(old, new, 1), encoding="utf-8")
    monkeypatch.setattr(results_table, "ROOT", ROOT)
    made = results_table.with_table(page.read_text("utf-8"), results_table.results(), "")
    assert made != page.read_text("utf-8")


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="must be there once"):
        results_table.with_table("no marks", results_table.results(), "")


def test_the_notebook_is_that_of_its_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["notebook", "--check"])
    with pytest.raises(SystemExit) as stopped:
        notebook.main()
    assert stopped.value.code is None


def test_cells_of_text_and_of_code_are_told_apart():
    made = json.loads(notebook.notebook("# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n"))
    kinds = [(cell["cell_type"], "".join(cell["source"])) for cell in made["cells"]]
    assert kinds == [("markdown", "# Title\n\nText."), ("code", "x = 1")]


def test_the_example_scripts_call_what_exists():
    for path in sorted((ROOT / "examples").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        named = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "driftline"
            for alias in node.names
        }
        named |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "driftline"
        }
        assert named
        assert named <= set(driftline.__all__)


def test_the_dockerfile_copies_and_installs_what_exists():
    text = (ROOT / "examples" / "Dockerfile").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    assert all((ROOT / name).exists() for name in copied)
    # The build reads these.
    assert copied >= {"pyproject.toml", "src", project["project"]["readme"]}
    assert copied >= set(project["project"]["license-files"])
    extras = re.findall(r"/source\[([a-z,-]+)\]", text)
    assert len(extras) == 1
    assert set(extras[0].split(",")) <= set(project["project"]["optional-dependencies"])


@pytest.mark.parametrize("path", ["Makefile", "scripts/check"])
def test_the_site_is_built_strictly(path):
    # With --quiet MkDocs does not count warnings, so a broken link would pass.
    text = (ROOT / path).read_text("utf-8")
    assert "mkdocs build --strict" in text
    assert "mkdocs build --quiet" not in text
    assert "--strict --quiet" not in text
