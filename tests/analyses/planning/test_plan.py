"""Plans for a tiny model: what is kept apart, what a kill costs, what is refused."""

from dataclasses import replace

import pytest

from driftline.analyses.planning import _trials as trials_module
from driftline.analyses.planning._held_out_rows import hold_out
from driftline.capabilities import Capability, MinimalPair, Suite
from driftline.errors import ConfigError
from driftline.models import Scorer
from driftline.models.trainer._lever_trainer import LeverTrainer
from driftline.report.terminal import plan_screen
from driftline.results import Plan

from ..plans import SUITE, TEXTS, ask, request, sums


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return sums(tmp_path_factory.mktemp("data") / "sums.jsonl")


@pytest.fixture(scope="module")
def asked(opened, data):
    return request(opened, data)


@pytest.fixture(scope="module")
def answer(asked, tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "out"
    return ask(asked, path), path


@pytest.mark.slow
def test_the_document_holds_the_search_and_comes_back_equal(answer, opened):
    found, _path = answer
    assert Plan.from_json(found.to_json()) == found
    assert found.chosen in found.looks
    assert found.looks[0].trial is None
    assert sum(trial.purpose == "search" for trial in found.trials) == 3
    assert found.trials[0].settings == ()
    assert any(look.is_on_front for look in found.looks)
    assert found.provenance.required == ("texts",)
    opened.check_unchanged()


def test_it_gains_within_the_tolerances_of_items_that_chose_nothing(answer):
    found, _path = answer
    assert found.chosen.meets_constraint
    assert found.target.gain > 0
    assert found.protocol is not None
    (claim,) = found.claims
    # Half of the 80 items choose.
    assert claim.num_items == 40
    (left,) = found.margins_left
    assert left.left == pytest.approx(1 - left.loss_limit / TEXTS.tolerance)
    assert left.loss < left.loss_limit < claim.loss_limit


def test_it_starts_with_a_forecast_of_the_users_own_config(answer):
    found, _path = answer
    own = found.trials[0]
    (forecast,) = own.forecast
    assert (own.settings, forecast.capability) == ((), "texts")
    assert forecast.low <= forecast.loss <= forecast.high
    assert 0 <= forecast.probability_lost <= 1


def test_what_the_base_is_not_shown_to_have_holds_nothing_back(opened, data, tmp_path):
    # Each pair stands there both ways round, so that half of them are right whatever the model is.
    pairs = tuple(
        MinimalPair(id=f"{i}{way}", good=f"{a} {i}.", bad=f"{b} {i}.", group=str(i))
        for i in range(20)
        for way, (a, b) in enumerate((("we are", "we is"), ("we is", "we are")))
    )
    lacking = Capability("pairs", "minimal_pair", "margin_nats", 1e-3, pairs)
    suites = (Suite("both", (TEXTS, lacking)),)
    found = ask(replace(request(opened, data, num_trials=1), suites=suites), tmp_path / "out")
    assert found.provenance.required == ("texts", "pairs")
    (said,) = (caveat for caveat in found.caveats if "held no protocol back" in caveat)
    assert "pairs: the base answers 10 of 20 items right" in said
    assert {look.worst_capability for look in found.looks} == {"texts"}
    assert [row.capability for row in found.trials[0].forecast] == ["texts"]
    # A protocol is chosen, and no verdict can be a pass while it is required.
    assert found.protocol is not None
    assert found.verdict == "inconclusive"
    left = {row.capability: row for row in found.margins_left}["pairs"]
    assert (left.left, left.loss_limit) == (None, None)
    assert "there is nothing to retain" in left.reason
    assert "pairs" not in plan_screen(found).loss


def test_it_says_how_long_it_would_take_and_took(answer):
    found, _path = answer
    budget = found.budget
    assert budget.estimated_minutes > 0
    assert budget.used_minutes == pytest.approx(found.cost.wall_seconds / 60, abs=0.01)
    assert (budget.needed_tokens, budget.needed_minutes) == (None, None)


@pytest.mark.parametrize("budget", [{"budget_tokens": 10.0}, {"budget_minutes": 1e-6}])
def test_a_budget_that_holds_no_trial_is_inconclusive_and_says_what_it_needs(
    asked, tmp_path, budget
):
    found = ask(replace(asked, num_trials=None, **budget), tmp_path / "out")
    assert (found.verdict, found.protocol, found.trials, found.claims) == (
        "inconclusive", None, (), (),
    )  # fmt: skip
    assert found.budget.needed_tokens > 10
    assert found.budget.needed_minutes > 0
    (reason,) = found.reasons
    assert "0 of 12 trials" in reason
    assert f"{found.budget.needed_tokens:,.0f} tokens" in reason
    assert "minutes of this machine" in reason
    assert Plan.from_json(found.to_json()) == found


@pytest.mark.slow
def test_the_budget_that_is_named_holds_the_search(asked, tmp_path):
    short = ask(replace(asked, num_trials=2, budget_tokens=10.0), tmp_path / "short")
    needed = float(short.budget.needed_tokens)
    found = ask(replace(asked, num_trials=2, budget_tokens=needed), tmp_path / "whole")
    assert sum(trial.purpose == "search" for trial in found.trials) == 2
    assert found.budget.needed_tokens is None
    assert found.budget.used_tokens <= needed


def test_the_budget_is_kept_and_counts_everything(answer):
    found, _path = answer
    spent = sum(trial.tokens_trained for trial in found.trials)
    assert spent < found.budget.used_tokens <= found.budget.limit
    assert found.cost.tokens_backward >= spent


def test_changes_of_trials_that_lost_are_not_kept(answer):
    _found, path = answer
    kept = list((path / "directions").glob("*/update-*.safetensors"))
    # The early and the last change of one trial.
    assert 1 <= len(kept) <= 2


def test_a_second_process_trains_and_scores_nothing_again(answer, asked, monkeypatch):
    found, path = answer

    def refuse(*_args, **_kwargs):
        raise AssertionError("trains again")

    monkeypatch.setattr(LeverTrainer, "train", refuse)
    monkeypatch.setattr(Scorer, "score", refuse)
    again = ask(asked, path)
    assert (again.looks, again.claims, again.ablation) == (
        found.looks, found.claims, found.ablation,
    )  # fmt: skip
    assert again.budget.used_tokens == found.budget.used_tokens
    assert again.protocol == found.protocol


@pytest.mark.slow
def test_a_killed_search_ends_where_an_undisturbed_one_does(answer, asked, tmp_path, monkeypatch):
    found, _path = answer
    run, seen = trials_module.Bench.run, []

    def killed(self, number, purpose, candidate):
        seen.append(number)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return run(self, number, purpose, candidate)

    monkeypatch.setattr(trials_module.Bench, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        ask(asked, tmp_path / "out")
    again = ask(asked, tmp_path / "out")
    # The trial that was killed is run, and the one before it is not run again.
    assert seen[:3] == [0, 1, 1]
    assert again.looks == found.looks
    assert again.protocol == found.protocol


def test_what_is_required_can_be_said(opened, data):
    both = Suite("both", (TEXTS, replace(TEXTS, name="others", required=False)))
    chosen = replace(request(opened, data), suites=(both,), require=("others",))
    assert [(c.name, c.required) for c in chosen.capabilities] == [
        ("texts", False),
        ("others", True),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"budget_tokens": -1.0}, "--budget-tokens: -1 is not above 0"),
        ({"budget_tokens": 1.0, "budget_minutes": 1.0}, "give one of them"),
        ({"require": ("facts",)}, "--require facts: the suites have no such capability"),
        ({"num_trials": 0}, "--trials: 0 is too few"),
        ({"num_search_items": 1}, "--search-items: 1 is too few"),
        ({"alpha": 0.7}, "--alpha"),
    ],
)
def test_options_that_cannot_be_met_are_refused(asked, tmp_path, fields, message):
    with pytest.raises(ConfigError, match=message):
        ask(replace(asked, **fields), tmp_path / "out")


def test_a_suite_that_requires_nothing_is_refused(asked, tmp_path):
    watched = Suite("watched", (replace(SUITE.capabilities[0], required=False),))
    with pytest.raises(ConfigError, match="no capability is required"):
        ask(replace(asked, suites=(watched,)), tmp_path / "out")


def test_where_nothing_gains_within_the_tolerances_there_is_no_protocol(asked, tmp_path):
    # Whatever moves the weights costs some item more than so little.
    strict = Suite("strict", (replace(TEXTS, tolerance=1e-9),))
    shuffled = replace(asked.data, examples=tuple(reversed(asked.data.examples)))
    config = asked.config.with_values(learning_rate=10.0)
    found = ask(
        replace(asked, suites=(strict,), data=shuffled, config=config, num_trials=1),
        tmp_path / "out",
    )
    assert (found.verdict, found.protocol, found.chosen.trial) == ("fail", None, None)
    assert "no protocol that was tried gains anything" in found.reasons[0]
    assert found.trials[0].best is None or not found.trials[0].best.meets_constraint


def test_rows_that_are_trained_on_are_in_no_measurement(opened, data):
    parts = hold_out(data, seed=0, opened=opened)
    held = {str(item) for half in parts.target for item in half.items}
    assert len(held) == parts.num_held_out
    assert len(parts.train.examples) == len(data.examples) - parts.num_held_out


@pytest.mark.slow
def test_a_capability_that_cannot_be_lost_is_named_before_training_refuses_it(
    opened, data, tmp_path
):
    deaf = replace(TEXTS, name="deaf", tolerance=1e3, score_range=None)
    suite = Suite("both", (TEXTS, deaf))
    found = ask(replace(request(opened, data), suites=(suite,), num_trials=1), tmp_path / "out")
    (said,) = (caveat for caveat in found.caveats if "ruined weights" in caveat)
    assert "watch them: deaf." in said


@pytest.mark.slow
def test_copies_of_an_item_count_once_and_are_named(opened, data, tmp_path):
    copies = tuple(replace_id(item, f"copy-{item.id}") for item in TEXTS.items[:30])
    suite = Suite("small", (replace(TEXTS, items=(*TEXTS.items, *copies)),))
    asked = replace(request(opened, data, num_trials=1), suites=(suite,))
    found = ask(asked, tmp_path / "out")
    plain = ask(request(opened, data, num_trials=1), tmp_path / "plain")
    assert [c.num_items for c in found.claims] == [c.num_items for c in plain.claims]
    assert found.caveats[0].startswith(
        "Items that the model cannot tell apart count once: of texts 30"
    )
    assert "copy-0 = 0" in found.caveats[0]


def replace_id(item, name):
    return item.model_copy(update={"id": name})
