"""The checklists name files and names that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def items_of(text):
    """Return the entries of the checklists, continued lines joined."""
    joined = re.sub(r"\n {2,}", " ", text)
    return [line for line in joined.splitlines() if line.startswith("- [ ]")]


def faults(item):
    """Return the paths and names of one entry that do not exist."""
    found, source = [], ""
    for quoted in re.findall(r"`([^`]+)`", item):
        if "/" in quoted or quoted.endswith((".md", ".toml", ".txt")):
            path = ROOT / quoted
            found += [] if path.exists() else [quoted]
            source = path.read_text(encoding="utf-8") if path.is_file() else ""
        elif source and quoted.isidentifier():
            found += [] if re.search(rf"\b{quoted}\b", source) else [quoted]
    return found


@pytest.mark.parametrize("item", items_of(TEXT), ids=lambda item: item[6:60])
def test_a_checklist_names_what_exists(item):
    assert faults(item) == []


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("- [ ] `src/driftline/metrics.py`: `Metric`", []),
        ("- [ ] `src/driftline/metrics.py`: `Nonsense`", ["Nonsense"]),
        ("- [ ] `src/driftline/nonsense.py`", ["src/driftline/nonsense.py"]),
    ],
)
def test_the_check_can_fail(item, expected):
    assert faults(item) == expected


def test_there_is_a_checklist_for_each_kind_of_extension():
    assert len(items_of(TEXT)) > 30
    for kind in ("scorer", "lever", "detector", "command"):
        assert f"\n## Add a {kind}\n" in TEXT


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in ("CONTRIBUTING.md", "README.md", ".ci/run"):
        named = re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), flags=re.MULTILINE)
        assert named, page
        for target in named:
            assert f"\n{target}: " in makefile, (page, target)
