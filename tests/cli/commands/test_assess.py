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

EXIT_CODES = {"safe": 0, "unsafe": 1, "at_risk": 3, "inconclusive": 3, None: 0}


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
    first = out.split(":")[0].strip().lower().replace(" ", "_")
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


def write_suite(planned, tolerance):
    """Write texts that the base is shown to have, with one tolerance."""
    path = planned.data.parent / f"texts-{tolerance:g}.yaml"
    path.write_text(
        "schema: driftline/suite/1\ncapabilities:\n"
        f"  - {{name: text, scorer: perplexity, metric: nll_nats, tolerance: {tolerance!r}, items: "
        "[{id: a, text: It rained all day.}, {id: b, text: The shop opens at nine.}, "
        "{id: c, text: Nobody had seen the key.}]}\n"
    )
    return str(path)


@pytest.mark.slow
def test_a_run_at_risk_exits_3_and_the_same_run_at_a_wider_tolerance_0(run, planned, tmp_path):
    for verdict, code_due, tolerance in (("safe", 0, 2.9), ("at_risk", 3, 1e-6)):
        own = planned.with_(suite=write_suite(planned, tolerance), out=tmp_path / verdict)
        code, out, err = run(*own.arguments(), "--risk", "0.001", "--json")
        document = json.loads(out)
        assert (document["verdict"], code) == (verdict, code_due), err
        assert document["risk"] == 0.001
        assert (document["probability_any_lost"] <= 0.001) == (verdict == "safe")
        assert document["advice"]["sentence"]


def test_a_lost_run_exits_1(run, planned):
    planned.config.write_text(planned.config.read_text().replace("1.0e-3", "0.05"))
    own = planned.with_(suite=write_suite(planned, 1e-4))
    code, out, err = run(*own.arguments(), "--probe", "0.6", "--json")
    document = json.loads(out)
    assert (document["verdict"], code) == ("unsafe", 1), err
    assert document["advice"]["action"] == "lower_learning_rate"
    assert (document["advice"]["learning_rate"] or 0) < 0.05


def test_until_decided_trains_no_further_than_it_takes(run, planned):
    values = planned.config.read_text().replace("max_steps: 10", "max_steps: 20")
    planned.config.write_text(values.replace("1.0e-3", "1.0e-4"))
    own = planned.with_(suite=write_suite(planned, 2.9))
    code, out, err = run(*own.arguments(), "--until", "decided", "--json")
    document = json.loads(out)
    assert (document["verdict"], code) == ("safe", 0), err
    assert document["cost"]["fraction_of_planned_run"] == 0.2
    assert document["checkpoint"]["step"] == 4
    assert (own.out / document["checkpoint"]["folder"]).is_dir()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--risk", "0"), "--risk 0.0: must be a probability above 0 and below 0.5"),
        (("--risk", "-0.1"), "--risk -0.1"),
        (("--risk", "0.5"), "--risk 0.5"),
        (("--risk", "nan"), "--risk nan"),
        (("--risk", "ten"), "--risk"),
        (("--until", "sure"), "--until"),
        (("--probe", "0.15"), "--probe"),
        (("--until", "decided", "--method", "truncated"), "--until decided: takes Driftline's own"),
        (("--method", "guess"), "--method"),
    ],
)
def test_what_nothing_can_be_decided_by_is_refused_by_name(run, planned, options, told):
    code, out, err = run(*planned.arguments(), *options)
    assert code == 2
    assert told in err
    assert out == ""
    assert "Traceback" not in err
    assert not planned.out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("other", [("--risk", "0.2"), ("--until", "decided"), ("--probe", "0.1")])
def test_another_risk_or_end_is_another_request(run, planned, other):
    assert run(*planned.arguments())[0] in EXIT_CODES.values()
    code, _out, err = run(*planned.arguments(), *other)
    assert code == 2
    assert "finished run; give another --out, or --force" in err
    assert run(*planned.arguments(), *other, "--force")[0] in EXIT_CODES.values()


@pytest.mark.slow
def test_forecasts_to_be_compared_get_folders_of_their_own(run, planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    usual = [each for each in planned.arguments() if each not in ("--out", str(planned.out))]
    asked = ((), ("--risk", "0.05"), ("--until", "decided"), ("--probe", "0.1"))
    for options in asked:
        code, _out, err = run(*usual, *options)
        assert code in EXIT_CODES.values(), err
    names = {path.name for path in (tmp_path / "driftline-runs").iterdir()}
    base = min(names, key=len)
    assert names == {base, f"{base}-risk-0.05", f"{base}-decided", f"{base}-0.1"}


@pytest.mark.slow
def test_a_killed_run_that_ends_where_it_is_decided_ends_there_again(start, planned, tmp_path):
    values = planned.config.read_text().replace("max_steps: 10", "max_steps: 20")
    planned.config.write_text(values.replace("1.0e-3", "1.0e-4"))
    own = planned.with_(suite=write_suite(planned, 2.9))
    options = ("--until", "decided", "--json")
    process = start(*own.with_(out=tmp_path / "whole").arguments(), *options)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    expected = _without_times(json.loads(out))

    process = start(*own.arguments(), *options)
    _wait_for_rows(own.out / "results.sqlite", process, at_least=3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process = start(*own.arguments(), *options)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert _without_times(json.loads(out)) == expected


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


def test_doctor_says_where_bfloat16_is_emulated(run, monkeypatch):
    monkeypatch.setattr("driftline.models.bfloat16_slowdown", lambda: 7.2)
    monkeypatch.setattr("driftline.models.is_bfloat16_native", lambda: False)
    assert json.loads(run("doctor", "--json")[1])["bfloat16_slowdown"] == 7.2
    assert "bfloat16 is 7 times as slow as float32 here" in run("doctor")[1]


def test_doctor_says_what_is_there(run):
    code, out, _err = run("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["packages"]["torch"]
    assert "smollm2-135m" in found["named_models"]
    assert found["extras"] == dict.fromkeys(["charts", "gguf", "search", "signing"], True)
    code, out, _err = run("doctor")
    assert code == 0
    assert "torch" in out
