"""`certify` through the command line: verdicts as exit codes, documents, refusals."""

import hashlib
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import yaml

from driftline.capabilities import read_policy
from driftline.errors import ConfigError
from driftline.results import Certification
from tests import adapters, tiny
from tests.known_pairs import known_pairs
from tests.results.repair_sample import build_repair


@pytest.fixture
def write_suite(opened, tmp_path):
    def write(num_items=60, **fields):
        items = [item.model_dump(exclude_none=True) for item in known_pairs(opened, num_items)]
        entry = {
            "name": "pairs", "scorer": "minimal_pair", "metric": "accuracy", "tolerance": 0.1,
            "items": items, **fields,
        }  # fmt: skip
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [entry]}))
        return str(path)

    return write


def _moved(folder, alpha):
    model = tiny.model()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=alpha)
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def damaged(tmp_path):
    return _moved(tmp_path / "damaged", 0.5)


@pytest.fixture
def nudged(tmp_path):
    """Other weights, with which no item flips."""
    return _moved(tmp_path / "nudged", 1e-5)


def test_a_pass_is_exit_code_0_and_is_written(run, model_folder, nudged, write_suite, tmp_path):
    base, out = str(model_folder), tmp_path / "out"
    asked = ("certify", base, nudged, "--suite", write_suite(), "--out", str(out))
    code, text, err = run(*asked, "--json")
    assert code == 0, err
    document = Certification.from_json(text)
    assert document.to_json() == text == (out / "certification.json").read_text()
    assert (document.verdict, document.schema_) == ("pass", "driftline/certification/1")
    assert (out / "summary.txt").read_text().startswith("PASS: all 1 required capabilities are")
    code, text, err = run(*asked)
    assert (code, text) == (2, "")
    assert "holds a finished run" in err
    code, text, _err = run(*asked, "--force")
    assert code == 0
    assert text.startswith("PASS: ")
    assert f"Document: {out / 'certification.json'}" in text


def test_a_loss_is_exit_code_1(run, model_folder, damaged, write_suite, tmp_path):
    out = tmp_path / "out"
    code, text, err = run(
        "certify", str(model_folder), damaged, "--suite", write_suite(), "--out", str(out)
    )
    assert code == 1, err
    assert text.startswith("FAIL: 0 of 1 required capabilities are retained; lost: pairs")


@pytest.mark.parametrize(("num", "fields"), [(10, {}), (60, {"required": False})])
def test_what_is_not_settled_is_exit_code_3(
    run, model_folder, nudged, write_suite, tmp_path, num, fields
):
    base, out = str(model_folder), tmp_path / "out"
    suite = write_suite(num, **fields)
    code, text, err = run("certify", base, nudged, "--suite", suite, "--out", str(out), "--json")
    assert code == 3, err
    assert json.loads(text)["verdict"] == "inconclusive"


def test_what_must_be_kept_has_to_be_said(run, model_folder):
    code, text, err = run("certify", str(model_folder), str(model_folder))
    assert (code, text) == (2, "")
    assert "--suite" in err


@pytest.mark.parametrize(
    ("tuned", "more", "culprit"),
    [
        ("./nowhere", (), "./nowhere: no such folder or file"),
        ("smollm2-135m", (), "a GGUF file holds packed weights"),
        (None, ("--alpha", "0.7"), "--alpha: 0.7"),
    ],
)
def test_bad_input_is_exit_code_2_and_named(
    run, model_folder, write_suite, tmp_path, tuned, more, culprit
):
    base, out = str(model_folder), tmp_path / "out"
    code, text, err = run(
        "certify", base, tuned or base, "--suite", write_suite(4), "--out", str(out), *more
    )
    assert (code, text) == (2, "")
    assert culprit in err
    assert "Traceback" not in err
    assert not (out / "certification.json").exists()


ADAPTERS = {
    "another base": ({"base_model_name_or_path": "OTHER"}, "which is another model than"),
    "a later key": (
        {"lora_next": {"power": 3}},
        "adapter_config.json: holds lora_next, which PEFT",
    ),
    "a rank": ({"r": 8}, "size mismatch for model.layers.0.self_attn.q_proj.lora_A.weight"),
    "no kind": ({"peft_type": None}, "adapter_config.json: has no peft_type"),
    "a prompt": ({"peft_type": "P_TUNING"}, "a P_TUNING adapter has no change of the weights"),
}


@pytest.mark.parametrize(("said", "culprit"), ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_that_is_not_what_it_says_is_exit_code_2(
    run, model_folder, damaged, write_suite, tmp_path, said, culprit
):
    adapter, out = tmp_path / "adapter", tmp_path / "out"
    adapters.adapt(tiny.model()).save_pretrained(adapter)
    adapters.say(adapter, **{k: damaged if v == "OTHER" else v for k, v in said.items()})
    asked = ("certify", str(model_folder), str(adapter), "--suite", write_suite(4))
    code, text, err = run(*asked, "--out", str(out))
    assert (code, text) == (2, "")
    assert culprit in " ".join(err.split())
    assert "Traceback" not in err
    assert not (out / "certification.json").exists()


@pytest.fixture
def write_policy(tmp_path):
    def write(**changes):
        rule = {"name": "pairs", "tier": "critical", "margin": 0.2}
        said = {"schema": "driftline/policy/1", "alpha": 0.01, "capabilities": [rule], **changes}
        path = tmp_path / "release.yaml"
        path.write_text(yaml.safe_dump(said))
        return str(path)

    return write


def test_beside_the_document_lie_a_summary_a_model_card_and_junit(
    run, model_folder, nudged, write_suite, tmp_path
):
    base, out = str(model_folder), tmp_path / "out"
    suite = write_suite(10)
    assert run("certify", base, nudged, "--suite", suite, "--out", str(out))[0] == 3
    ours = {"report.html", "summary.txt", "model_card.md", "junit.xml", "certification.json"}
    assert ours <= {path.name for path in out.iterdir()}
    assert "**INCONCLUSIVE**" in (out / "model_card.md").read_text()
    (suite,) = ElementTree.parse(out / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("2", "2", "0")


def test_a_policy_binds_what_is_certified_signed_and_verified(
    run, model_folder, write_suite, write_policy, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    base, suite, policy = str(model_folder), write_suite(), write_policy()
    code, text, err = run(
        "certify", base, base, "--suite", suite, "--policy", policy, "--out", "out", "--json"
    )
    assert code == 0, err
    document = Certification.from_json(text)
    digest = "sha256:" + hashlib.sha256(Path(policy).read_bytes()).hexdigest()
    assert document.provenance.policy.digest == digest
    assert (document.claims[0].margin, document.provenance.alpha) == (0.2, 0.01)
    assert run("keygen", "--out", "keys")[0] == 0
    assert run("sign", "out/certification.json", "--key", "keys/private.pem")[0] == 0
    verify = ("verify", "certificate.json", "--key", "keys/public.pem", "--suite", suite)
    code, text, err = run(*verify, "--policy", policy)
    assert code == 0, text
    code, text, _err = run(*verify, "-v")
    assert code == 5
    told = " ".join(text.split())
    assert "no claim is about pairs with a margin of 0.1, required; give release.yaml by" in told
    write_policy(alpha=0.02)
    code, text, _err = run(*verify, "--policy", policy, "-v")
    assert code == 5
    told = " ".join(text.split())
    assert "it was certified under release.yaml with alpha 0.01, and release.yaml says" in told
    with Path(write_policy()).open("a") as file:
        file.write("# a comment\n")
    code, text, _err = run(*verify, "--policy", policy, "-v")
    assert code == 0
    assert "says the same as release.yaml" in " ".join(text.split())


@pytest.mark.parametrize(
    ("changes", "more", "culprit"),
    [
        ({"alfa": 0.1}, (), "alfa: Extra inputs are not permitted"),
        ({}, ("--alpha", "0.05"), "--alpha 0.05: the policy says 0.01"),
        (
            {"capabilities": [{"name": "facts", "tier": "critical"}]},
            (),
            "release.yaml: no --suite holds the capability facts",
        ),
    ],
)
def test_a_policy_that_is_not_right_is_exit_code_2(
    run, model_folder, write_suite, write_policy, tmp_path, changes, more, culprit
):
    base, out = str(model_folder), tmp_path / "out"
    code, text, err = run(
        "certify", base, base, "--suite", write_suite(4), "--out", str(out),
        "--policy", write_policy(**changes), *more,
    )  # fmt: skip
    assert (code, text) == (2, "")
    assert culprit in err
    assert not out.exists()


def test_in_sequence_and_with_a_recovery_probe(run, model_folder, damaged, write_suite, tmp_path):
    out = tmp_path / "out"
    code, text, err = run(
        "certify", str(model_folder), damaged, "--suite", write_suite(300), "--out", str(out),
        "--sequential", "--recovery", "--json",
    )  # fmt: skip
    assert code == 1, err
    document = Certification.from_json(text)
    (claim,) = document.claims
    assert claim.num_items < claim.sequential.num_available == 300
    (probe,) = document.recovery
    assert (probe.capability, probe.num_shots) == ("pairs", 4)
    summary = (out / "summary.txt").read_text()
    assert "Recovery probe, pairs: " in summary
    assert f"until the decision, scored, of all: pairs {claim.num_items}, " in summary


def test_the_documented_policy_and_action_can_be_read(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "certify.md").read_text()
    policy, action = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "policy.yaml").write_text(policy)
    said = read_policy(tmp_path / "policy.yaml")
    assert [(r.name, r.tier) for r in said.capabilities] == [
        ("world_facts", "critical"),
        ("small_talk", "advisory"),
    ]
    steps = yaml.safe_load(action)["jobs"]["certify"]["steps"]
    (command,) = [s["run"] for s in steps if "certify" in s.get("run", "")]
    options = re.findall(r"--[\w-]+", command)
    assert set(options) == {"--suite", "--policy", "--out"}


def test_a_base_against_itself_is_said_to_be_identical_up_to_verify(
    run, model_folder, write_suite, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    base, suite = str(model_folder), write_suite(2, metric="margin_nats", tolerance=1e-9)
    code, text, err = run("certify", base, base, "--suite", suite, "--out", "out")
    assert code == 0, err
    said = "identical: the tuned weights are the base's, bit for bit"
    assert text.startswith(f"PASS: {said}")
    for name in ("summary.txt", "model_card.md"):
        found = " ".join((tmp_path / "out" / name).read_text().split())
        assert "the tuned weights are the base" in found
    assert run("keygen", "--out", "keys")[0] == 0
    assert run("sign", "out/certification.json", "--key", "keys/private.pem")[0] == 0
    code, text, err = run("verify", "certificate.json", "--key", "keys/public.pem", "--model", base)
    assert code == 0, text
    assert "the tuned weights are the base's, bit for bit" in " ".join(text.split())


def test_items_under_other_ids_are_named_and_count_once(
    run, opened, model_folder, nudged, tmp_path, write_suite
):
    suite = Path(write_suite(20))
    content = yaml.safe_load(suite.read_text())
    items = content["capabilities"][0]["items"]
    items += [{**item, "id": f"copy {index}", "group": "g"} for index, item in enumerate(items[:5])]
    suite.write_text(yaml.safe_dump(content))
    _code, text, err = run(
        "certify", str(model_folder), nudged, "--suite", str(suite), "--out", str(tmp_path / "o"),
        "--json",
    )  # fmt: skip
    document = Certification.from_json(text)
    assert document.claims[0].num_items == 20, err
    assert [e.left_out for e in document.guards.equal_items] == [
        (f"copy {index}",) for index in range(5)
    ]
    assert any(f"copy 0 = {items[0]['id']}" in caveat for caveat in document.caveats)


@pytest.mark.parametrize("alpha", ["nan", "inf", "-inf", "0", "1", "-1", "0.6", "1e-300", "text"])
@pytest.mark.parametrize("command", ["certify", "repair", "plan", "sample-size"])
def test_a_level_that_is_none_is_exit_code_2_before_anything_is_opened(run, command, alpha):
    own = {
        "certify": ("base", "tuned", "--suite", "core"),
        "repair": ("base", "tuned", "--suite", "core"),
        "plan": ("base", "--data", "rows.jsonl", "--suite", "core"),
        "sample-size": ("--margin", "0.02", "--discordance", "0.1"),
    }[command]
    code, text, err = run(command, *own, "--alpha", alpha)
    assert (code, text) == (2, "")
    assert "--alpha" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("command", "option"),
    [("repair", "--max-cost"), ("plan", "--budget-tokens"), ("plan", "--budget-minutes")],
)
def test_an_option_that_is_no_finite_number_is_exit_code_2(run, command, option, number):
    own = ("base", "tuned") if command == "repair" else ("base", "--data", "rows.jsonl")
    code, _text, err = run(command, *own, "--suite", "core", option, number)
    assert code == 2
    assert f"{option}: {number} is not a finite number" in err


@pytest.mark.parametrize("alpha", [".nan", ".inf", "0", "1", "-1", "0.6", "text", "true", "1.0e-9"])
def test_a_level_of_a_policy_that_is_none_is_refused(tmp_path, alpha):
    path = tmp_path / "policy.yaml"
    path.write_text(
        f"schema: driftline/policy/1\nalpha: {alpha}\ncapabilities:\n- {{name: a, tier: critical}}\n"
    )
    with pytest.raises(ConfigError, match=r"policy\.yaml: alpha"):
        read_policy(path)


@pytest.mark.parametrize("margin", [".nan", ".inf", "0", "-1", "text", "true"])
def test_a_margin_of_a_policy_that_is_none_is_refused(tmp_path, margin):
    path = tmp_path / "policy.yaml"
    path.write_text(
        "schema: driftline/policy/1\nalpha: 0.05\ncapabilities:\n"
        f"- {{name: a, tier: critical, margin: {margin}}}\n"
    )
    with pytest.raises(ConfigError, match=r"policy\.yaml: capabilities\.0\.margin"):
        read_policy(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "report.json: cannot be read"),
        ("[]", "schema: None is no plan and no repair"),
        (
            '{"schema": "driftline/certification/1"}',
            "is no plan and no repair; give the run folder",
        ),
    ],
)
def test_what_chose_no_model_is_refused_by_name(
    run, model_folder, nudged, write_suite, tmp_path, text, said
):
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    if text is not None:
        (chosen / "report.json").write_text(text)
    asked = ("certify", str(model_folder), nudged, "--suite", write_suite())
    code, out, err = run(*asked, "--chosen-by", str(chosen), "--out", str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "out").exists()


def test_a_run_of_an_older_version_does_not_say_which_items_chose(
    run, model_folder, nudged, write_suite, tmp_path
):
    document = tmp_path / "report.json"
    document.write_text(build_repair().to_json())
    asked = ("certify", str(model_folder), nudged, "--suite", write_suite())
    code, _, err = run(*asked, "--chosen-by", str(document), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "report.json: provenance.chosen_on: does not say which items chose" in err
    assert "run repair again" in err


def test_logs_do_not_say_which_items_chose(run, tmp_path):
    code, _, err = run("certify", "a.jsonl", "b.jsonl", "--scored", "--chosen-by", str(tmp_path))
    assert code == 2
    assert "--chosen-by: is for models" in err
