"""Docstrings of exported functions are complete; those of helpers list what the signature does not say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import driftline

ROOT = Path(driftline.__file__).parent


def exported_names(init: Path) -> set[str]:
    """Return the names that a room's contract, or the package, lists."""
    tree = ast.parse(init.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


def exported_functions(tree: ast.Module, names: set[str]) -> Iterator[ast.FunctionDef]:
    """Yield functions of those names, and public methods of classes of those names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node
        elif isinstance(node, ast.ClassDef) and node.name in names:
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
                    yield each


def gaps(function: ast.FunctionDef) -> list[str]:
    """List what a docstring of more than one line leaves out."""
    text = ast.get_docstring(function) or ""
    if "\n" not in text:
        return []
    found = []
    if re.search(r"^Args:$", text, re.MULTILINE):
        spec = function.args
        given = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
        given += [each for each in (spec.vararg, spec.kwarg) if each is not None]
        for argument in given:
            if argument.arg in ("self", "cls"):
                continue
            if not re.search(rf"^ {{4}}\**{argument.arg}\b.*:", text, re.MULTILINE):
                found.append(argument.arg)
    returns = None if function.returns is None else ast.unparse(function.returns)
    says = re.search(r"^(Returns|Yields):$", text, re.MULTILINE)
    is_property = any(ast.unparse(each).endswith("property") for each in function.decorator_list)
    says = says or is_property or text.startswith(("Return ", "Yield "))
    if returns != "None" and not says:
        found.append("Returns")
    return found


def test_exported_functions_say_everything():
    package = exported_names(ROOT / "__init__.py")
    missing = {}
    for room in sorted(path for path in ROOT.iterdir() if (path / "__init__.py").is_file()):
        names = package | exported_names(room / "__init__.py")
        for path in sorted(room.rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for function in exported_functions(tree, names):
                if left_out := gaps(function):
                    missing[f"{path.relative_to(ROOT)}:{function.name}"] = left_out
    assert missing == {}


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("One line.", []),
        ("Add.\n\nArgs:\n    a: One.\n    b: Two.\n\nReturns:\n    A sum.", []),
        ("Add.\n\nArgs:\n    a: One.\n\nReturns:\n    A sum.", ["b"]),
        ("Add.\n\nArgs:\n    a: One.\n    b: Two.", ["Returns"]),
        ("Return a sum.\n\nIt is exact.", []),
        ("Add.\n\nIt is exact.", ["Returns"]),
    ],
)
def test_a_gap_is_found(docstring, expected):
    source = f"def add(a: int, b: int) -> int:\n    {docstring!r}"
    (function,) = ast.parse(source).body
    assert gaps(function) == expected
