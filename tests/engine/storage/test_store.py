"""The result store: what is put in comes back, also from another process, and only there."""

import sqlite3
import subprocess
import sys

import pytest

from driftline.engine import ResultStore
from driftline.engine.storage import _store as module
from driftline.engine.storage._store import StoredScores
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


def header(path):
    """Version and journal of a database, without changing it."""
    content = path.read_bytes()
    return int.from_bytes(content[60:64], "big"), content[18]


@pytest.mark.parametrize(
    "tables",
    [
        "CREATE TABLE letters (text TEXT)",
        "CREATE TABLE scores (game TEXT, points INTEGER)",
        "CREATE VIEW scores AS SELECT 1 AS key",
    ],
)
def test_a_database_of_somebody_else_is_refused_and_left_alone(path, tables):
    connection = sqlite3.connect(path)
    connection.executescript(tables)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(
        OutputError, match=r"a database of something else .it holds (letters|scores)"
    ):
        ResultStore(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_empty_database_is_begun(path):
    sqlite3.connect(path).close()
    ResultStore(path).close()
    assert header(path) == (1, 2)


def test_another_version_keeps_its_journal(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(OutputError, match="version 7"):
        ResultStore(path)
    assert header(path) == (7, 1)


def fill(path):
    with ResultStore(path) as store, store.together():
        for number in range(200):
            put(store, f"{number:03}", SCORES)


def test_a_damaged_page_is_named_with_its_mend(path):
    fill(path)
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(bytes(content))
    with pytest.raises(OutputError, match=r"results.sqlite: .*damaged .*remove that file"):
        ResultStore(path)


def test_damage_that_comes_later_is_named_too(path):
    fill(path)
    with ResultStore(path) as store:
        assert store.get("199") == SCORES
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(bytes(content))
        # Pages that are in memory are right still.
        store._connection.execute("PRAGMA cache_size = 1")
        store._connection.execute("PRAGMA shrink_memory")
        with pytest.raises(OutputError, match="damaged"):
            store.rows()


DAMAGED = {
    "cut": ("item_values", "{", "not JSON"),
    "a number": ("item_values", "3", "not JSON of scores"),
    "a list": ("item_values", "[[1.0]]", "not JSON of scores"),
    "a metric of one number": ("item_values", '{"m": 1.0}', "not JSON of scores"),
    "a text": ("item_values", '{"m": ["1.0"]}', "not a number"),
    "a truth value": ("item_values", '{"m": [true]}', "not a number"),
    "NaN": ("item_values", '{"m": [NaN]}', "NaN"),
    "infinity": ("item_values", '{"m": [1e999]}', "range of a double"),
    "deep": ("item_values", '{"m": ' + "[" * 100_000, "nested deeper"),
    "long": ("item_values", '{"m": [' + "1" * 5000 + "]}", "5000 digits"),
    "twice": ("item_values", '{"m": [1.0], "m": [2.0]}', "duplicate key"),
    "nothing": ("item_values", "{}", "not one value an item"),
    "no items": ("item_values", '{"m": []}', "not one value an item"),
    "a blob": ("item_values", b"\xff\x00", "other types"),
    "tokens": ("num_tokens", "many", "other types"),
    "tokens below 0": ("num_tokens", -1, "not JSON of scores"),
    "a point": ("point", b"\xff", "other types"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("has_digest", [True, False], ids=["ours", "of an earlier version"])
def test_a_damaged_row_is_refused_with_the_store_and_the_mend(store, path, name, has_digest):
    column, value, fault = DAMAGED[name]
    put(store, "a", SCORES)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE scores SET {column} = ?", (value,))
    if not has_digest:
        connection.execute("DELETE FROM checks")
    connection.commit()
    connection.close()
    fault = f"(as it was written|{fault})" if has_digest else fault
    for read in (lambda: store.get("a"), store.rows):
        with pytest.raises(OutputError, match=rf"{path}: .*{fault}.*remove that file and run"):
            read()


def test_a_changed_number_is_never_given_out(store, path):
    put(store, "a", SCORES)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE scores SET item_values = replace(item_values, '-5.0', '-6.0')")
    connection.commit()
    connection.close()
    with pytest.raises(OutputError, match="a row is not as it was written"):
        store.get("a")


def test_a_row_of_other_items_or_another_metric_is_refused(store):
    put(store, "a", SCORES)
    assert store.get("a", num_items=3, metric="accuracy") == SCORES
    with pytest.raises(OutputError, match="has not 4 items"):
        store.get("a", num_items=4)
    with pytest.raises(OutputError, match="has no nll_nats"):
        store.get("a", metric="nll_nats")


def test_a_store_of_an_earlier_version_has_no_digests_and_is_read(store, path):
    put(store, "a", SCORES)
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE checks")
    connection.commit()
    connection.close()
    with ResultStore(path, read_only=True) as reader:
        assert reader.get("a") == SCORES
    with ResultStore(path) as again:
        assert again.get("a") == SCORES
        put(again, "b", OTHER)
        assert again.get("b") == OTHER


def test_what_cannot_be_a_store_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder: .*another --out"):
        ResultStore(tmp_path / "folder")


def test_a_log_that_is_left_behind_is_passed_over(store, path):
    put(store, "a", SCORES)
    store.close()
    path.with_name(f"{path.name}-wal").write_bytes(b"\xff" * 5000)
    with ResultStore(path) as again:
        assert again.get("a") == SCORES


def test_rows_are_told_in_words(store):
    store.put("b", SCORES, point="base", capability="grammar")
    store.put("a", OTHER, point="noise", capability="texts")
    store.put("c", OTHER, point="noise", capability="code")
    rows = [("base", "grammar", 3, 123), ("noise", "texts", 1, 1), ("noise", "code", 1, 1)]
    assert [tuple(row) for row in store.rows()] == rows
    assert store.num_points() == 2


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "killed"])
def test_reading_leaves_nothing_behind(path, is_open):
    store = ResultStore(path)
    put(store, "a", SCORES)
    if not is_open:
        store.close()
    before = {file.name for file in path.parent.iterdir()}
    with ResultStore(path, read_only=True) as reader:
        assert reader.get("a") == SCORES
        with pytest.raises(OutputError, match="readonly"):
            put(reader, "b", SCORES)
    assert {file.name for file in path.parent.iterdir()} == before
    store.close()


def test_a_store_that_is_not_there_is_not_begun_by_reading(path):
    with pytest.raises(OutputError, match="cannot be opened"):
        ResultStore(path, read_only=True)
    assert not path.exists()


# Another process that writes for half a second, or for as long as it lives.
WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO scores VALUES ('theirs', 'p', 'c', 1, '{\\"m\\": [1.0]}')")
print("writing", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("COMMIT")
"""


@pytest.fixture
def writer(store, path):
    processes = []

    def start(seconds):
        command = [sys.executable, "-c", WRITER, str(path), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "writing\n"

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_two_processes_write_one_after_the_other(store, writer):
    writer(0.5)
    put(store, "ours", SCORES)
    assert store.get("ours") == SCORES
    assert store.get("theirs").values == {"m": (1.0,)}


@pytest.mark.slow
def test_a_process_that_never_ends_writing_is_not_waited_for(path, store, writer, monkeypatch):
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.2)
    writer(60)
    with pytest.raises(OutputError, match="another process has been writing to it for"):
        ResultStore(path)
    assert len(store) == 0
