"""Write examples/assess.ipynb from examples/assess_notebook.py.

python -m scripts.notebook           # writes it
python -m scripts.notebook --check   # exit code 1 if it is not what the script says

Cells begin with `# %%`, those of text with `# %% [markdown]`. The notebook holds no outputs.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "examples" / "assess_notebook.py"
NOTEBOOK = ROOT / "examples" / "assess.ipynb"
_START = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def main() -> None:
    """Write, or check, the notebook."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    made = notebook(SOURCE.read_text(encoding="utf-8"))
    if parser.parse_args().check:
        is_same = NOTEBOOK.exists() and NOTEBOOK.read_text(encoding="utf-8") == made
        sys.exit(
            None if is_same else "examples/assess.ipynb: stale; run python -m scripts.notebook"
        )
    NOTEBOOK.write_text(made, encoding="utf-8")


def notebook(source: str) -> str:
    """Make a notebook of a script.

    Args:
        source: Python with `# %%` between its cells.

    Returns:
        The notebook, as JSON.
    """
    _, *parts = _START.split(source)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    cells = [_cell(str(at), text, is_text=bool(mark)) for at, (mark, text) in enumerate(pairs)]
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(name: str, text: str, *, is_text: bool) -> dict[str, Any]:
    text = text.strip("\n")
    if is_text:
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _lines(text)}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": _lines(text),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    main()
