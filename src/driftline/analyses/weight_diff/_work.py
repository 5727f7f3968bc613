"""Progress of a comparison in rough microseconds of one core, to estimate the time left."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ...choices import SpectraEffort
from ...engine import Meter
from ...errors import ModelError
from ...models import (
    AdapterChange,
    Moments,
    PairedCheckpoints,
    Presence,
    SlicedFactors,
    WeightPair,
    replay_merge,
)
from ...provenance import digest_file
from ._spectra import is_exact

_DIGESTED, _COMPARED, _MULTIPLIED = 1.5e3, 4e3, 3e4
"""Bytes, bytes and multiplications a microsecond; only their ratios matter."""
_REPLAYED = 12
"""Passes of a comparison that a replayed merge takes the time of."""
_KRYLOV_PRODUCTS = 17 * 16
_EIGENVECTORS = 12
"""Multiplications of an eigendecomposition, in cubes of the side."""


class DiffWork:
    """Slow steps of a comparison, counted on the meter."""

    def __init__(self, paired: PairedCheckpoints, effort: SpectraEffort, meter: Meter) -> None:
        """Plan all that may be needed, so that the share that is done never falls."""
        self._effort = effort
        self._meter = meter
        self.checkpoints = [paired.base, paired.tuned, *filter(None, [paired.adapter])]
        """All that is read, in the order of the provenance."""
        files = [file for side in self.checkpoints for file in side.files]
        self._stamps = {file: _stamp(file) for file in files}
        self._changed_at = {file: _changed_at(file) for file in files}
        self._digests: dict[Path, str] = {}
        for side in self.checkpoints:
            meter.plan(sum(file.stat().st_size for file in side.files) / _DIGESTED)
        for pair in paired.pairs:
            meter.plan(_compare_work(pair) + self._spectrum_work(pair))
        for pair in paired.beside:
            meter.plan(_compare_work(pair))
        for pair in paired.pairs:
            if pair.name in (paired.adapter_changes or {}):
                meter.plan(_REPLAYED * _compare_work(pair))

    def check_unchanged(self) -> None:
        """Refuse a result whose files were replaced while they were read.

        Raises:
            ModelError: A file has another size, time, place on disk or digest than at the start.
        """
        for file, stamp in self._stamps.items():
            # A new time of the inode alone may be a new link or a file that was overwritten.
            is_touched = _changed_at(file) != self._changed_at.get(file)
            digest = self._digests.get(file)
            if _stamp(file) != stamp or (is_touched and digest != _digest(file)):
                raise ModelError(
                    f"{file}: was changed or replaced while it was read, so the numbers may stand for "
                    "other weights; run the command again when nothing writes into the folder"
                )

    def digested(self, file: Path) -> str:
        """Compute the digest of a file."""
        self._meter.enter("digesting the files")
        self._digests[file] = digest = digest_file(file)
        self._meter.advance(file.stat().st_size / _DIGESTED)
        return digest

    def compared(self, pair: WeightPair) -> Moments:
        """Compute the sums over a pair."""
        self._meter.enter("comparing the weights")
        moments = pair.moments()
        self._meter.advance(_compare_work(pair))
        return moments

    def differs(self, pair: WeightPair) -> bool:
        """Compare a pair that is in no number."""
        self._meter.enter("comparing the weights")
        result = pair.differs()
        self._meter.advance(_compare_work(pair))
        return result

    def replayed(self, pair: WeightPair, change: AdapterChange) -> Presence | None:
        """Compare a weight of a merged model with the replayed merge."""
        assert pair.tuned is not None, "a whole model was merged"
        assert not isinstance(pair.tuned, SlicedFactors), "no adapter is merged"
        self._meter.enter("replaying the merge")
        presence = replay_merge(pair.base, pair.tuned, change)
        self._meter.advance(_REPLAYED * _compare_work(pair))
        return presence

    @contextlib.contextmanager
    def spectrum(self, pair: WeightPair, *, is_needed: bool) -> Iterator[None]:
        """Count the spectrum of a pair, which the block computes.

        Args:
            is_needed: True if it moved, so that there is a spectrum to compute.

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


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        result = file.stat()
    except OSError:
        return None
    return result.st_size, result.st_mtime_ns, result.st_ino


def _changed_at(file: Path) -> int | None:
    try:
        return file.stat().st_ctime_ns
    except OSError:
        return None


def _digest(file: Path) -> str | None:
    try:
        return digest_file(file)
    except OSError:
        return None


def _compare_work(pair: WeightPair) -> float:
    return 2 * pair.base.num_bytes / _COMPARED
