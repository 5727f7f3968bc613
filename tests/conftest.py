"""Fixtures that several rooms share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Tests compare with tensors on the CPU, to digits that GPUs do not keep. Before torch looks.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Small matrices: a second BLAS thread waits more than it works. Processes that tests start inherit this.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"

# Scores are compared with committed ones, here and in processes that tests start: no machine falls back to float32.
os.environ["DRIFTLINE_BFLOAT16"] = "always"

# No test needs the network, and libraries that find none try for half a minute.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from threadpoolctl import threadpool_limits

from tests import tiny

# A plugin may have loaded numpy before this file, and with it a BLAS that no longer reads the environment.
threadpool_limits(1)
torch.set_num_threads(1)


NOT_FAST = {"slow", "statistics", "ray", "distributed", "gpu"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as fast what has no other marker of pyproject.toml."""
    for item in items:
        if NOT_FAST.isdisjoint(mark.name for mark in item.iter_markers()):
            item.add_marker("fast")


@pytest.fixture
def ctrl_c_arrives() -> Iterator[None]:
    """Make SIGINT raise, also where a shell started pytest in the background and thus ignores it.

    Processes that the test starts inherit it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with its tokenizer; do not write into it."""
    return tiny.save(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture(scope="session")
def opened(model_folder: Path):
    """The tiny Llama, opened; whoever moves it must put it back."""
    from driftline.models import open_model

    return open_model(str(model_folder))
