"""Altair, or a stand-in where it is not installed, so that pages can be written without charts."""

import importlib
from typing import TYPE_CHECKING

from ...extras import missing_module, require_extra

__all__ = ["alt", "vl_convert"]


class _Missing:
    """A class of a package that is not installed; making an object of it is an error."""

    def __init__(self, *_values: object, **_options: object) -> None:
        require_extra("charts")


class _MissingPackage:
    """A package that is not installed. Its names can stand in annotations."""

    def __getattr__(self, name: str) -> type[_Missing]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing


if TYPE_CHECKING:
    import altair as alt
    import vl_convert as vl_convert
elif missing_module("charts"):
    alt = vl_convert = _MissingPackage()
else:
    alt, vl_convert = (importlib.import_module(name) for name in ("altair", "vl_convert"))
