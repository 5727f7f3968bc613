"""Over all looks of `--until decided` together, decisions are wrong no more often than the accepted risk."""

import numpy
import pytest

from driftline.analyses import LossForecast
from driftline.analyses.assessment._verdict import judge
from driftline.analyses.forecasting._forecast import capability_verdict, is_measured_lost
from driftline.results import CapabilityForecast

LOOKS, TOLERANCE, NUM_RUNS, NUM_CAPABILITIES = (0.1, 0.2, 0.4, 0.6), 1.0, 500, 3
CORRELATION, ERROR, SPREAD = 0.4, 0.05, 0.3
"""The spread of what comes after a look, over a whole run, in tolerances."""


def walks(kind, generator, num=NUM_RUNS):
    """Losses of runs at the looks and at the end, as sums of steps that a forecast cannot foresee."""
    ends = (*LOOKS, 1.0)
    middle, spread = (0.4, 0.1) if kind == "near the edge" else (0.5, 0.6)
    start = generator.normal(middle, spread, (num, NUM_CAPABILITIES))
    wild = numpy.ones((num, 1))
    if kind in ("heavy tails", "near the edge"):
        # One spread a run, which the forecaster does not know: errors have a t distribution.
        wild = numpy.sqrt(4 / generator.chisquare(4, (num, 1)))
    found, loss = [], start
    for before, after in zip((LOOKS[0], *LOOKS), ends, strict=True):
        common = generator.standard_normal((num, 1))
        own = generator.standard_normal((num, NUM_CAPABILITIES))
        step = numpy.sqrt(CORRELATION) * common + numpy.sqrt(1 - CORRELATION) * own
        loss = loss + wild * SPREAD * step * numpy.sqrt(after - before)
        found.append(loss)
    return numpy.stack(found, axis=1)


def verdict_at(measured, share, error, risk, unsafe_risk):
    losses = {
        str(number): LossForecast(float(loss), SPREAD * float(numpy.sqrt(1 - share)), error)
        for number, loss in enumerate(measured)
    }
    level = unsafe_risk / NUM_CAPABILITIES
    lost = {
        name: is_measured_lost(loss.value, error, TOLERANCE, level=level)
        for name, loss in losses.items()
    }
    rows = [
        CapabilityForecast(
            capability=name, metric="nll_nats", unit="nats", required=True, tolerance=TOLERANCE, base_value=3.0, at_risk=loss.value > TOLERANCE,
            predicted_change=loss.value, low=0.0, high=1.0, confidence_level=0.9, is_measured_lost=lost[name],
            probability_lost=loss.exceeds(TOLERANCE),
            verdict=capability_verdict(loss.exceeds(TOLERANCE), risk, measured_lost=lost[name], unsafe_risk=unsafe_risk),
        )
        for name, loss in losses.items()
    ]  # fmt: skip
    return judge(
        rows, losses, correlation=CORRELATION, risk=risk, unsafe_risk=unsafe_risk, share=share
    ).verdict


def wrong_decisions(kind, *, safe, unsafe, seed=0):
    """Count the runs called safe that lost something, those called unsafe that kept all, and the decided."""
    generator = numpy.random.default_rng(seed)
    path = walks(kind, generator)
    error = 0.0 if kind == "exact scores" else ERROR
    noise = generator.normal(0, 1, path[:, 0].shape) * error
    false_safe = false_unsafe = decided = 0
    for run, off in zip(path, noise, strict=True):
        is_lost = bool((run[-1] > TOLERANCE).any())
        for share, loss in zip(LOOKS, run[:-1], strict=True):
            # The same items at every look: their noise is the same too.
            found = verdict_at(loss + off, share, error, safe, unsafe)
            if found in ("safe", "unsafe"):
                decided += 1
                false_safe += found == "safe" and is_lost
                false_unsafe += found == "unsafe" and not is_lost
                break
    return false_safe / NUM_RUNS, false_unsafe / NUM_RUNS, decided / NUM_RUNS


@pytest.mark.parametrize("kind", ["exact scores", "noise of items", "heavy tails", "near the edge"])
def test_decisions_over_all_looks_together_are_wrong_within_the_risk(kind):
    risk = 0.1
    false_safe, false_unsafe, decided = wrong_decisions(
        kind, safe=risk / 3, unsafe=risk / len(LOOKS)
    )
    assert false_safe <= risk
    assert false_unsafe <= risk
    assert decided > 0.2


def test_the_whole_risk_at_every_look_would_be_wrong_more_often():
    divided = wrong_decisions("near the edge", safe=0.1 / 3, unsafe=0.1 / len(LOOKS))
    whole = wrong_decisions("near the edge", safe=0.1, unsafe=0.1)
    assert whole[0] > divided[0]
    assert whole[2] > divided[2]
