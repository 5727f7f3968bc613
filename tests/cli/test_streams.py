"""Where text leaves: full, closed and narrow streams, and text that would steer a terminal."""

import io
import json
import os
import subprocess
import sys

import pytest

from driftline.cli._streams import VisibleStream
from driftline.escapes import is_printable, visible

QUICK = ["sample-size", "--margin", "0.02", "--discordance", "0.1"]
WRONG = ["sample-size", "--margin", "2", "--discordance", "0.1"]
START = [sys.executable, "-c", "from driftline.cli import main; main()"]

HOSTILE = "\x1b[2J\x1b[32mPASS\x9b1m\x7f\u202e\u2066\u2028\u2029\x85"


def shell(command: list[str], redirect: str, **environment: str) -> subprocess.CompletedProcess:
    """Run with the shell's redirection; stdout and stderr that stay are captured."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "-", *START, *command],
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")


@needs_full
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("command", [QUICK, [*QUICK, "--json"], ["--help"]])
def test_a_full_output_is_one_line_and_exit_code_2(command, unbuffered):
    done = shell(command, "> /dev/full", PYTHONUNBUFFERED=unbuffered)
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(
        "driftline: standard output: cannot be written (No space left on device)"
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("redirect", "reason"), [(">&-", "it is closed"), ("> >(true)", "Broken pipe")]
)
def test_a_closed_output_is_one_line_and_exit_code_2(redirect, reason):
    # The other end is closed for sure once its process is over.
    command = [*QUICK] if reason == "it is closed" else ["--help"]
    done = shell(command, redirect)
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"driftline: standard output: cannot be written ({reason})")
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("redirect", ["2>&-", pytest.param("2> /dev/full", marks=needs_full)])
def test_without_a_place_for_messages_the_answer_and_its_exit_code_stay(redirect):
    plain = shell(QUICK, "")
    done = shell(QUICK, redirect)
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    assert shell(WRONG, redirect).returncode == 2


@pytest.mark.slow
@needs_full
def test_a_run_whose_output_is_full_keeps_its_document(planned, model_folder, tmp_path):
    out = tmp_path / "out"
    command = ["score", str(model_folder), "--suite", planned.suite, "--out", str(out), "--json"]
    done = shell(command, "> /dev/full")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"standard output: cannot be written" in done.stderr
    assert json.loads((out / "report.json").read_text())["schema"] == "driftline/score/1"


def test_a_name_that_is_not_text_is_refused():
    done = subprocess.run(
        [*START, "score", b"model-\xff"], capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "driftline: model-\\udcff: is not text in this locale; rename it, or set LC_ALL=C.UTF-8\n"
    )


def test_an_output_that_lacks_a_character_gets_its_escape(run, tmp_path):
    done = shell(["verify", "é\u2713", "--key", "é"], "", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert b"driftline: \\u00e9: cannot be read" in done.stderr


@pytest.mark.parametrize("name", ["x" * 300, "a" * 255 + "/b", HOSTILE, "a\nPASS", "a\rPASS"])
@pytest.mark.parametrize(
    "command",
    [
        ["score", "{}"],
        ["score", "m", "--suite", "{}"],
        ["certify", "m", "{}", "--suite", "core"],
        ["certify", "m", "t", "--suite", "core", "--policy", "{}"],
        ["diff", "{}", "{}"],
        ["forecast", "m", "--data", "{}", "--config", "c"],
        ["train", "{}"],
        ["calibrate", "--out", "{}", "--run", "r"],
        ["verify", "{}", "--key", "k"],
        ["verify", "c", "--key", "{}"],
        ["sign", "{}", "--key", "{}"],
        ["runs", "show", "{}"],
    ],
    ids=lambda command: " ".join(command),
)
def test_a_name_of_any_kind_is_refused_in_one_line(run, tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*(part.replace("{}", name) for part in command))
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    lines = [line for line in err.split("\n") if line.startswith("driftline: ")]
    assert len(lines) == 1
    assert not [c for c in err if c != "\n" and not is_printable(c)]
    assert not any(line.startswith("PASS") for line in err.split("\n"))


def test_a_hostile_config_key_reaches_no_terminal(run, tmp_path):
    suite = tmp_path / "s.yaml"
    suite.write_text(
        "schema: driftline/suite/1\ncapabilities:\n"
        f"  - {{name: {json.dumps(HOSTILE + 'one')}, scorer: minimal_pair, metric: accuracy,\n"
        "     tolerance: 0, items: [{id: a, good: x, bad: y}]}\n"
    )
    code, out, err = run("score", "m", "--suite", str(suite))
    assert code == 2
    assert r"\u001b[2J\u001b[32mPASS" in err
    assert not [c for c in out + err if c != "\n" and not is_printable(c)]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(36, "File name too long", "x" * 10), 2, "xxxxxxxxxx: File name too long"),
        (PermissionError(13, "Permission denied", "/y"), 2, "/y: Permission denied"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 2, "not UTF-8"),
        (BrokenPipeError(32, "Broken pipe"), 4, "Broken pipe"),
        (MemoryError("13 GiB"), 4, "out of memory (13 GiB)"),
    ],
)
def test_errors_of_the_system_are_one_line(run, monkeypatch, error, code, said):
    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr("driftline.cli.commands.suites._sample_size._check", fail)
    found, out, err = run(*QUICK)
    assert (found, out) == (code, "")
    (line,) = err.splitlines()
    assert line.startswith("driftline: ")
    assert said in line


def test_a_fault_of_ours_is_called_one(run, monkeypatch):
    monkeypatch.setattr(
        "driftline.cli.commands.suites._sample_size._check", lambda *_, **__: {}["nothing"]
    )
    code, _out, err = run(*QUICK)
    assert code == 4
    assert "Traceback" in err
    assert err.endswith("driftline: this is a fault in Driftline, please report it\n")


def test_json_keeps_its_value_behind_the_guard():
    held = io.StringIO()
    value = {"name": HOSTILE + "\U000e0001é日本\u3000", "n": 1}
    VisibleStream(held, "x", required=True).write(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(held.getvalue()) == value
    assert not [c for c in held.getvalue() if c != "\n" and not is_printable(c)]


def test_bars_of_libraries_go_back_to_the_start_of_their_line_and_nothing_else_does():
    held = io.StringIO()
    stream = VisibleStream(held, "x", required=False)
    stream.write("\r 50%|##  |")
    stream.write("name\rPASS")
    assert held.getvalue() == "\r 50%|##  |name\\u000dPASS"


@pytest.mark.parametrize(
    "code", [*range(32), 127, *range(128, 160), 0x200E, 0x202A, 0x2067, 0x2028]
)
def test_every_control_character_is_spelled(code):
    text = visible(f"a{chr(code)}b", keep="")
    assert text == f"a\\u{code:04x}b"
