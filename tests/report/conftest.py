"""The sample assessment, for the tests of everything that renders one."""

import pytest

from driftline.report import figures

from .sample import build


@pytest.fixture(scope="session")
def assessment():
    return build()


@pytest.fixture(scope="session")
def charts(assessment):
    return figures(assessment)
