"""How far the probe goes, and where it looks."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from driftline.analyses import PROBES, target_capability
from driftline.analyses.assessment._assess import _study
from driftline.analyses.assessment._work import kept_steps
from driftline.analyses.probing._study import Study
from driftline.engine import LocalEngine, ResultStore, RunFolder
from driftline.errors import ConfigError

from ..conftest import EFFORT, PAIRS, TEXTS


class Constant(SimpleNamespace):
    """A plan of one learning rate, but for steps of a warm-up at 0."""

    def summed_learning_rate(self, step):
        return max(0, step - self.warmup) * 1e-3


def kept(num_steps, probe, *, warmup=0, **changes):
    request = SimpleNamespace(
        looks=PROBES[probe], config=SimpleNamespace(name="sums.yaml"), **changes
    )
    return kept_steps(request, Constant(num_steps=num_steps, warmup=warmup))


@pytest.mark.parametrize("num_steps", [*range(1, 40), 97, 500, 10_000])
@pytest.mark.parametrize("probe", PROBES)
def test_the_probe_ends_at_its_share_of_the_steps(num_steps, probe):
    steps = kept(num_steps, probe)
    assert 1 <= len(steps) <= len(PROBES[probe])
    assert list(steps) == sorted(set(steps))
    assert 1 <= steps[0] <= steps[-1] <= num_steps
    assert abs(steps[-1] - num_steps * float(probe)) <= 0.5 or steps == (1,)


@pytest.mark.parametrize(
    ("num_steps", "probe", "expected"),
    [
        (60, "0.2", (3, 6, 12)),
        (60, "0.3", (3, 6, 12, 18)),
        (60, "0.6", (3, 6, 12, 24, 36)),
        (1, "0.6", (1,)),
        (10, "0.2", (1, 2)),
        (20, "0.05", (1,)),
        (20, "0.4", (1, 2, 4, 8)),
    ],
)
def test_the_looks_of_a_probe(num_steps, probe, expected):
    assert kept(num_steps, probe) == expected


def test_a_longer_run_is_never_probed_shorter():
    lasts = [kept(num_steps, "0.2")[-1] for num_steps in range(1, 300)]
    assert lasts == sorted(lasts)


def test_looks_before_anything_moves_are_passed_over():
    assert kept(60, "0.2", warmup=3) == (6, 12)
    assert kept(60, "0.2", warmup=11) == (12,)
    with pytest.raises(ConfigError, match=r"sums.yaml: the learning rate is 0 during the first 12"):
        kept(60, "0.2", warmup=12)


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
        study, _ = _study(request, folder, LocalEngine(planned.opened, store))
    assert study.seed == 4
    assert study.target == target_capability(many, seed=4)
    assert study.target != target_capability(many, seed=1)
