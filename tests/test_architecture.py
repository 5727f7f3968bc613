"""The shape of the code, held by tests that are shown to be able to fail."""

import ast
import copy
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import importlinter.configuration
import pytest
from importlinter.application.app_config import settings
from importlinter.application.ports.building import GraphBuilder
from importlinter.application.use_cases import lint_imports

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
    assert "numpy" in _loaded_after("import driftline.stats")


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


@pytest.fixture(scope="module")
def import_graph() -> grimp.ImportGraph:
    """The imports of the source, read once; copy it before changing it."""
    return grimp.build_graph("driftline", include_external_packages=True, cache_dir=None)


class _Prepared(GraphBuilder):
    def __init__(self, graph: grimp.ImportGraph) -> None:
        self.graph = graph

    def build(self, *_args: object, **_options: object) -> grimp.ImportGraph:
        return copy.deepcopy(self.graph)


@pytest.fixture
def broken_contracts(import_graph, capsys):
    """Return the names of the contracts that imports added to the real ones break."""

    def check(*added: tuple[str, str]) -> list[str]:
        graph = copy.deepcopy(import_graph)
        for importer, imported in added:
            external = not imported.startswith("driftline")
            for module, is_squashed in (importer, False), (imported, external):
                if module not in graph.modules:
                    graph.add_module(module, is_squashed=is_squashed)
            graph.add_import(importer=importer, imported=imported)
        importlinter.configuration.configure()
        settings.configure(GRAPH_BUILDER=_Prepared(graph))
        passed = lint_imports(str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True)
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith("Contracts: ") for line in lines), lines
        broken = [line for line in lines if " BROKEN" in line]
        assert passed == (not broken)
        return broken

    return check


def test_the_import_contracts_hold(broken_contracts):
    assert broken_contracts() == []


@pytest.mark.parametrize(
    ("room", "imported", "contract"),
    [
        ("stats", "driftline.models", "one way"),
        ("capabilities", "driftline.stats", "one way"),
        ("measures", "driftline.models", "one way"),
        ("measures", "driftline.stats", "one way"),
        ("certificates", "driftline.report", "one way"),
        ("certificates", "driftline.models", "needs no model"),
        ("cli", "cryptography", "Only certificates"),
        ("analyses", "rfc8785", "Only certificates"),
        ("report", "driftline.stats", "computes nothing"),
        ("report", "driftline.measures", "computes nothing"),
        ("analyses", "transformers", "Only models,"),
        ("analyses", "driftline.training", "one way"),
        ("report", "driftline.training", "one way"),
        ("cli", "trl", "Only models, monitor and training"),
        ("analyses", "driftline.monitor", "one way"),
        ("monitor", "driftline.training", "one way"),
        ("monitor", "cryptography", "Only certificates"),
        ("capabilities", "lm_eval", "Only one file"),
    ],
)
def test_the_import_contracts_can_fail(broken_contracts, room, imported, contract):
    broken = broken_contracts((f"driftline.{room}._fault", imported))
    assert any(contract in line for line in broken), broken


INNER_FAULTS = {
    "models": ("models.points._fault", "models.trainer"),
    "the trainer": ("models.trainer.config._fault", "models.trainer.levers"),
    "analyses": ("analyses.probing._fault", "analyses.margins"),
    "results": ("results.documents._fault", "results.readings"),
    "the monitor": ("monitor.signals._fault", "monitor.detectors"),
    "engine": ("engine.storage._fault", "engine.evaluation"),
    "stats": ("stats.noninferiority._fault", "stats.sample_sizes"),
    "report": ("report.charts._fault", "report.pages"),
    "questions": ("questions.inputs._fault", "questions.answers"),
    "cli": ("cli.options._fault", "cli.commands"),
    # This contract orders single files, so the fault has to be in one of them.
    "capabilities": ("capabilities._items", "capabilities.logs"),
}
"""One arrow back up inside each room."""


@pytest.mark.parametrize("room", INNER_FAULTS)
def test_the_contracts_inside_rooms_can_fail(broken_contracts, room):
    importer, imported = INNER_FAULTS[room]
    broken = broken_contracts((f"driftline.{importer}", f"driftline.{imported}"))
    assert any(f"inside {room} " in line for line in broken), broken


def test_the_gate_reads_a_fault_from_a_file(copied_project):
    fault = copied_project / "src" / "driftline" / "stats" / "_fault.py"
    fault.write_text('"""A fault."""\n\nfrom driftline.models import BASE\n')
    done = _lint_imports(copied_project)
    assert done.returncode == 1
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert ["one way through" in line for line in broken] == [True], done.stdout


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


def test_our_own_modules_are_imported_inside_functions_only_for_the_command_line():
    for path in SOURCES:
        # The command line reads the questions' signatures for --help.
        if {"cli", "questions"} & set(path.parts):
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
