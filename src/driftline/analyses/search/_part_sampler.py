"""Proposes how far to scale each part of an update, from what earlier scales did."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import GPSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

DIGITS = 2
"""Digits of a proposed scale: items cannot resolve finer ones."""


class Tried(NamedTuple):
    """Result of some scales."""

    scales: Mapping[str, float]
    """Part to scale, from 0 to 1."""
    value: float
    """The more, the better."""
    constraints: tuple[float, ...]
    """Each is met at 0 or below; the same number in every one."""


def propose_scales(parts: Sequence[str], tried: Sequence[Tried], *, seed: int) -> dict[str, float]:
    """Propose the most promising scales, by Optuna's Gaussian process over those tried.

    They have the largest expected improvement of the value, times the chance that every constraint is
    met (Gelbart, Snoek and Adams 2014, arXiv 1403.5607).

    Cost: two or three seconds of one core for eight parts, six constraints and thirty looks.

    Args:
        tried: One or more.
        seed: The same seed and looks give the same proposal.

    Returns:
        Part to scale, rounded; possibly some that were tried, where nothing better is expected.
    """
    space: dict[str, BaseDistribution] = {part: FloatDistribution(0.0, 1.0) for part in parts}
    with _silent():
        sampler = GPSampler(
            seed=seed, n_startup_trials=1, deterministic_objective=True, constraints_func=_none
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for each in tried:
            study.add_trial(
                create_trial(
                    params={part: float(each.scales[part]) for part in parts},
                    distributions=space,
                    value=each.value,
                    # Where Optuna keeps them; it reads no others of trials that did not end here.
                    system_attrs={"constraints": list(each.constraints)},
                )
            )
        trial = study.ask(space)
        study.tell(trial, state=TrialState.FAIL)
    return {part: round(float(trial.params[part]), DIGITS) for part in parts}


def _none(_trial: FrozenTrial) -> Sequence[float]:
    """Tell Optuna that there are constraints; it asks only for trials that end here."""
    return ()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Silence Optuna's warnings on experimental constraints and a missing faster optimiser."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
