"""Points in weight space: base + sum of scale * direction, put in and taken out again.

The base comes back bit for bit, by copy and not by subtraction, also when something raises or the
user presses Ctrl-C. How one weight is moved depends on where it lies (`_places`).
"""

import contextlib
import math
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import JsonValue
from torch import Tensor

from ...provenance import digest_value
from ..language_model import LanguageModel, Place, list_places
from ._directions import Direction

Scale = float | Mapping[str, float]
"""One number for every weight, or one a weight name; a name that is left out does not move."""


@dataclass(frozen=True)
class Term:
    """One direction with its scale."""

    direction: Direction
    scale: Scale

    def scale_of(self, name: str) -> float:
        """Return the scale for one weight."""
        return self.scale.get(name, 0.0) if isinstance(self.scale, Mapping) else self.scale

    def identity(self) -> JsonValue:
        """Return the value that determines the term."""
        scale: JsonValue = {**self.scale} if isinstance(self.scale, Mapping) else self.scale
        return {"direction": self.direction.identity(), "scale": scale}


@dataclass(frozen=True)
class Point:
    """base + sum of the terms. No terms: the base itself."""

    label: str
    """For people; not part of what the point is."""
    terms: tuple[Term, ...] = ()

    def digest(self) -> str:
        """Compute the digest of what determines the point; its label does not count."""
        return digest_value([term.identity() for term in self.terms])

    def may_move(self, name: str) -> bool:
        """Return whether some term has a scale for a weight, so that it may change."""
        return any(term.scale_of(name) != 0.0 for term in self.terms)

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Compute the whole change of one weight, float32, on the CPU; None if it does not move."""
        total: Tensor | None = None
        for term in self.terms:
            scale = term.scale_of(name)
            change = term.direction.delta(name, base) if scale != 0.0 else None
            if change is not None:
                scaled = change * scale
                total = scaled if total is None else total + scaled
        return total


BASE = Point("base")

_BYTES_AHEAD = 2**30
"""Changes that may wait for their turn; a machine of many cores would hold dozens of large ones."""


@contextlib.contextmanager
def at_point(opened: LanguageModel, point: Point) -> Iterator[None]:
    """Move the model to a point while the block runs.

    Each weight becomes float32 base + change, rounded once to the dtype that it is held in. A
    quantised weight stays, and the change runs beside it in the layer's compute dtype.

    Cost: one pass over the weights that move, and their size in memory for the way back (for
    quantised ones, the size of the change; for weights that are fetched from disk, disk).

    Args:
        opened: The model; its weights are changed and put back.
        point: Point to move to.

    Yields:
        Nothing; the model is at the point.
    """
    for term in point.terms:
        term.direction.prepare()
    ways_back = contextlib.ExitStack()
    try:
        with torch.no_grad(), contextlib.closing(_changes(opened, point)) as changes:
            for place, change in changes:
                with _uninterrupted():
                    ways_back.callback(place.move(change))
        yield
    finally:
        with _uninterrupted(), torch.no_grad():
            ways_back.close()


def _changes(opened: LanguageModel, point: Point) -> Generator[tuple[Place, Tensor], None, None]:
    """Yield every weight that moves with its change, a few computed ahead.

    Drawing noise takes longer than adding it, and one generator uses one core.

    Yields:
        Where the weight lies, and its change.
    """

    def change_of(name: str, place: Place) -> Tensor | None:
        # Whether gradients are taken is a matter of each thread.
        with torch.no_grad():
            return point.delta(name, place.value())

    num_ahead = torch.get_num_threads()
    with ThreadPoolExecutor(num_ahead) as pool:
        ahead: deque[tuple[Place, Future[Tensor | None]]] = deque()
        held = 0
        places = [pair for pair in list_places(opened.model).items() if point.may_move(pair[0])]
        for name, place in places:
            ahead.append((place, pool.submit(change_of, name, place)))
            held += _num_bytes(place)
            while len(ahead) > num_ahead or (held > _BYTES_AHEAD and len(ahead) > 1):
                held -= _num_bytes(ahead[0][0])
                yield from _moved(*ahead.popleft())
        while ahead:
            yield from _moved(*ahead.popleft())


def _num_bytes(place: Place) -> int:
    """Return the bytes of a weight's change, which is float32."""
    return 4 * math.prod(place.shape)


def _moved(
    place: Place, change: Future[Tensor | None]
) -> Generator[tuple[Place, Tensor], None, None]:
    result = change.result()
    if result is not None:
        yield place, result


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the block is done, so that nothing is left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if arrived and callable(previous):
            previous(arrived[0], None)


class WeightNorms(NamedTuple):
    """Frobenius norms of one matrix and of its change."""

    change: float
    base: float


def change_norms(opened: LanguageModel, direction: Direction) -> dict[str, WeightNorms]:
    """Compute the norms of every matrix that a direction moves, at scale 1.

    Args:
        opened: The base model.
        direction: The direction.

    Returns:
        Weight name to norms; matrices that do not move, and vectors, are left out.
    """
    direction.prepare()
    norms = {}
    for name, place in list_places(opened.model).items():
        if len(place.shape) < 2:
            continue
        base = place.value()
        change = direction.delta(name, base)
        if change is not None:
            norms[name] = WeightNorms(float(change.norm()), float(base.float().norm()))
    return norms


def relative_norm(norms: Iterable[WeightNorms]) -> float:
    """Compute ||change||_F / ||W||_F over several matrices taken together."""
    change, base = zip(*norms, strict=True)
    return math.hypot(*change) / math.hypot(*base)
