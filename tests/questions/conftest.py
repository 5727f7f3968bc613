"""The planned run of the command line's tests, as Python takes it."""

from tests.cli.conftest import planned as planned
from tests.cli.conftest import run as run
