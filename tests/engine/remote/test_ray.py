"""The engine on Ray: the same table as in this process, bit for bit, whatever happens to workers."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from driftline.capabilities import Capability, Generation, MinimalPair, Passage
from driftline.engine import LocalEngine, Meter, RayEngine, ResultStore
from driftline.engine.remote import _file_transfer as file_transfer
from driftline.errors import RunError
from driftline.models import BASE, NoiseDirection, Point, StoredDirection, Term, store_direction
from driftline.provenance import digest_file

pytestmark = pytest.mark.ray

PAIRS = Capability(
    "pairs", "minimal_pair", "margin_nats", 0.25,
    tuple(MinimalPair(id=str(i), good=f"{i} cats run.", bad=f"{i} cat run.") for i in range(4)),
)  # fmt: skip
TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(3)),
)  # fmt: skip
ANSWERS = Capability(
    "answers", "generate", "exact_match", 0.1,
    tuple(Generation(id=str(i), prompt=f"Say {i}:", answer=str(i)) for i in range(2)),
)  # fmt: skip
SUITE = (PAIRS, TEXTS)


def noise(*seeds):
    return [Point(f"noise {seed}", (Term(NoiseDirection(seed), 0.3),)) for seed in seeds]


@dataclass
class Held:
    """A direction that lives in this process only."""

    change: dict

    def identity(self):
        return {"kind": "held"}

    def prepare(self):
        pass

    def delta(self, name, base):
        return self.change.get(name)


@pytest.fixture
def store(tmp_path):
    with ResultStore(tmp_path / "results.sqlite") as made:
        yield made


@pytest.fixture
def engine(opened, store, pool, tmp_path):
    pool.attempts.clear()
    yield RayEngine(opened, store, meter=Meter(), pool=pool, directions=tmp_path / "directions")
    opened.check_unchanged()


@pytest.fixture
def local(opened, tmp_path):
    """What this process gives."""

    def evaluate(points, capabilities):
        with ResultStore(tmp_path / "local.sqlite") as own:
            return LocalEngine(opened, own).evaluate(points, capabilities)

    return evaluate


def both_workers(engine):
    """Where the two workers are, once both have their models open; points keep the pool going."""
    deadline, seeds = time.monotonic() + 90, iter(range(1000, 100_000))
    while len(engine.pool.places()) < 2 and time.monotonic() < deadline:
        engine.evaluate(noise(next(seeds)), SUITE)
        time.sleep(0.1)
    engine.pool.attempts.clear()
    first, second = engine.pool.places()
    return first, second


def test_the_table_is_the_local_engines_bit_for_bit(engine, local):
    one_layer = {"model.layers.0.mlp.up_proj.weight": 0.7, "model.layers.1.mlp.up_proj.weight": 0.2}
    held = Held({name: torch.linspace(-0.1, 0.1, 2048).reshape(64, 32) for name in one_layer})
    points = [
        BASE,
        *noise(0, 1, 2, 3),
        Point("one layer", (Term(NoiseDirection(4), one_layer),)),
        Point("held", (Term(held, one_layer), Term(NoiseDirection(5), 0.1))),
    ]
    suite = (*SUITE, ANSWERS)
    table = engine.evaluate(points, suite)
    assert table == local(points, suite)
    assert engine.meter.done == engine.tokens_used == len(points) * engine.num_tokens(suite)
    assert set(engine.pool.attempts.values()) == {1}
    engine.check_unchanged()


def test_a_run_goes_from_one_engine_to_the_other(engine, opened, store):
    points = noise(*range(10, 16))
    local = LocalEngine(opened, store)
    assert local.numerics == engine.numerics
    first = local.evaluate(points[:2], SUITE)
    second = engine.evaluate(points[:4], SUITE)
    assert sum(engine.pool.attempts.values()) == 2
    third = local.evaluate(points, SUITE)
    assert len(store) == len(points) * len(SUITE)
    assert {**first.rows, **second.rows, **third.rows} == third.rows


def test_a_worker_that_dies_costs_only_its_own_point(engine, store, local):
    points = noise(*range(20, 60))
    place, _other = both_workers(engine)
    before = len(store_of(store))
    # Stopped, it holds its point until it is killed, when all others are long done.
    os.kill(place.pid, signal.SIGSTOP)

    def kill_late():
        deadline = time.monotonic() + 60
        while len(store_of(store)) < before + len(points) - 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        seen.append(len(store_of(store)) - before)
        os.kill(place.pid, signal.SIGKILL)

    seen: list[int] = []
    killer = threading.Thread(target=kill_late)
    killer.start()
    table = engine.evaluate(points, SUITE)
    killer.join()
    assert seen == [len(points) - 1]
    assert table == local(points, SUITE)
    assert sorted(engine.pool.attempts.values()) == [1] * (len(points) - 1) + [2]


def store_of(store):
    """The points stored, read as another process does."""
    with ResultStore(store._path, read_only=True) as reader:
        return {row.point for row in reader.rows()}


def test_the_pool_is_whole_again(engine, local):
    assert len({place.pid for place in both_workers(engine)}) == 2
    points = noise(*range(60, 64))
    assert engine.evaluate(points, SUITE) == local(points, SUITE)


def test_a_point_that_fails_three_times_is_named_and_the_rest_kept(engine, store, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"rubbish")
    bad = Point("the bad one", (Term(StoredDirection(broken, {"kind": "broken"}), 1.0),))
    good = noise(70, 71, 72)
    with pytest.raises(RunError) as raised:
        engine.evaluate([good[0], bad, *good[1:]], SUITE)
    message = str(raised.value)
    assert message.startswith("1 of 4 points failed 3 times: the bad one (ModelError: ")
    assert "All others are stored" in message
    assert store_of(store) == {point.label for point in good}
    assert engine.pool.attempts[bad.digest()] == 3
    engine.check_unchanged()
    # The same points again: only what failed is tried.
    engine.pool.attempts.clear()
    store_direction(broken, {"model.norm.weight": torch.ones(32)}, {})
    table = engine.evaluate([bad, *good], SUITE)
    assert engine.pool.attempts == {bad.digest(): 1}
    assert len(table.rows) == 4 * len(SUITE)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a path that only this process sees")
def test_files_travel_to_a_node_that_does_not_see_them(engine, local, tmp_path, monkeypatch):
    change = {"model.layers.0.mlp.down_proj.weight": torch.full((32, 64), 0.05)}
    shared = store_direction(tmp_path / "shared.safetensors", change, {"kind": "shared"})
    hidden = store_direction(tmp_path / "hidden.safetensors", change, {"kind": "hidden"})
    with hidden.path.open("rb") as opened_file:
        only_here = Path(f"/proc/self/fd/{opened_file.fileno()}")
        points = [
            Point("shared", (Term(shared, 2.0),)),
            Point("hidden", (Term(StoredDirection(only_here, {"kind": "hidden"}), 1.0),)),
            Point(
                "both",
                (Term(shared, 2.0), Term(StoredDirection(only_here, {"kind": "hidden"}), 1.0)),
            ),
        ]
        monkeypatch.setattr(engine.pool, "_here", "another node")
        monkeypatch.setattr(file_transfer, "_CHUNK_BYTES", 1000)
        assert engine.evaluate(points, SUITE) == local(points, SUITE)
        sent = engine.pool._transfer._parts
        assert [file.path for file in sent] == [only_here]
        assert len(sent[next(iter(sent))]) == -(-hidden.path.stat().st_size // 1000)
        assert next(iter(sent)).digest == digest_file(hidden.path)
        assert set(engine.pool.attempts.values()) == {1}


def test_what_stops_the_driver_leaves_the_pool_usable(engine, store, monkeypatch, local):
    points = noise(*range(80, 90))
    put = store.put

    def fails_at_the_third(key, scores, **names):
        if len(store) >= 2 * len(SUITE):
            raise KeyboardInterrupt
        put(key, scores, **names)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", fails_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            engine.evaluate(points, SUITE)
    assert len(store) == 2 * len(SUITE)
    assert engine.evaluate(points, SUITE) == local(points, SUITE)
