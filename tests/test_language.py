"""The language of the code: docstrings state definitions, and words have one meaning."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import driftline

ROOT = Path(driftline.__file__).parent

RIDDLES = (
    "How", "Of", "That", "What", "Whatever", "When", "Where", "Whether", "Which", "Who", "Whoever",
    "Why",
)  # fmt: skip
# A function is described by its action, so its docstring begins with neither of these.
NOUNS = (
    "A",
    "All",
    "An",
    "Each",
    "Every",
    "Its",
    "No",
    "Nothing",
    "One",
    "The",
    "Their",
    "Without",
)

# A word that the field does not use for this, and the one that it uses.
BANNED = {
    r"(be|are|is|stands?) there twice": "duplicate",
    r"couriers?": "file transfer",
    r"crews?": "worker pool",
    r"errands?": "task, assignment",
    r"go(es)? on (from|by itself|with)": "resume",
    r"hangs? on": "depend on",
    r"is no certificate": "is not a certificate",
    r"ladders?": "grid",
    r"likewise": "repeat the definition",
    r"no word for": "not supported",
    r"proof of life": "sensitivity self-test",
    r"rivals?": "baseline",
    r"roads?": "direction, path",
    r"rungs?": "grid point, index",
    r"shel(f|ves)": "offloaded copy",
    r"slope tapes?": "hooks",
    r"whence": "the origin",
    r"whoever": "name the subject",
}

# A name of a variable or a field that does not say which value it holds, and names that do.
VAGUE_NAMES = {
    "asked": "request, requested, inputs",
    "found": "result, document",
    "judged": "outcome, verdict",
    "wanted": "requested, required",
}
# Folders in which such names are still to be replaced.

Docstring = tuple[str, int, str]
"""The kind of what it describes, its line, its text."""


def docstrings(source: str) -> Iterator[Docstring]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield _kind(node), node.body[0].lineno, text
        body = getattr(node, "body", None)
        for before, after in itertools.pairwise(body) if isinstance(body, list) else ():
            if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                value = after.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield "attribute", after.lineno, value.value


def _kind(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    if not isinstance(node, ast.FunctionDef):
        return type(node).__name__
    is_value = any("property" in ast.unparse(each) for each in node.decorator_list)
    return "property" if is_value else "function"


def riddles(source: str) -> list[str]:
    found = []
    for kind, line, text in docstrings(source):
        first = text.split(maxsplit=1)[0].rstrip(",;:.")
        if first in RIDDLES or (kind == "function" and first in NOUNS):
            found.append(f"line {line}: a {kind} whose docstring begins with {first!r}")
    return found


def banned_words(text: str) -> list[str]:
    # The words of a name count, so _two_words and TwoWords are split.
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
    return [
        f"line {number}: {match.group()!r}, say: {better}"
        for number, line in enumerate(spread.splitlines(), start=1)
        for word, better in BANNED.items()
        for match in re.finditer(rf"\b{word}\b", line, re.IGNORECASE)
    ]


def vague_names(source: str) -> list[str]:
    result = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name, line = node.id, node.lineno
        elif isinstance(node, ast.arg):
            name, line = node.arg, node.lineno
        else:
            continue
        if name in VAGUE_NAMES:
            result.append(f"line {line}: {name!r}, say: {VAGUE_NAMES[name]}")
    return result


def checked(*suffixes: str) -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*")) if path.suffix in suffixes]


def test_docstrings_state_a_definition_or_an_action():
    faults = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in checked(".py")
        for fault in riddles(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


def test_no_banned_word_stands_in_code():
    faults = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in checked(".py", ".j2")
        for fault in banned_words(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


def test_no_variable_has_a_vague_name():
    faults = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in checked(".py")
        for fault in vague_names(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "source",
    ["found = 1", "for found in range(2): ...", "def a(asked): ...", "class A:\n    wanted: int", "(judged := 1)"],
)  # fmt: skip
def test_a_vague_name_is_found(source):
    assert len(vague_names(source)) == 1


@pytest.mark.parametrize("source", ["result = a.found", "a(found=1)", "# found", "foundry = 1"])
def test_other_names_are_not_vague(source):
    assert vague_names(source) == []


def test_no_two_classes_have_one_name():
    places: dict[str, list[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('"""What a module does."""', "Module"),
        ('class A:\n    """Whether it is."""', "ClassDef"),
        ('def a():\n    """Of a thing."""', "function"),
        ('def a():\n    """The result."""', "function"),
        ('class A:\n    @property\n    def a(self):\n        """How much."""', "property"),
        ('class A:\n    a: int\n    """Which one."""', "attribute"),
        ('A = 1\n"""Where, if anywhere."""', "attribute"),
    ],
)
def test_a_riddle_is_found(source, kind):
    (fault,) = riddles(source)
    assert f"a {kind} " in fault


@pytest.mark.parametrize(
    "source",
    [
        'def a():\n    """Return the result."""',
        'class A:\n    """The result."""',
        'class A:\n    @property\n    def a(self):\n        """The result."""',
        'class A:\n    a: int\n    """Number of items."""',
        'def a():\n    """Offer, then whether."""',
    ],
)
def test_a_definition_is_not_a_riddle(source):
    assert riddles(source) == []


@pytest.mark.parametrize(
    "text",
    [
        "crew", "class WorkerCrew:", "num_rungs = 3", "# Likewise.", "alpha stands there twice",
        "the same command goes on from DIR", "it hangs on the seed", "_proof_of_life",
    ],
)  # fmt: skip
def test_a_banned_word_is_found(text):
    assert len(banned_words(text)) == 1


@pytest.mark.parametrize("text", ["screw", "a wrung cloth", "broad", "arrival", "it goes on a bus"])
def test_other_words_are_not_banned(text):
    assert banned_words(text) == []
