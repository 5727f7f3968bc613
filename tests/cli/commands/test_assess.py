"""The main job through the command line: documents, exit codes, resume after a kill."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from html.parser import HTMLParser
from importlib.util import find_spec

import pytest

from driftline.models import open_model
from driftline.results import Assessment

EXIT_CODES = {"safe": 0, "unsafe": 1, "inconclusive": 3, None: 0}


def _without_times(document: dict) -> dict:
    document["cost"].pop("wall_seconds")
    document["provenance"].pop("created")
    return document


@pytest.mark.slow
@pytest.mark.parametrize("command", ["assess", "margin", "map", "forecast"])
def test_each_part_writes_its_document_and_report(run, planned, command):
    digest = open_model(planned.model).digest
    code, out, err = run(*planned.arguments(command), "--json")
    document = json.loads(out)
    assert document["schema"] == f"driftline/{command}/1"
    assert code == EXIT_CODES[document["verdict"]], err
    assert document["provenance"]["model"]["digest"] == digest
    assert open_model(planned.model).digest == digest
    assert bool(document["margins"]) == (command in ("assess", "margin"))
    assert bool(document["fragility"]) == (command in ("assess", "map"))
    assert bool(document["forecast"]) == (command in ("assess", "forecast"))
    assert Assessment.from_json(out).to_json() == out
    HTMLParser().feed((planned.out / "report.html").read_text(encoding="utf-8"))
    left = {path.name for path in planned.out.iterdir()}
    assert {"report.html", "report.json", "driftline-run.json", "results.sqlite"} <= left
    assert "directions" not in left


def test_people_get_a_summary_with_the_verdict_first(run, planned):
    code, out, _err = run(*planned.arguments())
    first = out.split(maxsplit=1)[0].strip(":,.").lower()
    assert EXIT_CODES[first] == code
    assert str(planned.out / "report.html") in out


def test_the_base_is_held_as_the_options_say(run, planned):
    options = ("--dtype", "bfloat16", "--device-map", "auto", "--json")
    code, out, err = run(*planned.arguments(), *options)
    assert code in EXIT_CODES.values(), err
    assert json.loads(out)["provenance"]["model"]["dtype"] == "bfloat16"
    # Another dtype is another request.
    code, _out, err = run(*planned.arguments(), "--json")
    assert code == 2, err


@pytest.mark.slow
@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_lora_on_a_quantised_base_is_assessed_from_end_to_end(run, planned):
    arguments = (*planned.arguments("assess"), "--load-in", "8bit", "--json")
    code, out, err = run(*arguments)
    assert code == 2
    assert "packed weights cannot be trained; add `use_peft: true`" in err

    planned.config.write_text(planned.config.read_text() + "use_peft: true\nload_in_8bit: true\n")
    code, out, err = run(*arguments, "--force")
    assert code in (0, 1, 3), err
    document = json.loads(out)
    assert document["provenance"]["model"]["dtype"] == "8-bit, the rest float32"
    assert document["fragility"]
    assert {margin["direction"] for margin in document["margins"]} >= {"noise", "update"}


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_document(start, planned, tmp_path):
    whole = planned.with_(out=tmp_path / "whole")
    process = start(*whole.arguments("assess"), "--json")
    out, err = process.communicate(timeout=240)
    assert process.returncode in (0, 1, 3), err
    expected = _without_times(json.loads(out))

    process = start(*planned.arguments("assess"), "--json")
    stored = _wait_for_rows(planned.out / "results.sqlite", process, at_least=12)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (planned.out / "report.json").exists()

    process = start(*planned.arguments("assess"), "--json")
    out, err = process.communicate(timeout=240)
    assert process.returncode in (0, 1, 3), err
    assert _without_times(json.loads(out)) == expected
    assert _num_rows(planned.out / "results.sqlite") == _num_rows(whole.out / "results.sqlite")
    assert stored < _num_rows(whole.out / "results.sqlite"), "it was killed after its last point"


def _num_rows(store) -> int:
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)
    try:
        (count,) = connection.execute("SELECT COUNT(*) FROM scores").fetchone()
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return count


def _wait_for_rows(store, process, *, at_least: int) -> int:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if store.exists() and (count := _num_rows(store)) >= at_least:
            return count
        time.sleep(0.002)
    pytest.fail(f"never stored {at_least} rows: {process.stderr.read()}")


@pytest.mark.parametrize("arguments", [["--help"], ["assess", "--help"], ["score", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys; from driftline.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    # What takes a second to import; without it help takes 0.2 to 0.3 s on an idle machine.
    heavy = {"numpy", "ray", "scipy", "torch", "transformers", "trl", "yaml"}
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & heavy
    if arguments == ["--help"]:
        for command in ("assess", "margin", "map", "forecast", "score", "demo", "doctor"):
            assert command in done.stdout


def test_doctor_says_what_is_there(run):
    code, out, _err = run("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["packages"]["torch"]
    assert "smollm2-135m" in found["named_models"]
    code, out, _err = run("doctor")
    assert code == 0
    assert "torch" in out
