"""`keygen`, `sign` and `verify` through the command line, and without Driftline."""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from driftline.capabilities import read_suite
from driftline.results import Verification

DOCS = Path(__file__).parents[2] / "docs" / "certificates.md"


def _subject(folder):
    files = [
        {"name": path.name, "digest": "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
    ]
    return {"source": folder.name, "files": files}


@pytest.fixture
def world(tmp_path, run, planned, monkeypatch):
    """Two checkpoints, a suite, keys, and the certification of one against the other."""
    monkeypatch.chdir(tmp_path)
    for side in ("base", "tuned"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "model.safetensors").write_bytes(side.encode())
    suite = read_suite(planned.suite)
    claims = [
        {
            "capability": c.name, "required": True, "higher_is_better": c.higher_is_better,
            "num_items": 3, "change": 0.0, "low": 0.0, "high": 0.0, "margin": c.tolerance,
            "pvalue": 0.01, "adjusted_pvalue": 0.02, "verdict": "non_inferior",
            "adjusted_verdict": "non_inferior",
        }
        for c in suite.capabilities
    ]  # fmt: skip
    document = {
        "schema": "driftline/certification/1",
        "verdict": "pass",
        "suite_claim": {"verdict": "non_inferior", "pvalue": 0.01},
        "claims": claims,
        "provenance": {
            "base": _subject(tmp_path / "base"),
            "tuned": _subject(tmp_path / "tuned"),
            "suites": [suite.provenance().model_dump()],
            "alpha": 0.05,
        },
    }
    Path("certification.json").write_text(json.dumps(document, indent=2))
    assert run("keygen", "--out", "keys")[0] == 0
    return document


SIGN = ("sign", "certification.json", "--key", "keys/private.pem")
VERIFY = ("verify", "certificate.json", "--key", "keys/public.pem")


def test_signed_and_verified(run, world, planned):
    code, out, err = run(*SIGN)
    assert code == 0, err
    assert out.startswith("certificate: certificate.json")
    everything = ("--model", "tuned", "--base", "base", "--suite", planned.suite)
    code, out, err = run(*VERIFY, *everything)
    assert code == 0, err
    assert out.startswith("PASS: certified as non-inferior to its base; signed by ")
    code, out, err = run(*VERIFY, *everything, "--json")
    assert code == 0, err
    assert Verification.from_json(out).to_json() == out


def test_keys_are_private_and_never_overwritten(run, world):
    private = Path("keys/private.pem")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes()
    code, _out, err = run("keygen", "--out", "keys")
    assert code == 2
    assert "private.pem: is there already; add --force" in err
    private.unlink()
    assert run("keygen", "--out", "keys")[0] == 2
    assert not private.exists()
    private.write_bytes(before)
    private.chmod(0o644)
    assert run("keygen", "--out", "keys", "--force")[0] == 0
    assert private.read_bytes() != before
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_a_passphrase_comes_from_the_environment(run, world, monkeypatch):
    assert run("keygen", "--out", "closed", "--passphrase-env", "SECRET")[0] == 2
    assert not Path("closed").exists()
    monkeypatch.setenv("SECRET", "correct horse")
    assert run("keygen", "--out", "closed", "--passphrase-env", "SECRET")[0] == 0
    sign = ("sign", "certification.json", "--key", "closed/private.pem")
    code, _out, err = run(*sign)
    assert code == 2
    assert "closed/private.pem: is encrypted; give its passphrase" in err
    assert run(*sign, "--passphrase-env", "SECRET")[0] == 0
    assert run("verify", "certificate.json", "--key", "closed/public.pem")[0] == 0


def test_a_certificate_is_replaced_only_where_that_is_asked_for(run, world):
    assert run(*SIGN)[0] == 0
    before = Path("certificate.json").read_bytes()
    assert run(*SIGN, "--valid-days", "1")[0] == 2
    assert Path("certificate.json").read_bytes() == before
    assert run(*SIGN, "--valid-days", "1", "--force")[0] == 0
    assert Path("certificate.json").read_bytes() != before


def test_no_verdict_is_not_signed(run, world):
    del world["verdict"]
    Path("certification.json").write_text(json.dumps(world))
    code, _out, err = run(*SIGN)
    assert code == 2
    assert "certification.json: holds no verdict, so there is nothing to certify" in err
    assert not Path("certificate.json").exists()


@pytest.mark.parametrize(("verdict", "code"), [("fail", 1), ("inconclusive", 3)])
def test_what_was_certified_is_the_exit_code(run, world, verdict, code):
    world["verdict"] = verdict
    Path("certification.json").write_text(json.dumps(world))
    assert run(*SIGN)[0] == 0
    found = run(*VERIFY, "--model", "tuned")
    assert found[0] == code
    assert found[1].startswith(verdict.upper())


def test_other_weights_are_refused(run, world):
    assert run(*SIGN)[0] == 0
    Path("tuned/model.safetensors").write_bytes(b"tuneD")
    code, out, _err = run(*VERIFY, "--model", "tuned")
    assert code == 5
    assert out.startswith("REFUSED: tuned: model.safetensors was changed")


def test_a_swapped_suite_is_refused(run, world, planned):
    assert run(*SIGN)[0] == 0
    path = Path(planned.suite)
    path.write_text(path.read_text().replace("It rained", "It snowed"))
    code, out, _err = run(*VERIFY, "--suite", planned.suite)
    assert code == 5
    assert out.startswith("REFUSED: suites:")


def test_a_manifest_travels_with_the_weights(run, world):
    Path("tuned/model.sig").write_text("manifest")
    assert run(*SIGN, "--manifest", "tuned/model.sig")[0] == 0
    assert run(*VERIFY, "--model", "tuned", "--manifest", "tuned/model.sig")[0] == 0
    Path("tuned/model.sig").write_text("changed")
    assert run(*VERIFY, "--model", "tuned", "--manifest", "tuned/model.sig")[0] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "nowhere.json", "--key", "keys/public.pem"), "nowhere.json: cannot be read"),
        (("verify", "certificate.json", "--key", "keys/private.pem"), "is no public key in PEM"),
        ((*VERIFY, "--model", "nowhere"), "nowhere: no such folder or file"),
        (("sign", "keys/public.pem", "--key", "keys/private.pem", "--force"), "is not JSON"),
        ((*SIGN, "--manifest", "nowhere", "--force"), "nowhere: cannot be read"),
    ],
)
def test_bad_input_is_named(run, world, arguments, message):
    assert run(*SIGN)[0] == 0
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_the_documented_commands_verify_without_driftline(run, world):
    assert run(*SIGN)[0] == 0
    shutil.copy("keys/public.pem", "public.pem")
    script = re.search(r"```sh\n(# without Driftline.*?)```", DOCS.read_text(), re.DOTALL)[1]

    def shell():
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )

    done = shell()
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    assert "model.safetensors: OK" in done.stdout
    assert (
        json.loads(Path("certificate.json").read_bytes())["signatures"][0]["keyid"] in done.stdout
    )
    Path("tuned/model.safetensors").write_bytes(b"tuneD")
    assert shell().returncode != 0
    Path("tuned/model.safetensors").write_bytes(b"tuned")
    text = Path("certificate.json").read_text()
    Path("certificate.json").write_text(text.replace('"payload":"eyJf', '"payload":"eyJg'))
    assert shell().returncode != 0


def test_help_is_light():
    script = (
        "import sys\nsys.argv = ['driftline', 'verify', '--help']\n"
        "from driftline.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = [m for m in ('torch', 'numpy', 'cryptography') if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
