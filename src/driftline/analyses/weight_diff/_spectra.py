"""The singular values of one change, and the directions that it brought in."""

from dataclasses import dataclass

import numpy

from ...choices import SpectraEffort
from ...measures import (
    effective_rank_of,
    energy_rank,
    intruder_dimensions,
    largest_singular_values,
    low_rank_singular_values,
    singular_values,
    stable_rank,
)
from ...models import LowRank, WeightPair
from ...results import Intruders, Spectrum, SpectrumMethod

EXACT_SIDE = 1024
"""Up to this smaller side a Gram matrix and its eigenvalues take a second or less on a CPU."""
ENERGY = 0.9
NUM_KEPT = 8
"""Singular values that a document holds of each matrix."""
TOP_K, THRESHOLD = 10, 0.5
"""As in PEFT's `intruders.py`."""

_TOO_LARGE = (
    f"the smaller side is above {EXACT_SIDE}, so the largest values alone were estimated; "
    "--spectra exact computes all"
)
_NO_INTRUDERS = (
    f"the smaller side is above {EXACT_SIDE}, and all singular vectors of the base are needed; "
    "--spectra exact computes them"
)


@dataclass(frozen=True)
class SpectralReading:
    """Spectrum and intruders of a change, and the reason for what is missing."""

    spectrum: Spectrum | None = None
    spectrum_reason: str | None = None
    intruders: Intruders | None = None
    intruders_reason: str | None = None


def is_exact(pair: WeightPair, effort: SpectraEffort) -> bool:
    """Return whether base and tuned matrix are decomposed fully, however the change is stored."""
    return effort == "exact" or min(pair.base.shape) <= EXACT_SIDE


def read_spectra(pair: WeightPair, *, effort: SpectraEffort, seed: int) -> SpectralReading:
    """Compute the spectrum of a change and the intruders in the tuned weight.

    Args:
        pair: A weight that moved.
        effort: `none`; `fast`: exact up to a smaller side of 1,024, and an estimate above, with
            an adapter's factors exact whatever the side; `exact`: everything.
        seed: Random seed of the estimate's random start.

    Returns:
        Both, or the reason that one is missing.
    """
    if effort == "none":
        reason = "spectra were not asked for (--spectra none)"
        return SpectralReading(spectrum_reason=reason, intruders_reason=reason)
    if len(pair.base.shape) != 2:
        reason = "not a matrix"
        return SpectralReading(spectrum_reason=reason, intruders_reason=reason)
    all_of_it = is_exact(pair, effort)
    factors = pair.factors()
    if factors is not None and not all_of_it:
        return SpectralReading(_of_factors(factors), intruders_reason=_NO_INTRUDERS)
    change = pair.change().numpy()
    if factors is not None:
        spectrum = _of_factors(factors)
    elif all_of_it:
        spectrum = _exact("gram", singular_values(change))
    else:
        return SpectralReading(_estimated(change, seed=seed), intruders_reason=_NO_INTRUDERS)
    result = intruder_dimensions(
        change, pair.base_value().numpy(), top_k=TOP_K, threshold=THRESHOLD
    )
    intruders = Intruders(
        num_intruders=len(result.indices),
        top_k=len(result.largest_cosines),
        threshold=THRESHOLD,
        largest_cosines=result.largest_cosines,
    )
    return SpectralReading(spectrum, intruders=intruders)


def _of_factors(factors: LowRank) -> Spectrum:
    return _exact("factors", low_rank_singular_values(factors.left.numpy(), factors.right.numpy()))


def _exact(method: SpectrumMethod, values: numpy.ndarray) -> Spectrum:
    return Spectrum(
        method=method,
        is_exact=True,
        largest_singular_values=tuple(map(float, values[:NUM_KEPT])),
        effective_rank=effective_rank_of(values),
        stable_rank=stable_rank(values),
        energy_rank=energy_rank(values, fraction=ENERGY),
    )


def _estimated(change: numpy.ndarray, *, seed: int) -> Spectrum:
    values, energy = largest_singular_values(change, seed=seed)
    return Spectrum(
        method="krylov",
        is_exact=False,
        largest_singular_values=tuple(map(float, values[:NUM_KEPT])),
        effective_rank=None,
        stable_rank=energy / float(values[0]) ** 2,
        energy_rank=energy_rank(values, fraction=ENERGY, total=energy),
        reason=_TOO_LARGE,
    )
