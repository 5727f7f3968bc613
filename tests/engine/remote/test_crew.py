"""What a crew says of workers that are unlike the driver, or that never come up."""

import pytest

from driftline.engine.remote import _crew as module
from driftline.engine.remote._crew import _Errand, _Failure, _Member
from driftline.engine.remote._worker import Place, WorkerFacts
from driftline.errors import ConfigError, ModelError, RunError
from driftline.provenance import driftline_version

# The crew is real, though what it is told is not.
pytestmark = pytest.mark.ray


@pytest.fixture
def facts(crew):
    return WorkerFacts(
        Place("node", "far-away", 1), crew._digest, crew.numerics, driftline_version()
    )


def test_a_worker_that_is_like_the_driver_is_taken(crew, facts):
    crew._check(facts)


def test_other_weights_are_refused(crew, facts):
    with pytest.raises(ConfigError, match=r"worker on far-away: .*tiny-llama has other weights"):
        crew._check(facts._replace(digest="sha256:other"))


def test_another_version_is_refused(crew, facts):
    with pytest.raises(ConfigError, match=r"worker on far-away: has Driftline 0.0.0"):
        crew._check(facts._replace(driftline_version="0.0.0"))


def test_workers_of_two_kinds_are_refused(crew, facts):
    other = crew.numerics.model_copy(update={"device": "cuda", "num_threads": 64})
    with pytest.raises(ConfigError, match=r"far-away: computes with .* on cuda, 64 threads"):
        crew._check(facts._replace(numerics=other))


@pytest.mark.parametrize(
    ("cause", "raised", "message"),
    [
        (ModelError("Ray worker on far-away: gone"), ModelError, "^Ray worker on far-away: gone"),
        (ImportError("no torch\nmore"), RunError, r"cannot open the model .ImportError: no torch."),
    ],
)
def test_a_model_that_cannot_be_opened_stops_the_run(crew, cause, raised, message):
    with pytest.raises(raised, match=message):
        crew._settle(_Errand(_Member(None)), _Failure(cause, is_lost=False))


def test_workers_that_die_while_they_open_are_not_replaced_for_ever(crew, monkeypatch):
    hired, killed = [], []
    monkeypatch.setattr(crew, "_deaths_while_opening", 0)
    monkeypatch.setattr(crew, "_hire", lambda: hired.append(1))
    monkeypatch.setattr(crew._ray, "kill", killed.append)
    death = _Failure(MemoryError("out of memory"), is_lost=True)
    for _ in range(module.MAX_ATTEMPTS - 1):
        crew._settle(_Errand(_Member("worker")), death)
    with pytest.raises(RunError, match=r"die while they open the model .MemoryError: out of"):
        crew._settle(_Errand(_Member("worker")), death)
    assert len(hired) == module.MAX_ATTEMPTS - 1
    assert killed == ["worker"] * module.MAX_ATTEMPTS


def test_a_cluster_without_room_is_named(crew, monkeypatch):
    monkeypatch.setattr(crew, "_numerics", None)
    monkeypatch.setattr(crew._ray, "wait", lambda *_args, **_options: ([], []))
    with pytest.raises(ConfigError, match=r"Ray gave no worker within 600 s: each needs \d CPUs"):
        _ = crew.numerics
