"""How much of a comparison is done: rough microseconds of one core, for the time that is left."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..engine import Meter
from ..models import Moments, PairedCheckpoints, WeightPair
from ..provenance import digest_file
from ..results import SpectraEffort
from ._diff_spectra import is_exact

_DIGESTED, _COMPARED, _MULTIPLIED = 1.5e3, 4e3, 3e4
"""Bytes, bytes and multiplications a microsecond; only their ratios matter."""
_KRYLOV_PRODUCTS = 17 * 16
_EIGENVECTORS = 12
"""Multiplications of an eigendecomposition, in cubes of the side."""


class DiffWork:
    """Does the slow steps of a comparison, and tells the meter."""

    def __init__(self, paired: PairedCheckpoints, effort: SpectraEffort, meter: Meter) -> None:
        """Plan all that may be needed, so that the share that is done never falls.

        Args:
            paired: What is compared.
            effort: What is spent on spectra.
            meter: Who is told.
        """
        self._effort = effort
        self._meter = meter
        for side in (paired.base, paired.tuned):
            meter.plan(sum(file.stat().st_size for file in side.files) / _DIGESTED)
        for pair in paired.pairs:
            meter.plan(_compare_work(pair) + self._spectrum_work(pair))

    def digested(self, file: Path) -> str:
        """The digest of a file."""
        self._meter.enter("digesting the files")
        digest = digest_file(file)
        self._meter.advance(file.stat().st_size / _DIGESTED)
        return digest

    def compared(self, pair: WeightPair) -> Moments:
        """The sums over a pair."""
        self._meter.enter("comparing the weights")
        moments = pair.moments()
        self._meter.advance(_compare_work(pair))
        return moments

    @contextlib.contextmanager
    def spectrum(self, pair: WeightPair, *, is_needed: bool) -> Iterator[None]:
        """Count the spectrum of a pair, which the block computes.

        Args:
            pair: The pair.
            is_needed: Whether it moved, so that there is a spectrum to compute.

        Yields:
            Nothing.
        """
        if is_needed and self._effort != "none":
            self._meter.enter("decomposing the changes")
        yield
        work = self._spectrum_work(pair)
        (self._meter.advance if is_needed else self._meter.skip)(work)

    def _spectrum_work(self, pair: WeightPair) -> float:
        shape, size = pair.base.shape, pair.base.num_elements
        if self._effort == "none" or len(shape) != 2:
            return 0.0
        side = min(shape)
        if is_exact(pair, self._effort):
            return (3 * size * side + _EIGENVECTORS * side**3) / _MULTIPLIED
        return size * _KRYLOV_PRODUCTS / _MULTIPLIED


def _compare_work(pair: WeightPair) -> float:
    return 2 * pair.base.num_bytes / _COMPARED
