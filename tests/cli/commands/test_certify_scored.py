"""`certify --scored`: two logs of another tool, paired item by item, signed as what they are."""

import base64
import json
from pathlib import Path

import pytest

from driftline.results import Certification
from tests.capabilities.logs.test_lm_eval_log import sample

NUM = 400
EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}


def _lm_eval(path: Path, right: set[int], **changes) -> Path:
    lines = [
        json.dumps(sample(i, (-1.0, -2.0) if i in right else (-2.0, -1.0), **changes))
        for i in range(NUM)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def _inspect(path: Path, right: set[int], values=("I", "C")) -> Path:
    samples = [
        {
            "id": i, "epoch": 1, "input": f"Which {i}?", "target": "a", "choices": ["a", "b"],
            "scores": {"choice": {"value": values[i in right]}},
        }
        for i in range(NUM)
    ]  # fmt: skip
    content = {"version": 2, "status": "success", "eval": {"task": "arc"}, "samples": samples}
    path.write_text(json.dumps(content))
    return path


ALL = set(range(NUM)) - set(range(0, NUM, 10))
KEPT = ALL - {1}
LOST = ALL - set(range(1, 200))
SOME = ALL - set(range(1, 8))


@pytest.fixture
def logs(tmp_path):
    """Write the base's log and a tuned model's."""

    def write(tuned, kind="lm-eval", **changes):
        if kind == "inspect":
            return _inspect(tmp_path / "base.json", ALL), _inspect(tmp_path / "tuned.json", tuned)
        return (
            _lm_eval(tmp_path / "base.jsonl", ALL),
            _lm_eval(tmp_path / "tuned.jsonl", tuned, **changes),
        )

    return write


def _certify(run, pair, out, *more):
    return run("certify", "--scored", *map(str, pair), "--out", str(out), *more)


@pytest.mark.parametrize("kind", ["lm-eval", "inspect"])
@pytest.mark.parametrize(
    ("tuned", "verdict"), [(KEPT, "pass"), (LOST, "fail"), (SOME, "inconclusive")]
)
def test_each_verdict_is_reached_from_logs(run, logs, tmp_path, kind, tuned, verdict):
    metric = () if kind == "inspect" else ("--metric", "acc")
    pair, out = logs(tuned, kind), tmp_path / "out"
    code, text, err = _certify(run, pair, out, "--margin", "0.02", "--json", *metric)
    assert code == EXIT_CODES[verdict], err
    found = Certification.from_json(text)
    assert found.verdict == verdict
    (claim,) = found.claims
    assert claim.method == "flips"
    assert claim.num_items == NUM
    assert claim.base == pytest.approx(len(ALL) / NUM)
    assert len(claim.flips.lost) == len(ALL - tuned)
    assert found.provenance.base_model is found.provenance.numerics is None
    assert "Driftline did not score these weights" in found.caveats[0]
    assert {path.name for path in out.iterdir()} >= {
        "certification.json",
        "junit.xml",
        "model_card.md",
    }
    assert "did not score" in (out / "model_card.md").read_text()
    assert "did not score" in (out / "summary.txt").read_text()


def test_items_are_paired_by_name_and_not_by_place(run, logs, tmp_path):
    pair = logs(KEPT)
    expected = _certify(run, pair, tmp_path / "a", "--margin", "0.02", "--metric", "acc", "--json")
    pair[1].write_text("".join(reversed(pair[1].read_text().splitlines(keepends=True))))
    again = _certify(run, pair, tmp_path / "b", "--margin", "0.02", "--metric", "acc", "--json")
    claims = [json.loads(out)["claims"] for _code, out, _err in (expected, again)]
    assert claims[0] == claims[1]


def test_a_margin_in_nats_is_tested_by_bets(run, logs, tmp_path):
    code, out, err = _certify(run, logs(KEPT), tmp_path / "out", "--margin", "1", "--json")
    assert code == 0, err
    (claim,) = json.loads(out)["claims"]
    assert (claim["metric"], claim["method"]) == ("margin_nats", "bounded")


@pytest.mark.parametrize(
    ("options", "verdict"), [((), "inconclusive"), (("--range", "0", "100"), "pass")]
)
def test_points_pass_only_within_a_declared_range(run, tmp_path, options, verdict):
    pair = [
        _lm_eval(tmp_path / f"{side}.jsonl", ALL, metrics=["bleu"], bleu=40.0)
        for side in ("base", "tuned")
    ]
    code, out, err = _certify(
        run, pair, tmp_path / "out", "--metric", "bleu", "--margin", "5", "--json", *options
    )
    assert code == EXIT_CODES[verdict], err
    if not options:
        assert "declare them with --range LOW HIGH" in json.loads(out)["claims"][0]["reason"]


def test_partial_scores_are_no_flips(run, tmp_path):
    values = ("P", "C")
    pair = [_inspect(tmp_path / f"{s}.json", ALL, values) for s in ("base", "tuned")]
    code, out, err = _certify(run, pair, tmp_path / "out", "--margin", "0.05", "--json")
    assert code == 0, err
    (claim,) = json.loads(out)["claims"]
    assert claim["method"] == "bounded"
    assert claim["flips"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no margin is fixed"),
        (("--margin", "0"), "--margin 0: must be above 0"),
        (("--margin", "nan"), "not a finite number"),
        (("--margin", "1.5", "--metric", "acc"), "accepts every loss"),
        (("--margin", "0.1", "--metric", "f1"), "no metric f1"),
        (("--margin", "0.1", "--metric", "acc", "--range", "0", "1"), "--range: acc has a range"),
        (("--margin", "0.1", "--suite", "core"), "--suite: is for models"),
        (("--margin", "0.1", "--sequential"), "--sequential: is for models"),
        (("--margin", "0.1", "--recovery"), "--recovery: is for models"),
        (("--margin", "0.1", "--dry-run"), "--dry-run: is for models"),
        (("--margin", "0.1", "--dtype", "bfloat16"), "--dtype: is for models"),
        (("--margin", "0.1", "--alpha", "0.9"), "--alpha"),
    ],
)
def test_wrong_options_are_named_before_a_folder_exists(run, logs, tmp_path, options, said):
    code, _out, err = _certify(run, logs(KEPT), tmp_path / "out", *options)
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda pair: pair[1].write_text("".join(pair[1].read_text().splitlines(True)[:-3])), "lacks 3 items"),
        (lambda pair: pair[0].write_text("".join(pair[0].read_text().splitlines(True)[:-1])), "lacks 1 items"),
        (lambda pair: pair[1].write_text(pair[1].read_text().replace("Q: ", "Question: ")), "different prompts"),
        (lambda pair: pair[1].write_text("[1]\n"), "tuned.jsonl: line 1"),
        (lambda pair: pair[0].unlink(), "base.jsonl"),
    ],
)  # fmt: skip
def test_logs_that_cannot_be_paired_are_refused(run, logs, tmp_path, spoil, said):
    pair = logs(KEPT)
    spoil(pair)
    code, _out, err = _certify(run, pair, tmp_path / "out", "--margin", "0.02", "--metric", "acc")
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_a_policy_fixes_margin_tier_and_alpha(run, logs, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "schema: driftline/policy/1\nalpha: 0.1\ncapabilities:\n"
        "  - {name: base, tier: critical, margin: 0.02}\n"
    )
    options = ("--metric", "acc", "--policy", str(policy))
    code, out, err = _certify(run, logs(KEPT), tmp_path / "out", *options, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["provenance"]["alpha"] == 0.1
    assert document["claims"][0]["margin"] == 0.02
    code, _out, err = _certify(run, logs(KEPT), tmp_path / "b", *options, "--margin", "0.1")
    assert code == 2
    assert "the policy says 0.02" in err


def test_a_certificate_of_logs_claims_no_file_of_a_model(run, logs, planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair = logs(KEPT)
    code, _out, err = _certify(run, pair, tmp_path / "out", "--margin", "0.02", "--metric", "acc")
    assert code == 0, err
    assert run("keygen", "--out", "keys")[0] == 0
    document = str(tmp_path / "out" / "certification.json")
    code, _out, err = run("sign", document, "--key", "keys/private.pem")
    assert code == 0, err
    envelope = json.loads(Path("certificate.json").read_text())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert [s["name"] for s in statement["subject"]] == [
        "tuned-log/tuned.jsonl",
        "base-log/base.jsonl",
    ]

    def verify(*more):
        code, out, _err = run(
            "verify", "certificate.json", "--key", "keys/public.pem", "--json", *more
        )
        return code, {check["name"]: check["status"] for check in json.loads(out)["checks"]}

    assert verify()[0] == 0
    code, checks = verify("--model", str(pair[1]), "--base", str(pair[0]))
    assert (code, checks["tuned"], checks["base"]) == (0, "passed", "passed")
    for option, check in (("--model", "tuned"), ("--base", "base")):
        code, checks = verify(option, planned.model)
        assert (code, checks[check]) == (5, "failed")
    code, checks = verify("--model", str(pair[0]))
    assert (code, checks["tuned"]) == (5, "failed")
    pair[1].write_text(pair[1].read_text() + "\n")
    assert verify("--model", str(pair[1]))[0] == 5
