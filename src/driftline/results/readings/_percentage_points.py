"""Documents as people read them: probabilities in percentage points."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from ...metrics import SHOWN, shown_unit
from ..parts import Value

_ValueT = TypeVar("_ValueT", bound=Value)


def in_points(document: _ValueT) -> _ValueT:
    """Multiply what is in a unit that people see otherwise, and rename the unit.

    Documents hold probabilities from 0 to 1; every rendering for people passes through here first.

    Args:
        document: Any value; its classes name the fields that are in a capability's unit.

    Returns:
        A copy for showing; the document itself where nothing in it is shown otherwise.
    """
    units = dict(_units(document))
    if not any(unit.partition(" ")[0] in SHOWN for unit in units.values()):
        return document
    turned: _ValueT = _turned(document, units, None)
    return turned


def shown_amount(
    value: float, unit: str, *, with_unit: bool = True, digits: int = 3, signed: bool = False
) -> str:
    """Write a value with its unit, as people are shown it.

    >>> shown_amount(-0.034, "probability", signed=True), shown_amount(0.25, "nats")
    ('-3.4 points', '0.25 nats')

    Args:
        value: As a document has it.
        unit: Unit of the value.
        with_unit: Write the unit too.
        digits: Significant digits.
        signed: Give a positive value its plus.

    Returns:
        Number and unit, or the number alone.
    """
    factor, shown = shown_unit(unit)
    number = f"{factor * value:{'+' if signed else ''}.{digits}g}"
    return f"{number} {shown}" if with_unit else number


def _units(value: object) -> Iterator[tuple[str, str]]:
    """Yield every capability with its unit, wherever both occur together."""
    if isinstance(value, Value):
        unit, name = getattr(value, "unit", None), getattr(value, "capability", None)
        if isinstance(unit, str) and value.in_unit:
            yield str(name), unit
        for field in type(value).model_fields:
            yield from _units(getattr(value, field))
    elif isinstance(value, tuple):
        for each in value:
            yield from _units(each)


def _turned(value: Any, units: Mapping[str, str], inherited: str | None) -> Any:  # noqa: ANN401
    if isinstance(value, tuple):
        turned = tuple(_turned(each, units, inherited) for each in value)
        return value if all(a is b for a, b in zip(turned, value, strict=True)) else turned
    if not isinstance(value, Value):
        return value
    unit = getattr(value, "unit", None) or units.get(str(getattr(value, "capability", None)))
    unit = unit or inherited
    update = {}
    for field in type(value).model_fields:
        old = getattr(value, field)
        if field in value.in_unit:
            new = _scaled(old, unit, units)
        elif field == "unit" and value.in_unit:
            new = shown_unit(old)[1]
        else:
            new = _turned(old, units, unit)
        if new is not old:
            update[field] = new
    return value.model_copy(update=update) if update else value


def _scaled(value: Any, unit: str | None, units: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Convert a number, or numbers by capability, to the unit that is displayed."""
    if isinstance(value, dict):
        return {name: _scaled(each, units.get(name), units) for name, each in value.items()}
    factor = 1.0 if unit is None else shown_unit(unit)[0]
    return value if value is None or factor == 1.0 else factor * value
