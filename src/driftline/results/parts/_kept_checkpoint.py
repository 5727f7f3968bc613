"""The checkpoint that a probe leaves, and what the planned run is to be read from."""

from ._document import Value


class RunInputs(Value):
    """Names of a planned run's inputs. Those of files are relative to the run folder."""

    model: str
    data: str | None
    """None where the config names the data."""
    config: str
    columns: str | None = None
    """Columns to train on, as `--map` takes them."""
    suites: tuple[str, ...]


class KeptCheckpoint(Value):
    """The trainer's own checkpoint at the end of the probe, from which the run can be continued."""

    step: int
    folder: str
    """Its place in the run folder."""
    files: dict[str, str]
    """Name to digest."""
    num_bytes: int
    inputs: RunInputs | None = None
    """None where the run was not read from files."""
