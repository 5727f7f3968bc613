"""Spikes of a number that the trainer logs, against its own recent past."""

import math
import statistics
from dataclasses import dataclass, field

_WINDOW = 50
_FEWEST = 8
"""Values before which nothing is called a spike."""
_LEAST_DEVIATION = 0.05
"""Smallest deviation of the logarithm: a nearly constant series would otherwise always spike."""


@dataclass
class SpikeWatch:
    """One series; what it holds goes into a checkpoint."""

    name: str
    recent: list[float] = field(default_factory=list)
    """Logarithms of recent values, spikes left out."""
    num_seen: int = 0
    spikes: list[int] = field(default_factory=list)
    """Numbers of recent values that were spikes."""

    def take(self, value: float, *, deviations: float, factor: float) -> str | None:
        """Add the next value, and describe it if it is a spike.

        A spike lies above the running median by so many robust standard deviations (1.48 times the
        median absolute deviation) of the logarithm, and by a factor. Medians are not moved by the
        spikes themselves, unlike the running means of ZClip (arXiv 2504.02507).

        Args:
            value: The next one; not finite is a spike.
            deviations: Robust standard deviations.
            factor: Factor of the median.

        Returns:
            Description of the spike; None if it is not a spike.
        """
        self.num_seen += 1
        if not math.isfinite(value):
            self.spikes.append(self.num_seen)
            return f"{self.name} is not finite"
        logarithm = math.log(max(value, 1e-12))
        result = None
        if len(self.recent) >= _FEWEST:
            median = statistics.median(self.recent)
            spread = 1.4826 * statistics.median(abs(past - median) for past in self.recent)
            excess = (logarithm - median) / max(spread, _LEAST_DEVIATION)
            if excess > deviations and logarithm - median > math.log(factor):
                self.spikes.append(self.num_seen)
                ratio = math.exp(logarithm - median)
                result = f"{self.name} {value:.3g} is {ratio:.1f} times its running median"
        if result is None:
            self.recent = [*self.recent[1 - _WINDOW :], logarithm]
        return result

    def num_recent(self, window: int) -> int:
        """Count the spikes among the last values."""
        self.spikes = [number for number in self.spikes if number > self.num_seen - window]
        return len(self.spikes)
