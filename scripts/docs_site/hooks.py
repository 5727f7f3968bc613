"""Hooks of MkDocs: add the pages that are made from code, and mend links.

mkdocs.yml names this file; MkDocs calls the functions by their names.
"""

import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
# MkDocs loads this file by its path, so its package is not found by itself.
sys.path.insert(0, str(ROOT))

from scripts import life_page, page_figures, results_table  # noqa: E402
from scripts.docs_site.commands import command_pages  # noqa: E402
from scripts.docs_site.links import pages_outside_docs, relinked  # noqa: E402
from scripts.docs_site.python_page import python_page  # noqa: E402

_TO_REPOSITORY = {there: here for here, there in pages_outside_docs().items()}


def on_config(config: Any) -> Any:  # noqa: ANN401 - MkDocs' own untyped dict
    """Add the pages that are made or lie outside of `docs/` to the navigation."""
    pages = [{name: _path(name)} for name in command_pages()]
    design = [f"design/{path.name}" for path in sorted((ROOT / "design").glob("*.md"))]
    for entry in config["nav"]:
        for title, inside in entry.items():
            if title == "Reference":
                inside.insert(0, {"Command line": pages})
            elif title == "Design":
                inside += [path for path in design if path not in inside]
    return config


def on_pre_build(config: Any) -> None:  # noqa: ANN401
    """Stop the build if a figure of a page is not that of its committed result.

    Raises:
        PluginError: A page is stale; the message says which, and what it has to say.
    """
    del config
    faults = page_figures.faults()
    if stale := results_table.stale_pages():
        faults.append(results_table.fault(stale))
    if life_page.is_stale():
        faults.append(life_page.fault())
    if faults:
        raise PluginError("\n".join(faults))


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401
    """Add the pages that are made, and those outside of `docs/`."""
    made = {_path(name): text for name, text in command_pages().items()}
    made["reference/python.md"] = python_page()
    for here, there in pages_outside_docs().items():
        made[there] = (ROOT / here).read_text(encoding="utf-8")
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ANN401
    """Mend the links of a page."""
    del config, files
    path = page.file.src_uri
    return relinked(markdown, _TO_REPOSITORY.get(path, f"docs/{path}"))


def _path(command: str) -> str:
    return f"reference/commands/{command.replace(' ', '-')}.md"
