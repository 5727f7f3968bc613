"""The sample assessment, for the tests of everything that renders one."""

import pytest

from ..report.sample import build


@pytest.fixture(scope="session")
def assessment():
    return build()
