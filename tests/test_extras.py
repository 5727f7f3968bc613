"""Optional packages: the error where one is missing, and everything else without any of them."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from driftline.errors import MissingPackageError
from driftline.extras import EXTRAS, missing_module, require_extra

ROOT = Path(__file__).parents[1]
HIDING = """
import importlib.machinery, json, sys, traceback
hidden = json.loads(sys.argv[1])
find = importlib.machinery.PathFinder.find_spec
def without(name, path=None, target=None):
    return None if name.split(".")[0] in hidden else find(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(without)
from driftline.cli import main
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["driftline", *arguments]
    try:
        main()
    except SystemExit as stop:
        print("code", stop.code, flush=True)
        print("code", stop.code, file=sys.stderr, flush=True)
"""
"""A program that runs several commands where some packages cannot be found."""


def _packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", each)[0] for each in requirements}


def _run_without(modules: tuple[str, ...], *commands: list[str]) -> list[tuple[int, str, str]]:
    """Run commands in one process: exit code, stdout and stderr of each."""
    done = subprocess.run(
        [sys.executable, "-c", HIDING, json.dumps(modules), json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    out, err = (re.split(r"code (\d+)\n", text) for text in (done.stdout, done.stderr))
    assert len(out) == len(err) == 2 * len(commands) + 1, done.stderr
    return [(int(out[2 * n + 1]), out[2 * n], err[2 * n]) for n in range(len(commands))]


def test_the_extras_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    core = _packages(project["dependencies"])
    for name, extra in EXTRAS.items():
        listed = {each.removesuffix("-python") for each in _packages(extras[name])}
        assert listed == {module.replace("_", "-") for module in extra.modules}
        assert not _packages(extras[name]) & core
    everything = set(re.search(r"\[(.*)\]", extras["all"][0])[1].split(","))
    assert everything == extras.keys() - {"all", "dev", "docs", "model-signing"}


@pytest.mark.parametrize(
    ("extra", "module"), [(name, each) for name in EXTRAS for each in EXTRAS[name].modules]
)
def test_a_missing_package_is_named_with_its_purpose_and_the_line(extra, module, monkeypatch):
    find = importlib.util.find_spec
    assert missing_module(extra) is None
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    assert missing_module(extra) == module
    with pytest.raises(MissingPackageError) as refused:
        require_extra(extra)
    assert str(refused.value) == (
        f"{module}: is not installed, and {EXTRAS[extra].purpose}; "
        f"run: pip install 'driftline[{extra}]'"
    )


@pytest.mark.slow
def test_the_core_works_without_any_of_them(tmp_path, model_folder):
    data, config, suite = (tmp_path / name for name in ("data.jsonl", "sft.yaml", "suite.yaml"))
    rows = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(24)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config.write_text(
        "learning_rate: 1.0e-3\nmax_steps: 10\nper_device_train_batch_size: 4\nmax_length: 64\n"
        "activation_checkpointing: false\n"
    )
    suite.write_text(
        "schema: driftline/suite/1\ncapabilities:\n  - name: text\n    scorer: perplexity\n"
        "    metric: nll_nats\n    tolerance: 0.1\n    items:\n"
        + "".join(
            f"      - {{id: a{n}, text: 'It rained all day, and day {n}.'}}\n" for n in range(9)
        )
    )
    model, gguf = str(model_folder), tmp_path / "model.gguf"
    gguf.write_bytes(b"GGUF")
    planned = ["--data", str(data), "--config", str(config), "--suite", str(suite)]
    modules = tuple(name for extra in EXTRAS.values() for name in extra.modules)
    folders = [tmp_path / str(n) for n in range(4)]
    done = _run_without(
        modules,
        ["assess", model, *planned, "--out", str(folders[0])],
        ["certify", model, model, "--suite", str(suite), "--out", str(folders[1])],
        ["diff", model, model, "--out", str(folders[2])],
        ["score", model, "--suite", str(suite), "--out", str(folders[3])],
        ["plan", model, *planned],
        ["repair", model, model, "--suite", str(suite)],
        ["keygen", "--out", str(tmp_path / "keys")],
        ["sign", str(folders[1] / "certification.json"), "--key", "private.pem"],
        ["verify", "certificate.json", "--key", "public.pem"],
        ["score", str(gguf), "--suite", str(suite)],
        ["score", "smollm2-135m", "--suite", str(suite)],
    )
    codes, _, errors = zip(*done, strict=True)
    assert set(codes[:4]) <= {0, 1, 3}, "\n".join(errors[:4])
    for folder in folders:
        page = (folder / "report.html").read_text()
        assert "pip install &#39;driftline[charts]&#39;" in page
        assert "<path" not in page
        assert "<table" in page
    for error, extra in zip(
        errors[4:], ["search"] * 2 + ["signing"] * 3 + ["gguf"] * 2, strict=True
    ):
        assert f"pip install 'driftline[{extra}]'" in error
    assert set(codes[4:]) == {2}
    # Refused before the packages that take seconds to load.
    assert not any("loading" in error for error in errors[4:9])
