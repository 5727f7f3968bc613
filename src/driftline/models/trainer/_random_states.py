"""One guard of all random states: Python's, numpy's and torch's."""

import contextlib
import random
from collections.abc import Iterator

import numpy
import torch


@contextlib.contextmanager
def random_states_kept() -> Iterator[None]:
    """Restore every random state after the block, also if it raises.

    Yields:
        Nothing.
    """
    python, numbers = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(numbers)
