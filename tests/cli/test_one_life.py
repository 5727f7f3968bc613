"""One life of one model: assess, plan, train, certify, repair, verify; what each says is true of the next."""

import contextlib
import io
import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftline.capabilities import read_suite
from driftline.cli import main
from driftline.provenance import digest_file
from driftline.report.terminal import next_command
from driftline.results import Assessment, Certification, Plan, Repair, TrainingRun
from tests import tiny
from tests.monitor.runs import taught_model

pytestmark = pytest.mark.slow
CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
NUM_ITEMS = 100
CONFIG = {
    "learning_rate": 1e-2,
    "max_steps": 20,
    "per_device_train_batch_size": 4,
    "max_length": 64,
    "warmup_steps": 2,
    "activation_checkpointing": False,
    "seed": 0,
}


@dataclass(frozen=True)
class Said:
    """What one command said."""

    code: int
    text: str
    err: str

    @property
    def following(self) -> list[str]:
        """The words of the next command; none where none is named."""
        lines = iter(self.text.splitlines())
        found = next((line for line in lines if line.startswith("Next: ")), "Next: ")
        return shlex.split(found.removeprefix("Next: "))


def _suite(path: Path, numbers: range) -> None:
    pairs = [
        {
            "id": str(i),
            "good": f"It rained {i} times on day {i * 7}.",
            "bad": f"It times {i} rained on day {i * 7}.",
        }
        for i in numbers
    ]
    order = {
        "name": "order", "scorer": "minimal_pair", "metric": "probability", "tolerance": 0.1,
        "items": pairs,
    }  # fmt: skip
    texts = {
        "name": "texts", "scorer": "perplexity", "metric": "nll_nats", "tolerance": 0.3,
        "range": [0, 8], "items": [{"id": pair["id"], "text": pair["good"]} for pair in pairs],
    }  # fmt: skip
    path.write_text(yaml.safe_dump({"schema": "driftline/suite/1", "capabilities": [order, texts]}))


def _sums(path: Path, numbers: range) -> None:
    rows = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


COMMANDS = {
    "assess": "assess base --data sums.jsonl --config sft.yaml --suite own.yaml --out run-assess",
    "plan": "plan base --data sums.jsonl --config sft.yaml --suite own.yaml --trials 2 --out run-plan",
    "train": f"train run-plan/protocol.yaml --items {NUM_ITEMS} --eval-data unseen.jsonl --out run-train",
    "certify": "certify base run-train/model --suite other.yaml --out run-certify",
    "certify on the watched": "certify base run-train/model --suite own.yaml --out run-same",
    "train as first meant": f"train sft.yaml --model base --data sums.jsonl --suite own.yaml --items {NUM_ITEMS} --action log --out run-plain",
    "certify as first meant": "certify base run-plain/model --suite own.yaml --out run-lost",
    "repair": "repair base run-plain/model --suite own.yaml --data unseen.jsonl --out run-repair",
    "certify the repaired": "certify base run-repair/repaired --suite other.yaml --out run-repaired",
    "certify the base": "certify base base --suite other.yaml --out run-itself",
    "keygen": "keygen --out keys",
}
"""In the order of a life; what the plan's protocol spares is shown by the run as it was first meant."""
SIGNED = {
    "run-itself": "base",
    "run-certify": "run-train/model",
    "run-lost": "run-plain/model",
    "run-repaired": "run-repair/repaired",
}
"""Certification to the model that it is of."""


def _said(words: list[str]) -> Said:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["driftline", *words])
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as stopped,
        ):
            main()
    return Said(int(stopped.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of the whole life."""
    path, before = tmp_path_factory.mktemp("life"), Path.cwd()
    os.chdir(path)
    taught_model().save_pretrained("base")
    tiny.tokenizer().save_pretrained("base")
    _suite(path / "own.yaml", range(0, 2 * NUM_ITEMS, 2))
    _suite(path / "other.yaml", range(1, 901, 2))
    _sums(path / "sums.jsonl", range(200))
    _sums(path / "unseen.jsonl", range(200, 300))
    (path / "sft.yaml").write_text(yaml.safe_dump(CONFIG))
    yield path
    os.chdir(before)


@pytest.fixture(scope="module")
def life(folder: Path) -> dict[str, Said]:
    """What every command said, in its order."""
    said = {name: _said(command.split()) for name, command in COMMANDS.items()}
    for run in SIGNED:
        sign = f"sign {run}/certification.json --key keys/private.pem --out {run}.json"
        said[f"sign {run}"] = _said(sign.split())
    return said


def _read(kind: Any, path: str) -> Any:
    return kind.from_json(Path(path).read_text())


def _losses(document: Certification) -> dict[str, float]:
    return {c.capability: -c.change if c.higher_is_better else c.change for c in document.claims}


def test_every_exit_code_is_that_of_its_verdict(life):
    assessed, trained = _read(Assessment, "run-assess/report.json"), _read(TrainingRun, "run-train/report.json")  # fmt: skip
    assert life["assess"].code == {"safe": 0, "unsafe": 1}.get(assessed.verdict, 3)
    assert life["train"].code == {"no_alarm": 0, "unsafe": 1}.get(trained.verdict, 3)
    for name, kind, path in (
        ("plan", Plan, "run-plan/report.json"),
        ("certify", Certification, "run-certify/certification.json"),
        ("certify as first meant", Certification, "run-lost/certification.json"),
        ("repair", Repair, "run-repair/report.json"),
        ("certify the repaired", Certification, "run-repaired/certification.json"),
    ):
        assert life[name].code == CODES[_read(kind, path).verdict], life[name].err


def test_each_command_names_the_next_one_with_the_files_that_it_was_given(life):
    assert life["train"].following == [
        "driftline",
        "certify",
        "base",
        "run-train/model",
        "--suite",
        "own.yaml",
        "--chosen-by",
        "run-plan",
    ]
    assert life["plan"].following == ["driftline", "train", "run-plan/protocol.yaml"]
    lost = "driftline repair base run-plain/model --suite own.yaml"
    assert life["certify as first meant"].following == lost.split()
    assert "base" in life["assess"].following
    repaired = "driftline certify base run-repair/repaired --suite own.yaml --chosen-by run-repair"
    assert life["repair"].following == repaired.split()


def test_assess_and_plan_forecast_the_same_of_the_config_as_first_meant(life):
    assessed, planned = _read(Assessment, "run-assess/report.json"), _read(Plan, "run-plan/report.json")  # fmt: skip
    of_plan = {each.capability: each for each in planned.trials[0].forecast}
    assert of_plan.keys() == {each.capability for each in assessed.forecast}
    for each in assessed.forecast:
        other = of_plan[each.capability]
        assert other.tolerance == each.tolerance
        assert max(each.low, other.low) <= min(each.high, other.high)


def test_assess_does_not_call_safe_what_certify_finds_lost(life):
    lost = _read(Certification, "run-lost/certification.json")
    assert lost.verdict == "fail"
    assert _read(Assessment, "run-assess/report.json").verdict != "safe"


def test_train_runs_the_planned_protocol_on_the_planned_rows(life):
    planned, trained = _read(Plan, "run-plan/report.json"), _read(TrainingRun, "run-train/report.json")  # fmt: skip
    values = dict(trained.provenance.config_values)
    levers = values.pop("levers", {})
    assert planned.protocol is not None
    assert (values, levers) == (planned.protocol.config, planned.protocol.levers)
    assert trained.num_steps == trained.planned_steps == planned.protocol.num_steps
    rows = next(file for file in planned.files if file.name == "training-rows.jsonl")
    assert digest_file(Path("run-plan") / rows.name) == rows.digest
    assert trained.provenance.data.num_records == 200 - planned.provenance.held_out
    assert [s.digest for s in trained.provenance.suites] == [
        s.digest for s in planned.provenance.suites
    ]
    assert trained.provenance.model.digest == planned.provenance.base_model.digest


def test_what_plan_claims_is_what_certify_finds_of_the_trained_model_on_those_items(life):
    planned = _read(Plan, "run-plan/report.json")
    said = _said([*life["train"].following[1:], "--out", "run-reported"])
    assert said.code in CODES.values(), said.err
    document = _read(Certification, "run-reported/certification.json")
    items = {claim.capability: claim.num_items for claim in document.claims}
    assert items == {claim.capability: claim.num_items for claim in planned.claims}
    assert [run.name for run in document.provenance.chosen_by] == ["run-plan"]
    own = {c.name: len(c.items) for c in read_suite("own.yaml").capabilities}
    assert document.provenance.num_left_out == {
        name: own[name] - num for name, num in items.items()
    }
    found = _losses(document)
    for claim in planned.claims:
        loss = -claim.change if claim.higher_is_better else claim.change
        assert found[claim.capability] == pytest.approx(loss, abs=0.02 * claim.margin)
    for left in planned.margins_left:
        assert found[left.capability] == pytest.approx(left.loss, abs=0.02 * left.tolerance)


def test_a_repaired_model_is_certified_by_what_did_not_choose_it(life):
    repaired = _read(Repair, "run-repair/report.json")
    said = _said([*life["repair"].following[1:], "--out", "run-held"])
    found = _read(Certification, "run-held/certification.json")
    assert [(c.capability, c.num_items, c.verdict) for c in found.claims] == [
        (c.capability, c.num_items, c.verdict) for c in repaired.claims
    ], said.err
    for claim, other in zip(found.claims, repaired.claims, strict=True):
        assert claim.change == pytest.approx(other.change, abs=0.02 * claim.margin)
    assert any("items that chose this model (run-repair)" in caveat for caveat in found.caveats)
    # The certificate says it to whoever verifies it.
    sealed = [
        "sign",
        "run-held/certification.json",
        "--key",
        "keys/private.pem",
        "--out",
        "held.json",
    ]
    assert _said(sealed).code == 0
    checked = _said(["verify", "held.json", "--key", "keys/public.pem"])
    num = sum(found.provenance.num_left_out.values())
    assert f"{num} items that chose the model are in no claim" in " ".join(checked.text.split())


def test_a_run_that_chose_another_model_is_refused(life):
    words = [
        "certify",
        "base",
        "run-train/model",
        "--suite",
        "own.yaml",
        "--chosen-by",
        "run-repair",
    ]
    said = _said([*words, "--out", "run-refused"])
    assert said.code == 2
    assert "--chosen-by run-repair: chose other weights than those of run-train/model" in said.err


def test_the_page_of_a_planned_run_names_the_plan(life):
    trained = _read(TrainingRun, "run-train/report.json")
    assert trained.planned_by == "run-plan"
    assert next_command(trained).endswith("--chosen-by run-plan")
    assert _read(TrainingRun, "run-plain/report.json").planned_by is None


@pytest.mark.parametrize(
    ("run", "certification"), [("run-train", "run-same"), ("run-plain", "run-lost")]
)
def test_what_train_says_of_its_end_is_what_certify_finds_on_the_same_items(
    life, run, certification
):
    trained = _read(TrainingRun, f"{run}/report.json")
    found = _read(Certification, f"{certification}/certification.json")
    losses = _losses(found)
    for course in trained.capabilities:
        sign = -1 if course.metric == "probability" else 1
        assert course.num_items == NUM_ITEMS
        assert sign * course.change == pytest.approx(
            losses[course.capability], abs=0.02 * course.tolerance
        )
    beyond = {c.capability for c in trained.capabilities if not c.within_tolerance}
    assert {c.capability for c in found.claims if c.verdict == "inferior"} <= beyond
    assert not (trained.verdict == "no_alarm" and found.verdict == "fail")


def test_train_says_certify_next_and_not_that_nothing_was_lost(life):
    trained = _read(TrainingRun, "run-train/report.json")
    assert trained.verdict == "no_alarm"
    assert "certify next" in trained.reasons[0]
    assert trained.target is not None


def test_repair_starts_from_what_certify_found_lost_and_does_not_contradict_it(life):
    lost, repaired = _read(Certification, "run-lost/certification.json"), _read(Repair, "run-repair/report.json")  # fmt: skip
    assert {c.capability for c in lost.claims if c.verdict == "inferior"} <= set(
        repaired.recovery.lost
    )
    losses = {c.capability: c for c in lost.claims}
    for each in repaired.recovery.capabilities:
        claim = losses[each.capability]
        room = 4 * (claim.standard_error or 0) + 4 * (each.tuned_standard_error or 0)
        assert each.tuned_change == pytest.approx(claim.change, abs=room)
    assert repaired.provenance.tuned.files == lost.provenance.tuned.files


def test_the_repaired_model_that_was_written_is_the_one_that_certify_judges(life):
    repaired = _read(Repair, "run-repair/report.json")
    found = _read(Certification, "run-repaired/certification.json")
    assert repaired.output is not None
    assert found.provenance.tuned_digest == repaired.output.digest
    ours = {c.capability: c.verdict for c in repaired.claims}
    theirs = {c.capability: c.verdict for c in found.claims}
    for name, verdict in ours.items():
        assert {verdict, theirs[name]} != {"non_inferior", "inferior"}
    assert repaired.recovery.repaired_damage < repaired.recovery.tuned_damage


@pytest.mark.parametrize("run", SIGNED)
def test_verify_says_with_its_exit_code_what_was_certified(life, run):
    assert life[f"sign {run}"].code == 0, life[f"sign {run}"].err
    given = f"verify {run}.json --key keys/public.pem --model {SIGNED[run]} --base base"
    suite = "own.yaml" if run == "run-lost" else "other.yaml"
    said = _said([*given.split(), "--suite", suite])
    assert said.code == CODES[_read(Certification, f"{run}/certification.json").verdict], said.text


def test_verify_refuses_a_certificate_of_another_model_or_another_suite(life):
    given = "verify run-certify.json --key keys/public.pem"
    assert _said([*given.split(), "--model", "run-plain/model"]).code == 5
    assert _said([*given.split(), "--suite", "own.yaml"]).code == 5
    assert _said([*given.split(), "--model", "nowhere"]).code == 2


def test_what_was_spared_or_repaired_fails_no_certificate_and_what_was_not_does(life):
    verdicts = {run: _read(Certification, f"{run}/certification.json").verdict for run in SIGNED}
    assert (verdicts["run-itself"], verdicts["run-lost"]) == ("pass", "fail")
    assert "fail" not in (verdicts["run-certify"], verdicts["run-repaired"])
