"""How far the probe goes, and where it looks."""

from dataclasses import replace

import pytest

from driftline.analyses import probe_steps, target_capability
from driftline.analyses.assessment._assess import _study
from driftline.analyses.probing._study import Study
from driftline.engine import LocalEngine, ResultStore, RunFolder

from ..conftest import EFFORT, PAIRS, TEXTS

FRACTIONS = (0.01, 0.1, 0.2, 0.33, 0.5, 1.0)


@pytest.mark.parametrize("num_steps", [*range(1, 40), 97, 500, 10_000])
@pytest.mark.parametrize("fraction", FRACTIONS)
def test_properties(num_steps, fraction):
    steps = probe_steps(num_steps, fraction)
    assert 1 <= len(steps) <= 4
    assert list(steps) == sorted(set(steps))
    assert 1 <= steps[0] <= steps[-1] <= num_steps
    assert abs(steps[-1] - num_steps * fraction) <= 0.5 or steps == (1,)


@pytest.mark.parametrize(
    ("num_steps", "fraction", "expected"),
    [
        (60, 0.2, (3, 6, 9, 12)),
        (1, 0.2, (1,)),
        (10, 0.2, (1, 2)),
        (20, 0.2, (1, 2, 3, 4)),
        (8, 1.0, (2, 4, 6, 8)),
        (5, 0.0, (1,)),
    ],
)
def test_cases(num_steps, fraction, expected):
    assert probe_steps(num_steps, fraction) == expected


def test_a_longer_run_is_never_probed_shorter():
    lasts = [probe_steps(num_steps, 0.2)[-1] for num_steps in range(1, 300)]
    assert lasts == sorted(lasts)


@pytest.mark.parametrize("seed", [0, 4])
def test_samples_follow_the_seed(seed):
    study = Study(None, (PAIRS, TEXTS), TEXTS, None, EFFORT, seed)
    assert study.sampled(3) == (PAIRS.sample(3, seed=seed), TEXTS.sample(3, seed=seed))
    assert PAIRS.sample(3, seed=0) != PAIRS.sample(3, seed=4)


def test_the_target_follows_the_seed(planned, tmp_path):
    many = replace(planned.data, examples=tuple(planned.data.examples) * 2)
    folder = RunFolder.open(tmp_path / "out", "map", outputs=(), force=False)
    request = replace(planned.request(seed=4), data=many)
    with folder, ResultStore(folder.store) as store:
        study = _study(request, folder, LocalEngine(planned.opened, store))
    assert study.seed == 4
    assert study.target == target_capability(many, seed=4)
    assert study.target != target_capability(many, seed=1)
