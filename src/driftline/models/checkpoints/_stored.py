"""Tensors as they lie in a safetensors file, read a block at a time.

The library maps whole files into memory, and what was looked at counts as held until the file is
closed. Plain reads into one small buffer keep memory the same whatever the size of the file, and are
as fast. The format is a length of 8 bytes, a JSON header of that length, then the bytes of each tensor.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...errors import ModelError
from ...parsing import parse_json, pointer_fault

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The dtypes that can be compared, by their names in the format."""

BLOCK = 2**17
"""Numbers that are read at a time: two such blocks and their float32 copies fit into a core's cache."""


class ReadableTensor(Protocol):
    """A tensor that can be read a block at a time: stored as it is, or assembled from stored ones."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its numbers."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    @property
    def num_elements(self) -> int:
        """Number of elements."""
        ...

    @property
    def num_bytes(self) -> int:
        """Bytes that its elements take."""
        ...

    def blocks(self) -> Iterator[Tensor]:
        """Yield its elements in order, `BLOCK` at a time, flat, in its dtype."""
        ...

    def value(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Read the whole tensor."""
        ...


class SizedTensor:
    """A base of tensors that are not in memory: their size from dtype and shape."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def num_elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes that its elements take."""
        return self.num_elements * self.dtype.itemsize


@dataclass(frozen=True)
class StoredTensor(SizedTensor):
    """One tensor of a safetensors file; nothing of it is in memory."""

    path: Path
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int
    """Position of its first byte in the file."""

    def blocks(self) -> Iterator[Tensor]:
        """Yield its elements in order, `BLOCK` at a time, flat, in the stored dtype.

        Yields:
            A view of one buffer: what it holds changes with the next block.

        Raises:
            ModelError: The file ends early, or cannot be read.
        """
        left, size = self.num_elements, self.dtype.itemsize
        buffer = bytearray(min(BLOCK, left) * size)
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(self.offset)
                while left:
                    num = min(BLOCK, left)
                    view = memoryview(buffer)[: num * size]
                    while view:
                        if not (got := file.readinto(view)):
                            raise ModelError(
                                f"{self.path}: truncated or corrupt ({self.name} ends early); "
                                "download or save it again"
                            )
                        view = view[got:]
                    yield torch.frombuffer(buffer, dtype=self.dtype, count=num)
                    left -= num
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be read ({error.strerror})") from error

    def value(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Read the whole tensor.

        Args:
            dtype: The dtype to hold it in.

        Returns:
            A tensor of its own shape. Cost: memory for all its numbers.
        """
        held = torch.empty(self.num_elements, dtype=dtype)
        at = 0
        for block in self.blocks():
            held[at : at + len(block)].copy_(block)
            at += len(block)
        return held.view(self.shape)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Read the names and places of a safetensors file's tensors, in the order of the file.

    Returns:
        Name to tensor. Cost: the header alone is read.

    Raises:
        ModelError: The file is missing, truncated or corrupt, or holds numbers of a kind that
            cannot be compared.
    """
    try:
        # The library knows every way in which a header can be wrong.
        with safe_open(path, framework="pt"):
            pass
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; download it again") from None
    except (SafetensorError, OSError, ValueError) as error:
        with contextlib.suppress(OSError):
            if fault := pointer_fault(path):
                raise ModelError(fault) from None
        raise ModelError(
            f"{path}: truncated or corrupt ({error}); download or save it again"
        ) from None
    # The library has checked what kinds of values they are.
    entries: Any = parse_json(header, path, ModelError, mend="download or save it again")
    entries.pop("__metadata__", None)
    result = []
    for name, entry in entries.items():
        if entry["dtype"] not in DTYPES:
            raise ModelError(
                f"{path}: tensor {name} is stored as {entry['dtype']}, which is packed; give the "
                "unquantised checkpoint"
            )
        begin = 8 + length + entry["data_offsets"][0]
        result.append(
            StoredTensor(path, name, DTYPES[entry["dtype"]], tuple(entry["shape"]), begin)
        )
    return {tensor.name: tensor for tensor in sorted(result, key=lambda tensor: tensor.offset)}
