"""Errors of a pool whose workers are unlike the driver, or never start."""

import pytest

from driftline.engine.remote import _worker_pool as module
from driftline.engine.remote._worker import WorkerFacts, WorkerLocation
from driftline.engine.remote._worker_pool import _Assignment, _Failure, _PooledWorker
from driftline.errors import ConfigError, ModelError, RunError
from driftline.provenance import driftline_version

# The pool is real; the facts and failures are made up.
pytestmark = pytest.mark.ray


@pytest.fixture
def facts(pool):
    return WorkerFacts(
        WorkerLocation("node", "far-away", 1), pool._digest, pool.numerics, driftline_version()
    )


def test_a_worker_that_is_like_the_driver_is_taken(pool, facts):
    pool._check(facts)


def test_other_weights_are_refused(pool, facts):
    with pytest.raises(ConfigError, match=r"worker on far-away: .*tiny-llama has other weights"):
        pool._check(facts._replace(digest="sha256:other"))


def test_another_version_is_refused(pool, facts):
    with pytest.raises(ConfigError, match=r"worker on far-away: has Driftline 0.0.0"):
        pool._check(facts._replace(driftline_version="0.0.0"))


def test_workers_of_two_kinds_are_refused(pool, facts):
    other = pool.numerics.model_copy(update={"device": "cuda", "num_threads": 64})
    with pytest.raises(ConfigError, match=r"far-away: computes with .* on cuda, 64 threads"):
        pool._check(facts._replace(numerics=other))


@pytest.mark.parametrize(
    ("cause", "raised", "message"),
    [
        (ModelError("Ray worker on far-away: gone"), ModelError, "^Ray worker on far-away: gone"),
        (ImportError("no torch\nmore"), RunError, r"cannot open the model .ImportError: no torch."),
    ],
)
def test_a_model_that_cannot_be_opened_stops_the_run(pool, cause, raised, message):
    with pytest.raises(raised, match=message):
        pool._finish(_Assignment(_PooledWorker(None)), _Failure(cause, is_lost=False))


def test_workers_that_die_while_they_open_are_not_replaced_for_ever(pool, monkeypatch):
    started, killed = [], []
    monkeypatch.setattr(pool, "_deaths_while_opening", 0)
    monkeypatch.setattr(pool, "_start_worker", lambda: started.append(1))
    monkeypatch.setattr(pool._ray, "kill", killed.append)
    death = _Failure(MemoryError("out of memory"), is_lost=True)
    for _ in range(module.MAX_ATTEMPTS - 1):
        pool._finish(_Assignment(_PooledWorker("worker")), death)
    with pytest.raises(RunError, match=r"die while they open the model .MemoryError: out of"):
        pool._finish(_Assignment(_PooledWorker("worker")), death)
    assert len(started) == module.MAX_ATTEMPTS - 1
    assert killed == ["worker"] * module.MAX_ATTEMPTS


def test_a_cluster_without_room_is_named(pool, monkeypatch):
    monkeypatch.setattr(pool, "_numerics", None)
    monkeypatch.setattr(pool._ray, "wait", lambda *_args, **_options: ([], []))
    with pytest.raises(ConfigError, match=r"Ray gave no worker within 600 s: each needs \d CPUs"):
        _ = pool.numerics
