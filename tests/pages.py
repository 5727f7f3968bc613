"""Pages of the repository: their command lines and their links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^( *)(```|~~~)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(driftline [^`]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_LEADS = re.compile(r"^(?:\$ |- run: |- script: |- |RUN |CMD |!)*(?=driftline )")
_GAPS = ("…", "...")


@dataclass(frozen=True)
class CommandLine:
    """One line that names a command of Driftline."""

    page: str
    text: str
    is_block: bool
    """From a block of code, which people copy."""

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    @property
    def is_synopsis(self) -> bool:
        """It has brackets, so it says which options there are."""
        return "[" in self.text or "|" in self.text

    @property
    def is_whole(self) -> bool:
        """Nothing is left out, so it must run as it stands."""
        words = self.words
        if self.is_synopsis or any(gap in self.text for gap in _GAPS):
            return False
        is_for_readers = self.page == "README.md" or self.page.startswith(
            ("docs/guides", "docs/start")
        )
        return self.is_block or (is_for_readers and len(words) > 1)

    @property
    def words(self) -> list[str]:
        """Its arguments, without `driftline`, brackets and gaps."""
        text = self.text
        for gap in _GAPS:
            text = text.replace(gap, " ")
        if self.is_synopsis:
            text = re.sub(r"[\[\]|]", " ", text)
        return shlex.split(text, comments=True)[1:]


def markdown_pages() -> list[Path]:
    """List the pages that people read."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "design").glob("*.md")]
    pages += [*(ROOT / "evidence").rglob("README.md"), *(ROOT / "examples").glob("*.md")]
    return sorted(pages)


def command_lines() -> Iterator[CommandLine]:
    """Find the command lines of all pages and examples.

    Yields:
        Each, in the order of the pages.
    """
    for path in markdown_pages():
        text = path.read_text(encoding="utf-8")
        yield from commands_of(text, path.relative_to(ROOT).as_posix())
    for path in sorted((ROOT / "examples").iterdir()):
        if path.suffix in (".yml", "") and path.is_file():
            name = path.relative_to(ROOT).as_posix()
            yield from _in_block(path.read_text(encoding="utf-8"), name)


def commands_of(text: str, page: str) -> Iterator[CommandLine]:
    """Find the command lines of one page, in blocks and in sentences."""
    for fence in _FENCE.finditer(text):
        yield from _in_block(fence[3], page)
    prose = _FENCE.sub("", text)
    indented = "\n".join(line for line in prose.splitlines() if line.startswith("    "))
    yield from _in_block(indented, page)
    for found in _INLINE.finditer(re.sub(r"\n +", " ", prose)):
        text = found[1].replace("\\|", "|")
        yield CommandLine(page, " ".join(text.split()), is_block=False)


def _in_block(block: str, page: str) -> Iterator[CommandLine]:
    lines = re.sub(r"\\\n\s*", " ", block).splitlines()
    for at, line in enumerate(lines):
        text = _LEADS.sub("", line.strip())
        if not text.startswith("driftline "):
            continue
        indent = len(line) - len(line.lstrip())
        for after in lines[at + 1 :]:
            # A synopsis goes on below its options; a folded YAML text at the same indentation does not.
            if (
                not after.strip().startswith(("[", "--"))
                or len(after) - len(after.lstrip()) < indent
            ):
                break
            text = f"{text} {after.strip()}"
        yield CommandLine(page, text, is_block=True)


def broken_links(path: Path) -> list[str]:
    """List the links of a page to files or headings that do not exist.

    Args:
        path: The page.

    Returns:
        The targets.
    """
    found = []
    for target in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        place, _, anchor = target.partition("#")
        if ":" in place:
            continue
        there = path if not place else (path.parent / place).resolve()
        if (
            not there.exists()
            or ROOT not in (there, *there.parents)
            or (
                anchor
                and there.suffix == ".md"
                and anchor not in headings(there.read_text("utf-8"))
            )
        ):
            found.append(target)
    return found


def headings(text: str) -> set[str]:
    """Name the anchors of a page's headings, as GitHub and MkDocs do."""
    titles = re.findall(r"^#+ +(.+?) *$", _FENCE.sub("", text), flags=re.MULTILINE)
    plain = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}
