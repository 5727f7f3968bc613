"""First screens: twelve lines at most, the verdict first, the loss as a multiple, one thing to do."""

import pytest

from driftline.analyses.certification import _caveats as certification_caveats
from driftline.analyses.planning import _caveats as planning_caveats
from driftline.analyses.repairing import _caveats as repairing_caveats
from driftline.report.terminal import (
    Screen,
    assessment_screen,
    certification_screen,
    plan_screen,
    repair_screen,
    scores_screen,
    screen_text,
    training_screen,
    verification_screen,
    weight_diff_screen,
)
from driftline.results import Verification, VerificationCheck
from driftline.results.readings import caveats_of_run, standing_caveats

from ...results.certification_sample import KEPT, build_certification
from ...results.plan_sample import build_plan
from ...results.repair_sample import build_repair
from ..diff_sample import build_diff
from ..pages.test_every_page import build_scores
from ..pages.test_training_run import sample
from ..sample import build

LONG = " and so on" * 60
FILES = ("Model: run/model", "Report: run/report.html")


def verification():
    checks = tuple(
        VerificationCheck(
            name=name,
            status="failed",
            message=f"m{LONG}",
            faults=tuple(f"f{LONG}" for _ in range(9)),
        )
        for name in ("tuned", "suites", "claims")
    )
    return Verification(
        verdict="fail",
        certified_verdict="pass",
        key_id="k",
        issued=None,
        expires=None,
        checks=checks,
    )


SCREENS = {
    "assess": lambda: assessment_screen(build(text=LONG)),
    "certify": lambda: certification_screen(build_certification(*([KEPT] * 40))),
    "plan": lambda: plan_screen(build_plan(LONG)),
    "repair": lambda: repair_screen(build_repair(LONG)),
    "diff": lambda: weight_diff_screen(build_diff(LONG)),
    "train": lambda: training_screen(sample(reasons=(f"alarm{LONG}",), caveats=(LONG,) * 30)),
    "score": lambda: scores_screen(build_scores(LONG)),
    "verify": lambda: verification_screen(verification()),
}


@pytest.mark.parametrize("make", SCREENS.values(), ids=SCREENS)
@pytest.mark.parametrize("files", [(), FILES[:1], FILES], ids=len)
def test_the_first_screen_has_twelve_lines_at_most(make, files):
    screen = make()
    text = screen_text(screen, files)
    lines = text.splitlines()
    assert 1 < len(lines) <= 12
    assert text.endswith("\n")
    assert tuple(lines[len(lines) - len(files) :]) == files
    if screen.verdict:
        assert lines[0].startswith(f"{screen.verdict}: ")
    assert max(len(line) for line in lines if not line.startswith("Next")) <= 100


def test_the_loss_is_said_in_its_unit_and_as_a_multiple():
    text = screen_text(assessment_screen(build()))
    assert "world_facts changes by -0.312 nats" in text
    assert "3.1 times the 0.100 that" in text
    assert "halve a probability" in text


def test_points_are_points_and_need_no_word_about_nats():
    made = build()
    rows = tuple(
        f.model_copy(
            update={
                "unit": "probability", "metric": "probability", "predicted_change": -0.031,
                "low": -0.05, "high": -0.012, "tolerance": 0.01,
            }
        )
        for f in made.forecast[:1]
    )  # fmt: skip
    text = screen_text(assessment_screen(made.model_copy(update={"forecast": rows})))
    assert "changes by -3.10 points (90% interval -5.00 to -1.20): 3.1 times the 1.00" in text
    assert "nats" not in text.partition("Worst:")[2].partition("Do:")[0]


def test_the_one_thing_to_do_is_the_advice_of_the_document():
    made = build()
    assert assessment_screen(made).action == made.advice.sentence
    trained = made.advice.model_copy(update={"action": "train"})
    assert "train it" in assessment_screen(made.model_copy(update={"advice": trained})).action
    assert assessment_screen(made.model_copy(update={"advice": None})).action is None


def test_a_run_at_risk_says_how_likely_a_loss_is():
    forecast = tuple(
        f.model_copy(update={"verdict": "inconclusive"}) for f in build().forecast if f.required
    )
    made = build().model_copy(
        update={"verdict": "at_risk", "probability_any_lost": 0.374, "forecast": forecast}
    )
    screen = assessment_screen(made)
    assert screen.verdict == "AT RISK"
    assert "P of any loss = 0.37, accepted 0.1" in screen.statement


@pytest.mark.parametrize("num", [0, 1, 3, 4, 20])
@pytest.mark.parametrize("standing", [0, 9])
def test_three_caveats_of_the_run_and_the_number_of_the_rest(num, standing):
    screen = Screen(
        "SAFE", "all is well", caveats=tuple(f"c{i}" for i in range(num)), num_standing=standing
    )
    text = screen_text(screen)
    assert text.count("\n[") == min(num, 3) + (num > 3 or standing > 0)
    assert (f"{num - 3} more caveat" in text) == (num > 3)
    assert ("docs/limits.md" in text) == (standing > 0)


@pytest.mark.parametrize(
    ("change", "lead"),
    [(-0.1, "Largest loss"), (0.0, "No loss: "), (0.1, "No loss; smallest gain")],
)
def test_a_gain_is_not_called_a_loss(change, lead):
    run = sample()
    courses = tuple(c.model_copy(update={"change": change}) for c in run.capabilities)
    assert training_screen(run.model_copy(update={"capabilities": courses})).loss.startswith(
        lead.removesuffix(": ")
    )
    claim = KEPT.model_copy(update={"change": change})
    assert certification_screen(build_certification(claim)).loss.startswith(lead)


def test_a_base_against_itself_is_not_to_be_signed():
    made = build_certification(KEPT)
    guards = made.guards.model_copy(update={"tuned_is_base": True})
    screen = certification_screen(made.model_copy(update={"guards": guards}))
    assert screen.action == "give the tuned model: this one is the base, so nothing was tested."


@pytest.mark.parametrize("has_alarms", [True, False])
def test_alarms_are_to_be_read_only_where_there_are_any(has_alarms):
    run = sample(verdict="inconclusive")
    assert run.alarms
    run = run if has_alarms else run.model_copy(update={"alarms": ()})
    assert ("alarms" in training_screen(run).action) == has_alarms
    assert "certify" in training_screen(run).action


def test_broken_weights_are_not_to_be_used():
    assert "do not use these weights" in weight_diff_screen(build_diff()).action


def test_a_command_stays_on_one_line():
    command = "driftline plan " + "x" * 300
    assert f"Next: {command}\n" in screen_text(Screen("UNSAFE", "why", command=command))


def test_standing_limits_are_known_by_their_beginnings():
    standing = [
        certification_caveats._CLAIMS,
        certification_caveats._SCOPE,
        certification_caveats._MARGIN,
        certification_caveats._INFERIOR,
        certification_caveats._BFLOAT16,
        planning_caveats._SPLIT,
        planning_caveats._CLAIMS,
        planning_caveats._SEED,
        planning_caveats._NEVER,
        planning_caveats._TARGET,
        planning_caveats._BFLOAT16,
        repairing_caveats._SPLIT,
        repairing_caveats._CLAIMS,
        repairing_caveats._ROUNDED,
    ]
    assert standing_caveats(standing) == tuple(standing)
    special = [
        certification_caveats._IS_BASE,
        certification_caveats._NO_TOKENIZER,
        certification_caveats._SHARED,
        certification_caveats._POLICY,
        planning_caveats._UNMET,
        planning_caveats._BLIND,
        planning_caveats._UNSCALED,
        repairing_caveats._UNMET,
        repairing_caveats._NO_TARGET,
    ]
    assert caveats_of_run(special) == tuple(special)
    assert caveats_of_run(standing) == ()


def test_the_limit_on_a_plan_is_that_of_its_claim():
    """A plan that may fail its certificate does not say that its worst limit is within the tolerance."""
    plan = build_plan()
    claims = tuple(c.model_copy(update={"loss_limit": 0.0777}) for c in plan.claims)
    left = tuple(row.model_copy(update={"loss_limit": 0.0111}) for row in plan.margins_left)
    loss = plan_screen(plan.model_copy(update={"claims": claims, "margins_left": left})).loss
    assert "(at worst -0.0777)" in loss
