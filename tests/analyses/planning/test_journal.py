"""The study of a plan: what is picked hangs on the trials before, and a kill loses nothing."""

import json

import pytest

from driftline.analyses.planning._journal import PlanStudy
from driftline.analyses.planning._protocol_looks import ProtocolEvaluation
from driftline.analyses.planning._space import PlanSpace
from driftline.analyses.planning._trials import Trial
from driftline.analyses.search._evaluations import Loss
from driftline.errors import OutputError
from driftline.models import TrainingConfig, TrainingPlan

SPACE = PlanSpace(
    TrainingConfig("c.yaml", {"learning_rate": 1e-3}, "sha256:0"),
    {1.0: TrainingPlan(10, (1e-3,) * 10)},
    {
        "method": ("full", "lora"),
        "steps": (1.0,),
        "rank": (16, 8),
        "weight_decay": (0.0, 0.3),
        "kl_to_base": (0.0, 1.0),
    },
    (),
)


def _run(study, settings=None, state="finished", purpose="search"):
    asked = study.ask(SPACE, settings, purpose)
    trial = Trial(asked.number, asked.purpose, SPACE.candidate(asked.settings), state, tokens=7)
    study.tell(trial)
    return trial


def _settings(path, num):
    study = PlanStudy(path, seed=3)
    return [dict(_run(study).settings) for _ in range(num)]


def test_the_same_seed_picks_the_same_whoever_runs_it(tmp_path):
    whole = _settings(tmp_path / "one.jsonl", 12)
    first = _settings(tmp_path / "two.jsonl", 5)
    assert first + _settings(tmp_path / "two.jsonl", 7) == whole
    assert len({str(each) for each in whole}) > 6
    assert PlanStudy(tmp_path / "one.jsonl", seed=3).num_searched == 12


def test_what_is_wanted_is_picked_exactly(tmp_path):
    study = PlanStudy(tmp_path / "study.jsonl", seed=0)
    wanted = SPACE.of_method("lora", {"rate": 0.5, "kl_to_base": 1.0})
    trial = _run(study, wanted, purpose="KL to the base")
    assert trial.settings == wanted
    assert trial.purpose == "KL to the base"
    assert study.num_searched == 0


def test_earlier_trials_come_back_with_what_they_cost(tmp_path):
    path = tmp_path / "study.jsonl"
    study = PlanStudy(path, seed=0)
    states = ("finished", "stopped", "failed", "out of budget")
    told = [_run(study, state=state) for state in states]
    study.drop(study.ask(SPACE, None))
    again = PlanStudy(path, seed=0).earlier(SPACE)
    assert [(t.number, t.state, t.settings, t.tokens) for t in again] == [
        (t.number, t.state, t.settings, 7) for t in told
    ]


def test_a_trial_that_was_begun_comes_first_and_is_the_same(tmp_path):
    path = tmp_path / "study.jsonl"
    begun = PlanStudy(path, seed=0).ask(SPACE, None)
    again = PlanStudy(path, seed=0).ask(SPACE, SPACE.plain)
    assert (again.number, dict(again.settings)) == (begun.number, dict(begun.settings))


def test_a_torn_line_and_a_stale_lock_do_no_harm(tmp_path):
    path = tmp_path / "study.jsonl"
    _run(PlanStudy(path, seed=0))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "wor')
    (tmp_path / "study.jsonl.lock").symlink_to(path)
    study = PlanStudy(path, seed=0)
    # Optuna writes down that it was opened.
    assert path.read_bytes().startswith(whole)
    assert b'"op_code": ' not in path.read_bytes()
    _run(study)
    assert len(PlanStudy(path, seed=0).earlier(SPACE)) == 2


def test_notes_are_kept(tmp_path):
    path = tmp_path / "study.jsonl"
    study = PlanStudy(path, seed=0)
    assert study.note("fragile") is None
    study.keep("fragile", {"modules": ["a"]})
    assert PlanStudy(path, seed=0).note("fragile") == {"modules": ["a"]}


def test_the_study_is_plain_json(tmp_path):
    path = tmp_path / "study.jsonl"
    _run(PlanStudy(path, seed=0))
    for line in path.read_text().splitlines():
        assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize("state", ["finished", "stopped"])
def test_gains_within_the_tolerances_are_sought(tmp_path, state):
    """With a feasible region that it can learn, the sampler goes there."""
    study = PlanStudy(tmp_path / "study.jsonl", seed=1)
    late = []
    for number in range(40):
        asked = study.ask(SPACE, None)
        is_kept = asked.settings["kl_to_base"] == 1.0
        loss = Loss(0.5, 0.6) if is_kept else Loss(3.0, 3.5)
        look = ProtocolEvaluation(asked.number, 1, 1.0, float(asked.settings["rate"]), {"c": loss})
        trial = Trial(asked.number, "search", SPACE.candidate(asked.settings), state)
        trial.looks = (look,) if state == "finished" else ()
        trial.early = look
        study.tell(trial)
        if number >= 20:
            late.append(is_kept)
    assert sum(late) > 0.6 * len(late)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\n", b"[]\n", b"{}\n", b"{\n", b'{"op_code": 99}\n', b"[" * 100_000 + b"\n",
        b'{"op_code": 0, "worker_id": "x"}\n', b'{"op_code": "0"}\n', b"1" * 5000 + b"\n",
    ],
)  # fmt: skip
def test_a_damaged_journal_is_refused_with_its_mend(tmp_path, content):
    path = tmp_path / "study.jsonl"
    _settings(path, 1)
    path.write_bytes(path.read_bytes() + content + b"{}\n")
    with pytest.raises(
        OutputError, match=r"study.jsonl: the journal .* damaged .* remove that file"
    ):
        PlanStudy(path, seed=3)
