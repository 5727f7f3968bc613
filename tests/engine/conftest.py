"""A pool of two Ray workers, which takes seconds to start and is therefore shared."""

from collections.abc import Iterator

import pytest

from driftline.engine import RayOptions, ray_workers
from driftline.models import ScoringOptions


@pytest.fixture(scope="session")
def pool(opened) -> Iterator[object]:
    """Two workers of one thread each, with the tiny Llama, on a Ray of this machine's own."""
    options = RayOptions(num_workers=2, threads_per_worker=1)
    with ray_workers(opened, ScoringOptions(), options) as made:
        yield made
