"""The next command of each document: it parses, and follows the verdict."""

import pytest

from driftline.report.terminal import comparison_screen, config_comparison_screen, next_command
from driftline.results.readings import alpha_after_choice
from tests.pages import CommandLine
from tests.results.certification_sample import build_certification
from tests.results.comparison_sample import build_comparison, build_config_comparison
from tests.results.plan_sample import build_plan
from tests.results.repair_sample import build_repair
from tests.test_pages import fault

from ..diff_sample import build_diff
from ..pages.test_training_run import sample
from ..sample import build

VERDICTS = {
    "assessment": (build, {"safe": "train", "at_risk": "forecast", "unsafe": "plan"}),
    "certification": (build_certification, {"pass": "sign", "fail": "repair", "inconclusive": "suite"}),
    "plan": (build_plan, {"pass": "train", "inconclusive": "train"}),
    "repair": (build_repair, {"pass": "certify", "inconclusive": "certify", "fail": None}),
    "training": (sample, {"no_alarm": "certify", "inconclusive": "certify", "unsafe": "plan"}),
}  # fmt: skip
CASES = [(name, word) for name, (_, words) in VERDICTS.items() for word in words]


def verb_of(command):
    if command is None:
        return None
    assert fault(CommandLine("a page", command, is_block=True)) is None, command
    return command.split()[1]


@pytest.mark.parametrize(("name", "verdict"), CASES)
def test_the_next_command_follows_the_verdict(name, verdict):
    make, words = VERDICTS[name]
    changes = {"verdict": verdict, **({"advice": None} if name == "assessment" else {})}
    assert verb_of(next_command(make().model_copy(update=changes))) == words[verdict]


@pytest.mark.parametrize(
    ("recommended", "verdict", "verb"),
    [
        ("checkpoint-100", "pass", "certify"),
        (None, "fail", "plan"),
        (None, "inconclusive", "suite"),
    ],
)
def test_after_checkpoints(recommended, verdict, verb):
    changes = {"recommended": recommended, "verdict": verdict}
    command = next_command(build_comparison().model_copy(update=changes))
    assert verb_of(command) == verb
    assert recommended is None or recommended in command


@pytest.mark.parametrize(
    ("recommended", "verdict", "verb"),
    [("gentle.yaml", "pass", "train"), (None, "fail", "plan"), (None, "inconclusive", "forecast")],
)
def test_after_configs(recommended, verdict, verb):
    changes = {"recommended": recommended, "verdict": verdict}
    command = next_command(build_config_comparison().model_copy(update=changes))
    assert verb_of(command) == verb


def test_after_configs_of_which_none_can_be_safe_items_are_given():
    document = build_config_comparison()
    lacking = document.configs[0].model_copy(update={"verdict": "inconclusive"})
    changes = {
        "recommended": None,
        "verdict": "inconclusive",
        "configs": (lacking, *document.configs[1:]),
    }
    document = document.model_copy(update=changes)
    assert verb_of(next_command(document)) == "suite"
    screen = config_comparison_screen(document)
    assert screen.action.startswith("give items that the base can answer")
    assert "not shown to have all that is required" in screen.statement


def test_a_diff_that_moved_is_certified_and_broken_weights_are_not():
    diff = build_diff()
    assert next_command(diff) is None
    assert verb_of(next_command(diff.model_copy(update={"not_finite": ()}))) == "certify"


def test_names_are_quoted_for_a_shell():
    document = build()
    p = document.provenance
    data = p.data.model_copy(update={"name": "my rows; rm -r.jsonl"})
    changed = {"provenance": p.model_copy(update={"data": data}), "advice": None}
    assert "'my rows; rm -r.jsonl'" in next_command(document.model_copy(update=changed))


def test_a_base_against_itself_is_followed_by_the_tuned_model():
    made = build_certification()
    guards = made.guards.model_copy(update={"tuned_is_base": True})
    model = build().provenance.model
    provenance = made.provenance.model_copy(update={"base_model": model})
    update = {"guards": guards, "provenance": provenance, "verdict": "pass"}
    assert " TUNED --suite core" in next_command(made.model_copy(update=update))


def test_the_best_of_several_checkpoints_is_certified_at_a_smaller_alpha():
    document = build_comparison()
    tuned = [row for row in document.checkpoints if not row.is_base]
    changes = {"recommended": tuned[0].label, "verdict": "pass"}
    level = {1: None, 2: 0.025, 3: 0.0166, 7: 0.0071, 10: 0.005, 900: 0.0001}
    for num, expected in level.items():
        rows = tuple(
            tuned[0].model_copy(update={"label": f"{tuned[0].label}{i or ''}"}) for i in range(num)
        )
        chosen = document.model_copy(update={**changes, "checkpoints": rows})
        assert alpha_after_choice(chosen) == expected
        words = next_command(chosen).split()
        assert ("--alpha" in words) == (expected is not None)
        screen = comparison_screen(chosen).action
        assert (f"at alpha {expected}, for it was chosen among {num}" in screen) == (num > 1)
    assert alpha_after_choice(document.model_copy(update={"recommended": None})) is None
