"""The shape of the code, held by tests that are shown to be able to fail."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import driftline
import driftline.errors

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = ("torch", "transformers", "numpy", "scipy", "trl", "pydantic", "altair", "cryptography")


def _loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_and_its_command_line_loads_nothing_heavy():
    assert _loaded_after("import driftline, driftline.cli") == set()


def test_the_light_import_test_can_fail():
    assert "torch" in _loaded_after("import driftline; driftline.open_model")


def _lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports; "
    script += "sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copied_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_the_import_contracts_hold(copied_project):
    done = _lint_imports(copied_project)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("room", "statement", "contract"),
    [
        ("stats", "from driftline.models import BASE", "one way"),
        ("capabilities", "import driftline.stats", "one way"),
        ("measures", "from driftline.models import BASE", "one way"),
        ("measures", "import driftline.stats", "one way"),
        ("certificates", "import driftline.report", "one way"),
        ("certificates", "from driftline.models import BASE", "needs no model"),
        ("cli", "import cryptography", "Only certificates"),
        ("analyses", "import rfc8785", "Only certificates"),
        ("report", "from driftline.stats import mean_interval", "computes nothing"),
        ("report", "from driftline.measures import effective_rank", "computes nothing"),
        ("analyses", "import transformers", "Only models,"),
        ("analyses", "from driftline.training import train", "one way"),
        ("report", "from driftline.training import train", "one way"),
        ("cli", "import trl", "Only models, monitor and training"),
        ("analyses", "import driftline.monitor", "one way"),
        ("monitor", "from driftline.training import train", "one way"),
        ("monitor", "import cryptography", "Only certificates"),
        ("capabilities", "import lm_eval.tasks", "Only one file"),
    ],
)
def test_the_import_contracts_can_fail(copied_project, room, statement, contract):
    fault = copied_project / "src" / "driftline" / room / "_fault.py"
    fault.write_text(f'"""A fault."""\n\n{statement}\n')
    try:
        done = _lint_imports(copied_project)
    finally:
        fault.unlink()
    assert done.returncode == 1
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), done.stdout


INNER_FAULTS = {
    "models": ("models/points", "from ..trainer import plan_training"),
    "the trainer": ("models/trainer/config", "from ..levers import Levers"),
    "analyses": ("analyses/probing", "from ..margins import predicted_losses"),
    "results": ("results/documents", "from ..summaries import summary"),
    "the monitor": ("monitor/signals", "from ..detectors import Finding"),
    "engine": ("engine/storage", "from ..evaluation import Table"),
    "stats": ("stats/noninferiority", "from ..sample_sizes import items_needed"),
    "report": ("report/charts", "from ..pages import render_html"),
    "cli": ("cli/options", "from ..commands import certify"),
    "capabilities": ("capabilities", "from .logs import read_scored_log"),
}
"""One arrow back up inside each room."""


def test_the_contracts_inside_rooms_can_fail(copied_project):
    faults = []
    for folder, statement in INNER_FAULTS.values():
        # Where a contract orders single files, the fault has to be in one of them.
        name = "_items.py" if folder == "capabilities" else "_fault.py"
        path = copied_project / "src" / "driftline" / folder / name
        faults.append((path, path.read_text() if path.exists() else None))
        path.write_text(f'"""A fault."""\n\n{statement}\n')
    try:
        done = _lint_imports(copied_project)
    finally:
        for path, text in faults:
            path.unlink() if text is None else path.write_text(text)
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    for room in INNER_FAULTS:
        assert any(f"inside {room} " in line for line in broken), done.stdout


def test_a_folder_holds_at_most_15_files_and_says_why_it_exists():
    for folder in {path.parent for path in SOURCES}:
        assert len([p for p in folder.iterdir() if p.is_file()]) <= 15, folder
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines_and_no_function_than_60(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert _lines_without_docstring(node) <= 60, node.name


def _lines_without_docstring(node: ast.FunctionDef) -> int:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = node.body[1:] if is_docstring else node.body
    return node.end_lineno - body[0].lineno + 1 if body else 0


def test_our_own_modules_are_imported_inside_functions_only_in_the_command_line():
    for path in SOURCES:
        if "cli" in path.parts:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                inner = [
                    n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)
                ]
                assert not inner, f"{path}: {function.name} hides an import"


def test_every_public_name_can_be_loaded():
    for name in driftline.__all__:
        assert getattr(driftline, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        driftline.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "room",
    [
        "analyses",
        "capabilities",
        "certificates",
        "engine",
        "measures",
        "models",
        "monitor",
        "report",
        "results",
        "stats",
        "training",
    ],
)
def test_every_name_that_a_room_exports_is_documented(room):
    module = importlib.import_module(f"driftline.{room}")
    for name, value in vars(module).items():
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            assert inspect.getdoc(value), name


def test_the_tree_in_the_docstring_shows_every_exception_with_its_exit_code():
    tree = driftline.errors.__doc__
    classes = [value for value in vars(driftline.errors).values() if inspect.isclass(value)]
    for error in classes:
        assert error.__name__ in tree
    codes = {error.__name__: error.exit_code for error in classes}
    assert codes["InputError"] == codes["OutputError"] == codes["SuiteError"] == 2
    assert codes["RunError"] == 4


def _places_of_one_machine(text: str) -> list[str]:
    return re.findall(r'"(?:/[\w.-]+){2,}[^"]*"|"[A-Za-z]:\\\\[^"]*"', text)


def test_no_record_names_a_place_of_one_machine():
    records = [p for room in ("evidence", "benchmarks") for p in (ROOT / room).rglob("*.json")]
    assert len(records) > 100
    found = {p.name: _places_of_one_machine(p.read_text()) for p in records}
    assert not {name: places for name, places in found.items() if places}


def test_the_test_for_places_can_fail():
    assert _places_of_one_machine('{"source": "/home/me/model"}')
    assert not _places_of_one_machine(
        '{"source": "owner/name", "unit": "a/b", "schema": "driftline/plan/1"}'
    )
