"""A config as a user writes it, read from a file."""

import pytest
import yaml

from driftline.models import read_training_config


@pytest.fixture
def read(tmp_path):
    def reader(fields):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(fields, sort_keys=False))
        return read_training_config(path)

    return reader
