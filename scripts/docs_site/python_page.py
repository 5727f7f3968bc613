"""The reference page of the Python package, made from signatures and docstrings."""

import inspect
import re

import driftline

_SECTION = re.compile(r"^(Args|Returns|Raises|Yields):$")


def python_page() -> str:
    """Describe every public name of `driftline`.

    Returns:
        Markdown: calls first, classes after them.
    """
    public = {name: getattr(driftline, name) for name in driftline.__all__}
    calls = {name: each for name, each in public.items() if inspect.isfunction(each)}
    classes = {name: each for name, each in public.items() if name not in calls}
    lines = [
        "# Python reference",
        "",
        "Made from signatures and docstrings. [Python](../python.md) shows the calls in use.",
        "",
        "## Calls",
    ]
    for name, each in calls.items():
        lines += ["", f"### {name}", "", _signature(name, each), "", *_docstring(each)]
    lines += ["", "## Classes"]
    for name, each in classes.items():
        lines += ["", f"### {name}", "", *_docstring(each)]
        lines += [line for member in _methods(each) for line in ("", *member)]
    return "\n".join(lines) + "\n"


def _signature(name: str, each: object) -> str:
    parameters = inspect.signature(each).parameters.values()  # type: ignore[arg-type]
    shown, is_keyword_only = [], False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not is_keyword_only:
            shown.append("*")
            is_keyword_only = True
        has_default = parameter.default is not inspect.Parameter.empty
        shown.append(f"{parameter.name}={parameter.default!r}" if has_default else parameter.name)
    inside = ",\n    ".join(shown)
    return f"```python\ndriftline.{name}(\n    {inside},\n)\n```"


def _methods(each: object) -> list[list[str]]:
    """Describe the public methods that a class of ours defines itself."""
    found = []
    for name, member in vars(each).items():
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        summary = inspect.cleandoc(function.__doc__).split("\n\n")[0]
        found.append([f"- `{name}`: {' '.join(summary.split())}"])
    return found


def _docstring(each: object) -> list[str]:
    """Turn a Google-style docstring into Markdown: sections become lists."""
    lines: list[str] = []
    section = ""
    for line in (inspect.getdoc(each) or "").splitlines():
        if found := _SECTION.match(line):
            section = found[1]
            lines += [f"**{section}**", ""]
        elif section and line.strip():
            lines.append(_entry(line, section))
        else:
            lines.append(line)
    return lines


def _entry(line: str, section: str) -> str:
    inner = line.removeprefix("    ")
    if inner.startswith(" "):
        return f"  {inner.strip()}"
    name, colon, text = inner.partition(": ")
    is_named = section in ("Args", "Raises") and colon and " " not in name
    return f"- `{name}`: {text}" if is_named else f"- {inner}" if section == "Args" else inner
