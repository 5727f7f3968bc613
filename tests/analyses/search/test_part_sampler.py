"""Proposals of scales, on a made-up update whose best scales are known."""

import logging

import numpy
import optuna
import pytest
from scipy.optimize import minimize

from driftline.analyses.search._part_sampler import Tried, propose_scales

PARTS = ("a", "b", "c", "d", "e", "f")
WORTH = numpy.array([1.0, 0.8, 0.6, 0.5, 0.4, 0.2])
HARM = numpy.array([[2.0, 0.1, 0.3, 0.0, 1.0, 0.2], [0.1, 0.2, 1.5, 0.0, 0.3, 1.0]])


def _gain(scales):
    return float((WORTH * (2 * scales - scales**2)).sum() / WORTH.sum())


def _losses(scales):
    return (HARM * scales**2).sum(axis=1)


def _tried(scales):
    array = numpy.array([scales[part] for part in PARTS])
    return Tried(scales, _gain(array), tuple(float(loss) - 1 for loss in _losses(array)))


def _first():
    for scale in (1.0, 0.75, 0.5, 0.25):
        yield _tried(dict.fromkeys(PARTS, scale))
    for part in PARTS:
        yield _tried({**dict.fromkeys(PARTS, 0.5), part: 0.25})


def _best(tried):
    return max(each.value for each in tried if max(each.constraints) <= 0)


def _most():
    found = minimize(
        lambda scales: -_gain(scales),
        [0.5] * len(PARTS),
        bounds=[(0, 1)] * len(PARTS),
        constraints=[{"type": "ineq", "fun": lambda scales: 1 - _losses(scales)}],
    )
    return -found.fun


@pytest.mark.slow
def test_a_dozen_looks_come_near_the_best_scales():
    tried = list(_first())
    before = _best(tried)
    for _ in range(12):
        tried.append(_tried(propose_scales(PARTS, tried, seed=3)))
    most = _most()
    assert before < 0.9 * most
    assert _best(tried) > 0.98 * most


def test_the_same_looks_and_seed_give_the_same_proposal():
    tried = list(_first())
    proposal = propose_scales(PARTS, tried, seed=1)
    assert proposal == propose_scales(PARTS, tried, seed=1)
    assert set(proposal) == set(PARTS)
    assert all(0 <= scale <= 1 for scale in proposal.values())


def test_nothing_feasible_yet_is_no_obstacle():
    tried = [each for each in _first() if max(each.constraints) > 0]
    assert tried
    for _ in range(4):
        tried.append(_tried(propose_scales(PARTS, tried, seed=0)))
    assert min(max(each.constraints) for each in tried) <= 0


@pytest.mark.filterwarnings("error")
def test_optuna_says_nothing_and_logs_as_loudly_as_before(caplog):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        with caplog.at_level(logging.DEBUG, logger="optuna"):
            propose_scales(PARTS, list(_first()), seed=0)
        assert not caplog.records
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
