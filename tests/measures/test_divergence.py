"""KL against scipy and closed forms."""

import math

import numpy
import pytest
import scipy.special
import scipy.stats

from driftline.errors import RunError
from driftline.measures import _divergence as module
from driftline.measures import kl_divergence_nats, reverse_kl_divergence_nats


def log_probs(num, vocabulary, seed=0, dtype=numpy.float64):
    logits = 3 * numpy.random.default_rng(seed).standard_normal((num, vocabulary))
    return scipy.special.log_softmax(logits, axis=1).astype(dtype)


def test_it_is_the_definition_and_has_a_direction():
    base, tuned = log_probs(7, 50), log_probs(7, 50, 1)
    forward = numpy.mean(scipy.stats.entropy(numpy.exp(base), numpy.exp(tuned), axis=1))
    reverse = numpy.mean(scipy.stats.entropy(numpy.exp(tuned), numpy.exp(base), axis=1))
    assert kl_divergence_nats(base, tuned) == pytest.approx(forward)
    assert reverse_kl_divergence_nats(base, tuned) == pytest.approx(reverse)
    assert abs(forward - reverse) > 0.01


def test_two_coins():
    base, tuned = numpy.log([[0.5, 0.5]]), numpy.log([[0.9, 0.1]])
    wanted = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert kl_divergence_nats(base, tuned) == pytest.approx(wanted)
    assert reverse_kl_divergence_nats(base, tuned) == pytest.approx(
        0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    )


def test_equal_distributions_have_exactly_none():
    for dtype in (numpy.float32, numpy.float64):
        same = log_probs(5, 1000, dtype=dtype)
        assert kl_divergence_nats(same, same) == 0


def test_single_precision_suffices_for_small_divergences():
    generator = numpy.random.default_rng(0)
    logits = 3 * generator.standard_normal((20, 5000))
    moved = logits + 0.01 * generator.standard_normal(logits.shape)
    exact = [scipy.special.log_softmax(x, axis=1) for x in (logits, moved)]
    single = [x.astype(numpy.float32) for x in exact]
    assert kl_divergence_nats(*single) == pytest.approx(kl_divergence_nats(*exact), rel=0.01)


def test_blocks_do_not_show(monkeypatch):
    base, tuned = log_probs(9, 40), log_probs(9, 40, 1)
    whole = kl_divergence_nats(base, tuned)
    for at_once in (1, 90, 10_000):
        monkeypatch.setattr(module, "_AT_ONCE", at_once)
        assert kl_divergence_nats(base, tuned) == pytest.approx(whole, rel=1e-12)


def test_what_is_ruled_out():
    base = numpy.log([[0.5, 0.5, 1e-300]])
    with numpy.errstate(divide="ignore"):
        narrow = numpy.log([[1.0, 0.0, 0.0]])
    # What the tuned model never says costs nothing in the reverse, and all in the forward one.
    assert reverse_kl_divergence_nats(base, narrow) == pytest.approx(math.log(2))
    assert kl_divergence_nats(base, narrow) == math.inf
    assert kl_divergence_nats(narrow, narrow) == 0


def test_what_is_no_distribution_is_refused():
    good = log_probs(3, 10)
    with pytest.raises(RunError, match="does not add up"):
        kl_divergence_nats(good + 0.1, good)
    with pytest.raises(RunError, match="does not add up"):
        reverse_kl_divergence_nats(good, numpy.full((3, 10), numpy.nan))
    spoiled = good.copy()
    spoiled[1, 2] = numpy.nan
    with pytest.raises(RunError, match="not a number"):
        kl_divergence_nats(good, spoiled)
    with pytest.raises(RunError, match="at least one token"):
        kl_divergence_nats(good[:0], good[:0])
