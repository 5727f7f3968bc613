"""Tensors as they lie in a file, against the library that writes it."""

import resource

import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.errors import ModelError
from driftline.models.checkpoints._stored import BLOCK, DTYPES, read_header

DTYPE_VALUES = [dtype for dtype in DTYPES.values() if dtype is not torch.bool]


def written(tmp_path, tensors):
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, metadata={"note": "x"})
    return path, read_header(path)


@pytest.mark.parametrize("dtype", DTYPE_VALUES, ids=str)
def test_every_dtype_is_read_as_the_library_reads_it(tmp_path, dtype):
    tensor = (torch.arange(35).reshape(5, 7) % 11).to(dtype)
    path, header = written(tmp_path, {"a": tensor, "b": tensor[:1].clone()})
    for name, wanted in load_file(path).items():
        found = header[name]
        assert (found.dtype, found.shape) == (wanted.dtype, tuple(wanted.shape))
        assert found.num_bytes == wanted.nbytes
        assert torch.equal(found.value(), wanted.float())


def test_every_known_dtype_is_the_librarys():
    assert {torch.float32, torch.bfloat16, torch.float16, torch.bool} <= set(DTYPES.values())


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_blocks_are_the_whole_in_order(tmp_path, size):
    tensor = torch.arange(size, dtype=torch.float32)
    _path, header = written(tmp_path, {"before": torch.ones(3), "it": tensor})
    blocks = [block.clone() for block in header["it"].blocks()]
    assert all(len(block) <= BLOCK for block in blocks)
    assert torch.equal(torch.cat(blocks) if blocks else torch.empty(0), tensor)


def test_a_scalar_has_one_number(tmp_path):
    _path, header = written(tmp_path, {"it": torch.tensor(2.5)})
    assert header["it"].shape == ()
    assert header["it"].value() == 2.5


def test_the_header_is_in_the_order_of_the_file(tmp_path):
    _path, header = written(tmp_path, {"b": torch.ones(2), "a": torch.ones(3, dtype=torch.int8)})
    offsets = [tensor.offset for tensor in header.values()]
    assert offsets == sorted(offsets)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"gone.safetensors: no such file"):
        read_header(tmp_path / "gone.safetensors")
    path, header = written(tmp_path, {"a": torch.ones(100)})
    content = path.read_bytes()
    for length in (0, 4, 20, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"a.safetensors: truncated or corrupt"):
            read_header(path)
    # Cut after it was opened.
    with pytest.raises(ModelError, match=r"truncated or corrupt \(a ends early\)"):
        header["a"].value()
    path.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        header["a"].value()


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "large.safetensors"
    save_file({f"t{i}": torch.zeros(4_000_000) for i in range(8)}, path)
    tensors = read_header(path).values()
    next(iter(tensors)).blocks()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(float(b.sum()) for tensor in tensors for b in tensor.blocks()) == 0
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    # The file is 128 MB.
    assert grown_mb < 20
