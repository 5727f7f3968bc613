"""Command lines of the pages parse, their links resolve, and their blocks of code are right."""

import re
from pathlib import Path

import pytest
import typer.main
import yaml

import driftline
from driftline.cli._app import app
from tests.pages import (
    ROOT,
    CommandLine,
    broken_links,
    command_lines,
    commands_of,
    headings,
    markdown_pages,
)

LINES = sorted(set(command_lines()), key=str)
PAGES = markdown_pages()


def fault(line: CommandLine) -> str | None:
    """Say what is wrong with a command line, or None."""
    command, words = typer.main.get_command(app), line.words
    while words and hasattr(command, "commands"):
        name = words[0]
        if name.startswith("-"):
            break
        if name not in command.commands:
            return f"no command {name}"
        command, words = command.commands[name], words[1:]
    if line.is_synopsis:
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        unknown = [word for word in words if word.startswith("--") and word not in known]
        return f"no option {', '.join(unknown)}" if unknown else None
    if (
        "--help" in words
        or "-h" in words
        or "--version" in words
        or (not words and not line.is_whole)
    ):
        return None
    try:
        command.make_context(line.text, words, resilient_parsing=False)
    except Exception as error:
        is_missing = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
        return None if is_missing and not line.is_whole else f"{type(error).__name__}: {error}"
    except SystemExit:
        return None
    return None


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_command_line_parses(line):
    assert fault(line) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    driftline forecast MODEL --config c.yaml\n", None),
        ("    driftline forecast MODEL --config c.yaml --nonsense\n", "NoSuchOption"),
        ("    driftline forecast MODEL --config c.yaml --probe 0.7\n", "BadParameter"),
        ("    driftline forecast --config c.yaml\n", "MissingParameter"),
        ("```sh\n$ driftline forecast MODEL \\\n    --config c.yaml --nonsense\n```\n", "NoSuchOption"),
        ("    driftline nonsense MODEL\n", "no command nonsense"),
        ("    driftline forecast MODEL [--nonsense N]\n", "no option --nonsense"),
        ("    driftline forecast MODEL [--items N]\n                [--nonsense]\n", "no option --nonsense"),
        ("A line with `driftline forecast --nonsense`.\n", "NoSuchOption"),
        ("A line with `driftline forecast --risk 0.1`.\n", None),
        ("A line with `driftline runs nonsense`.\n", "no command nonsense"),
        ("    driftline forecast MODEL … --nonsense\n", "NoSuchOption"),
        ("    driftline forecast MODEL … --risk much\n", "BadParameter"),
    ],
)  # fmt: skip
def test_the_check_of_command_lines_can_fail(text, expected):
    (line,) = commands_of(text, "docs/page.md")
    found = fault(line)
    assert found == expected if expected is None else expected in (found or "")


def test_enough_lines_are_found():
    pages = {line.page for line in LINES}
    assert len(LINES) > 100
    assert {
        "README.md",
        "docs/start.md",
        "docs/guides/kept.md",
        "examples/github-gate.yml",
    } <= pages


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_resolve(path):
    assert broken_links(path) == []


def test_the_check_of_links_can_fail(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.pages.ROOT", tmp_path)
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# W&B, `code` and more\n")
    page.write_text(
        "# Here\n[a](other.md) [b](none.md) [c](other.md#none) [d](other.md#wb-code-and-more) [e](#here)\n"
        "[f](#none) [g](https://example.org) [h](../outside.md)\n"
    )
    assert broken_links(page) == ["none.md", "other.md#none", "#none", "../outside.md"]
    assert headings("# A\n```\n# no heading\n```\n") == {"a"}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (path.relative_to(ROOT).as_posix(), block)
        for path in PAGES
        for block in re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
    ]


@pytest.mark.parametrize(("page", "block"), blocks("yaml"))
def test_yaml_parses(page, block):
    assert yaml.safe_load(block)


@pytest.mark.parametrize(("page", "block"), blocks("python"))
def test_python_compiles_and_names_what_exists(page, block):
    compile(block, page, "exec")
    names = re.findall(r"\bdriftline\.([A-Za-z]\w*)\(", block)
    for line in re.findall(r"^from driftline import (.+)$", block, re.MULTILINE):
        names += [name.strip() for name in line.split(",")]
    assert set(names) <= set(driftline.__all__)


def test_the_readme_is_short_and_so_is_its_excerpt():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    excerpt = re.search(r"<!-- excerpt -->\n```\n(.*?)```", text, re.DOTALL)
    assert excerpt is not None
    assert 8 <= len(excerpt[1].splitlines()) <= 13, "a command and its first screen"


def test_every_command_is_on_the_first_page_of_the_documentation():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`driftline ([a-z-]+)`", text))
    assert named == set(typer.main.get_command(app).commands)


def test_no_page_names_a_folder_of_a_machine():
    for path in [*PAGES, *(p for p in Path(ROOT / "examples").iterdir() if p.is_file())]:
        assert not re.search(r"(?:^|[\s\"'(`])/(?:work|home|root|tmp)/", path.read_text("utf-8")), (
            path
        )
