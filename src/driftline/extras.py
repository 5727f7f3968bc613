"""Optional packages: the extra that installs each, its purpose, and the error where one is missing."""

import importlib.util
from dataclasses import dataclass

from .errors import MissingPackageError


@dataclass(frozen=True)
class Extra:
    """Packages that only some commands need."""

    modules: tuple[str, ...]
    """Names under which they are imported."""
    purpose: str
    """A sentence that begins with "it"."""


EXTRAS = {
    "charts": Extra(("altair", "vl_convert"), "it draws the charts of reports"),
    "gguf": Extra(("gguf",), "it reads models in GGUF files"),
    "search": Extra(("optuna",), "it proposes the trials of plan and repair"),
    "signing": Extra(("cryptography", "rfc8785"), "it signs and verifies certificates"),
}
"""By the name of the extra in pyproject.toml."""


def missing_module(extra: str) -> str | None:
    """Find a module of an extra that is not installed.

    Args:
        extra: A key of `EXTRAS`.

    Returns:
        Its name; None if the extra is complete. Nothing is imported.
    """
    modules = EXTRAS[extra].modules
    return next((name for name in modules if importlib.util.find_spec(name) is None), None)


def require_extra(extra: str) -> None:
    """Refuse to start where an extra is missing.

    Args:
        extra: A key of `EXTRAS`.

    Raises:
        MissingPackageError: A package of it is not installed.
    """
    name = missing_module(extra)
    if name is not None:
        raise MissingPackageError(
            f"{name}: is not installed, and {EXTRAS[extra].purpose}; run: {install_line(extra)}"
        )


def install_line(extra: str) -> str:
    """Write the command that installs an extra, for any shell."""
    return f"pip install 'driftline[{extra}]'"
