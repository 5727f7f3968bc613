"""Copies of weights outside the memory of training: on disk, or in a GPU's host memory."""

import contextlib
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import torch
from torch import Tensor

from ...errors import OutputError, RunError
from ._sharded import local
from ._untouched import put


class _FileSlot(NamedTuple):
    offset: int
    like: Tensor
    """On no device: shape and type alone."""


class OffloadedCopy:
    """This process's part of every parameter, as it was.

    A model that is trained on the CPU shares its memory with all else, so copies go into a file without
    a name, which the system removes with the process, however that ends. A GPU's copies go to its host.
    """

    def __init__(self) -> None:
        """Start empty; see `of`."""
        self._file: BinaryIO | None = None
        self._places: dict[str, _FileSlot] = {}
        self._held: dict[str, tuple[Tensor, torch.device]] = {}

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor], folder: Path) -> Self:
        """Copy tensors to the storage.

        Cost: writing the parameters once.

        Args:
            folder: On the disk that has room.

        Raises:
            OSError: The disk is full, or cannot be written.
        """
        made = cls()
        try:
            for name, parameter in parameters.items():
                made._put(name, local(parameter), folder)
        except OSError:
            made.close()
            raise
        return made

    def get(self, name: str) -> Tensor:
        """Return one of them, in new memory on the device that it came from.

        Returns:
            The copy, bit for bit.

        Raises:
            OSError: It cannot be read.
        """
        if name in self._held:
            kept, device = self._held[name]
            return kept.to(device)
        assert self._file is not None
        place = self._places[name]
        result = torch.empty_like(place.like, device="cpu")
        self._file.seek(place.offset)
        requested = _bytes(result)
        if self._file.readinto(requested) != len(requested):  # type: ignore[attr-defined]
            raise OSError(f"{name}: its copy was cut short")
        return result

    def close(self) -> None:
        """Delete the copies."""
        self._held.clear()
        self._places.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put(self, name: str, now: Tensor, folder: Path) -> None:
        if now.device.type != "cpu":
            self._held[name] = (now.to("cpu"), now.device)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
            # Or with the copy, where an exception in training has left it behind.
            weakref.finalize(self, self._file.close)
        whole = now.contiguous()
        self._places[name] = _FileSlot(self._file.tell(), torch.empty_like(whole, device="meta"))
        self._file.write(_bytes(whole))


@contextlib.contextmanager
def standing_at(
    parameters: Mapping[str, Tensor], values: Mapping[str, Tensor], folder: Path
) -> Iterator[None]:
    """Move weights to other values for the block; they are put back bit for bit."""
    missing = sorted(parameters.keys() - values.keys())
    if missing:
        raise RunError(f"monitor: the weights of step 0 lack {missing[0]}; start from step 0")
    try:
        copy = OffloadedCopy.of(parameters, folder)
    except OSError as error:
        raise OutputError(f"{folder}: a copy of the weights cannot be kept ({error})") from error
    try:
        put(dict(parameters), lambda name, now: values[name].to(now))
        yield
    finally:
        put(dict(parameters), lambda name, _now: copy.get(name))
        copy.close()


def _bytes(tensor: Tensor) -> memoryview:
    """Return the memory of a contiguous tensor on the CPU."""
    return memoryview(tensor.view(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]  # it is one
