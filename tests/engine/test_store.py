"""The result store: what is put in comes back, also from another process, and only there."""

import sqlite3

import pytest

from driftline.engine import ResultStore
from driftline.engine._store import StoredScores
from driftline.errors import OutputError

SCORES = StoredScores({"margin_nats": (0.1, -5.0, 1e-17), "accuracy": (1.0, 0.0, 1.0)}, 123)
OTHER = StoredScores({"nll_nats": (2.0,)}, 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


@pytest.fixture
def store(path):
    opened = ResultStore(path)
    yield opened
    opened.close()


def put(store, key, scores):
    store.put(key, scores, point="base", capability="grammar")


def test_what_was_put_in_comes_back_bit_for_bit(store):
    put(store, "a", SCORES)
    assert store.get("a") == SCORES
    assert store.get("b") is None
    assert len(store) == 1


def test_it_survives_a_reopening(store, path):
    put(store, "a", SCORES)
    store.close()
    again = ResultStore(path)
    put(again, "b", OTHER)
    assert (again.get("a"), again.get("b"), len(again)) == (SCORES, OTHER, 2)
    again.close()


def test_what_was_put_in_is_safe_without_closing(store, path):
    put(store, "a", SCORES)
    reader = ResultStore(path)
    assert reader.get("a") == SCORES
    reader.close()


def test_the_first_scores_under_a_key_stay(store):
    put(store, "a", SCORES)
    put(store, "a", OTHER)
    assert store.get("a") == SCORES
    assert len(store) == 1


def _put_and_fail(store, error):
    with store.together():
        put(store, "c", OTHER)
        raise error


def test_what_is_put_in_together_is_kept_together(store, path):
    reader = ResultStore(path)
    with store.together():
        put(store, "a", SCORES)
        put(store, "b", OTHER)
        assert len(reader) == 0
    assert len(reader) == 2
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            _put_and_fail(store, error)
    assert len(store) == len(reader) == 2
    put(store, "d", OTHER)
    assert len(reader) == 3
    reader.close()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_stored(store, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        put(store, "a", StoredScores({"nll_nats": (number,)}, 1))
    assert len(store) == 0


@pytest.mark.parametrize("version", [2, 99])
def test_another_version_is_refused_and_left_alone(store, path, version):
    put(store, "a", SCORES)
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(OutputError, match=f"a result store of version {version}, .*another --out"):
        ResultStore(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    assert connection.execute("SELECT COUNT(*) FROM scores").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("content", [b"x" * 40, b"SQLite format 3\0" + b"\xff" * 200])
def test_what_is_no_database_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(OutputError, match=r"results.sqlite: not a result store \(.*another --out"):
        ResultStore(path)
    assert path.read_bytes() == content
