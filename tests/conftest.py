"""Fixtures that several rooms share."""

import os
from pathlib import Path

# Tests compare with tensors on the CPU, to digits that GPUs do not keep. Before torch looks.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest
import torch

from tests import tiny

# A tiny model is all overhead: a second thread doubles the time.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with its tokenizer; do not write into it."""
    return tiny.save(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture(scope="session")
def opened(model_folder: Path):
    """The tiny Llama, opened; whoever moves it must put it back."""
    from driftline.models import open_model

    return open_model(str(model_folder))
