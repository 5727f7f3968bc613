"""Links of pages to files of the repository that are not below `docs/`."""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def pages_outside_docs() -> dict[str, str]:
    """List the files outside of `docs/` that the site shows.

    Returns:
        Path on the site, by path in the repository.
    """
    found = {
        "CONTRIBUTING.md": "contributing.md",
        "CHANGELOG.md": "changes.md",
        "examples/README.md": "examples.md",
    }
    for path in sorted((ROOT / "examples").iterdir()):
        if path.is_file() and path.name != "README.md":
            found[f"examples/{path.name}"] = f"examples/{path.name}"
    for path in sorted((ROOT / "design").glob("*.md")):
        found[f"design/{path.name}"] = f"design/{path.name}"
    for path in sorted((ROOT / "evidence").rglob("README.md")):
        inside = path.parent.relative_to(ROOT).as_posix()
        found[f"{inside}/README.md"] = f"{inside}/index.md"
    return found


def site_path(path: str) -> str | None:
    """Say where the site has a file.

    Args:
        path: A path in the repository.

    Returns:
        The path on the site, or None where the site does not have it.
    """
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path == "README.md":
        return "index.md"
    return pages_outside_docs().get(path)


def relinked(markdown: str, source: str) -> str:
    """Point the links of a page to where the site has their files.

    Args:
        markdown: The page.
        source: Its path in the repository.

    Returns:
        The page. A link to a file that the site does not have becomes the file's name; one to a file that
        does not exist stays, so that a strict build fails.
    """
    here = site_path(source) or source

    def replace(found: re.Match[str]) -> str:
        image, text, target = found.groups()
        path, mark, anchor = target.partition("#")
        if not path or ":" in path:
            return found[0]
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        there = site_path(inside.rstrip("/"))
        if there is not None:
            moved = posixpath.relpath(there, posixpath.dirname(here) or ".")
            return f"{image}[{text}]({moved}{mark}{anchor})"
        if (ROOT / inside).exists() and not inside.startswith(".."):
            return f"{text} (`{inside}`)"
        return found[0]

    return _outside_code(markdown, replace)


def _outside_code(markdown: str, replace: Callable[[re.Match[str]], str]) -> str:
    """Replace links, but not in fenced blocks."""
    parts = re.split(r"(^```.*?^```[^\n]*$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if at % 2 else _LINK.sub(replace, part) for at, part in enumerate(parts))
