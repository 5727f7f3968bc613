"""Divergences between the next-token distributions of two models."""

import numpy
from jaxtyping import Float
from numpy import ndarray

from ..errors import RunError

_AT_ONCE = 2**21
"""Numbers of which the exponentials are held at a time."""


def kl_divergence_nats(
    base_log_probs: Float[ndarray, "tokens vocabulary"],
    tuned_log_probs: Float[ndarray, "tokens vocabulary"],
) -> float:
    """Return the forward divergence D(base || tuned), mean over tokens.

        mean over tokens of sum over v of p_base(v) (ln p_base(v) - ln p_tuned(v))

    It weighs what the base says: large where the tuned model no longer says what the base would.

    Cost: a few passes over the numbers, in their own dtype and some rows at a time; sums are in
    float64.
    Source: Kullback and Leibler 1951.

    Args:
        base_log_probs: Natural-log probabilities; each row's probabilities add up to 1.
        tuned_log_probs: The tuned model's log-probabilities of the same tokens.

    Returns:
        Nats per token, not negative; infinite where the tuned model rules out what the base does
        not.

    Raises:
        RunError: There is no token, a row of the base is no distribution, or something is not a
            number.
    """
    num, vocabulary = base_log_probs.shape
    if num == 0:
        raise RunError("a divergence needs at least one token")
    at_once = max(1, _AT_ONCE // vocabulary)
    parts = [
        _divergences(base_log_probs[at : at + at_once], tuned_log_probs[at : at + at_once])
        for at in range(0, num, at_once)
    ]
    return float(numpy.concatenate(parts).mean())


def reverse_kl_divergence_nats(
    base_log_probs: Float[ndarray, "tokens vocabulary"],
    tuned_log_probs: Float[ndarray, "tokens vocabulary"],
) -> float:
    """Return the reverse divergence D(tuned || base), mean over tokens.

    It weighs what the tuned model says: large where it says what the base would not.

    Cost and source: as `kl_divergence_nats`.

    Args:
        base_log_probs: Natural-log probabilities; each row's probabilities add up to 1.
        tuned_log_probs: The tuned model's log-probabilities of the same tokens.

    Returns:
        Nats per token, not negative; infinite where the base rules out what the tuned model says.

    Raises:
        RunError: There is no token, a row of the tuned model is no distribution, or something is
            not a number.
    """
    return kl_divergence_nats(tuned_log_probs, base_log_probs)


def _divergences(
    first: Float[ndarray, "tokens vocabulary"], second: Float[ndarray, "tokens vocabulary"]
) -> Float[ndarray, " tokens"]:
    """Compute D(first || second), token by token."""
    probabilities = numpy.exp(first)
    totals = probabilities.sum(axis=1, dtype=numpy.float64)
    if not numpy.allclose(totals, 1.0, atol=1e-3):
        raise RunError("a row of log-probabilities does not add up to a distribution")
    with numpy.errstate(invalid="ignore"):
        terms = probabilities * (first - second)
    # What has no probability adds nothing, whatever its logarithm.
    terms[probabilities == 0] = 0
    divergences = terms.sum(axis=1, dtype=numpy.float64)
    if numpy.isnan(divergences).any():
        raise RunError("a log-probability is not a number; the weights are out of range")
    # Rounding can leave the divergence of equal distributions below 0 by a hair.
    result: Float[ndarray, " tokens"] = numpy.maximum(divergences, 0.0)
    return result
