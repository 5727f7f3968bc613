"""The notebook of examples/ runs from its first cell to its last, as Jupyter would run it."""

import ast
import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
MODEL = Path(__file__).parents[1] / "build" / "models" / "stories15m"


def cells():
    document = json.loads((EXAMPLES / "assess.ipynb").read_text("utf-8"))
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def run(source, names):
    """Run a cell and show the value of its last line, which Jupyter does too."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "assess.ipynb", "exec"), names)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "assess.ipynb", "eval"), names)
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)


def test_a_cell_shows_its_last_line_and_an_error_is_not_hidden():
    names = {}
    assert run("x = 2\nx + 1", names) == "3"
    assert run("y = 2", names) is None
    with pytest.raises(ZeroDivisionError):
        run("1 / 0", names)


@pytest.mark.slow
@pytest.mark.skipif(
    not MODEL.is_dir(),
    reason="python -m scripts.small_models stories15m --out build/models makes the model",
)
def test_every_cell_runs(monkeypatch, capsys):
    monkeypatch.chdir(EXAMPLES)
    names = {}
    for source in cells():
        run(source, names)
    printed = capsys.readouterr().out
    assert names["answer"].verdict in ("safe", "at_risk", "unsafe")
    assert names["certified"].verdict in ("pass", "fail", "inconclusive")
    assert len(names["trained"].checks) > 0
    for name in ("run", "gentle", "trained", "certified"):
        assert (names["work"] / name / "report.html").is_file()
    assert printed.count("Do: ") >= 2
    assert str(names["work"]) in printed
