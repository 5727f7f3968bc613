"""Points that another process can stand on: directions as plain values and files."""

from dataclasses import replace
from pathlib import Path

from ..provenance import digest_value
from .language_model import LanguageModel, list_places
from .points import (
    Direction,
    HeldDirection,
    NoiseDirection,
    Point,
    StoredDirection,
    store_direction,
)
from .trainer import TrajectoryDirection


def travelling_point(opened: LanguageModel, point: Point, folder: Path) -> Point:
    """Return the same point with directions that hold no model or other state of this process.

    A trajectory is trained first, if it is not yet. A direction that cannot travel as it is becomes
    a file in the folder, as large as the weights that it moves.

    Args:
        opened: The base model, standing at the base.
        point: The point.
        folder: Folder of the files.

    Returns:
        A point of the same digest and the same change, bit for bit, of `NoiseDirection` and
        `StoredDirection` alone.
    """
    terms = tuple(
        replace(term, direction=_travelling(opened, term.direction, folder)) for term in point.terms
    )
    return replace(point, terms=terms)


def files_of(point: Point) -> tuple[Path, ...]:
    """Return the files that a travelling point reads."""
    directions = [term.direction for term in point.terms]
    return tuple({d.path: None for d in directions if isinstance(d, StoredDirection)})


def with_files_at(point: Point, places: dict[Path, Path]) -> Point:
    """Return the same travelling point, reading copies of its files.

    Args:
        point: The point.
        places: File to its copy; files that are left out are read where they are.

    Returns:
        A point of the same digest.
    """
    terms = []
    for term in point.terms:
        direction = term.direction
        if isinstance(direction, StoredDirection) and direction.path in places:
            term = replace(term, direction=replace(direction, path=places[direction.path]))
        terms.append(term)
    return replace(point, terms=tuple(terms))


def _travelling(opened: LanguageModel, direction: Direction, folder: Path) -> Direction:
    direction.prepare()
    match direction:
        case NoiseDirection():
            return direction
        case HeldDirection():
            return _travelling(opened, direction.direction, folder)
        case StoredDirection():
            return replace(direction, path=direction.path.absolute())
        case TrajectoryDirection():
            path = direction.trajectory.path(direction.step).absolute()
            return StoredDirection(path, direction.identity())
    name = digest_value([opened.digest, direction.identity()]).removeprefix("sha256:")[:16]
    path = (folder / f"{name}.safetensors").absolute()
    if path.exists():
        return StoredDirection(path, direction.identity())
    change = {
        weight: delta
        for weight, place in list_places(opened.model).items()
        if (delta := direction.delta(weight, place.value())) is not None
    }
    folder.mkdir(parents=True, exist_ok=True)
    return store_direction(path, change, direction.identity())
