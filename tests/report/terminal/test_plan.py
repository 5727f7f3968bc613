"""A plan in words."""

from driftline.report.terminal import plan_summary
from driftline.results import TrialForecast

from ...results.plan_sample import BASE, build_plan, trial


def test_the_verdict_comes_first_with_the_gain_and_what_it_rests_on():
    text = plan_summary(build_plan())
    assert text.startswith(
        "INCONCLUSIVE: target gain +1.20 nats per token ([+1.10, +1.30], 64 unseen"
    )
    assert "Protocol: 60 steps" in text
    assert "lever           value  your config" in text
    assert "method          LoRA   full fine-tuning" in text
    assert "Written: trl.yaml (not supported: kl_to_base)" in text
    assert "Budget: 310,000 of 400,000 tokens (your own run trains 15,000)" in text
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 110


def test_what_each_lever_bought_is_a_row():
    lines = plan_summary(build_plan()).splitlines()
    (kl,) = (line for line in lines if line.startswith("  KL to the base      "))
    assert kl.split()[-3:] == ["1.20", "0.900", "+0.300"]
    (gate,) = (line for line in lines if line.startswith("  entropy-gated loss"))
    assert gate.endswith("dropped")
    (steps,) = (line for line in lines if line.startswith("  steps"))
    assert "–" in steps
    assert steps.endswith("the budget did not hold it")


def test_trials_are_listed_the_best_first():
    lines = plan_summary(build_plan()).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Trials"))
    assert [line.split()[0] for line in lines[start + 2 : start + 6]] == ["2", "0", "3", "1"]
    assert "over a tolerance" in lines[start + 4]
    assert "dropped early" in lines[start + 5]


def test_many_trials_are_cut_and_counted():
    text = plan_summary(build_plan(trials=tuple(trial(n) for n in range(20))))
    assert "and 8 more, in the report" in text


def test_a_plan_that_found_nothing_says_so():
    text = plan_summary(
        build_plan(verdict="fail", reasons=("no protocol",), protocol=None, chosen=BASE, files=(),
                   ablation=())
    )  # fmt: skip
    assert text.startswith("FAIL: no protocol\n")
    assert "Protocol: none" in text
    assert "What each lever gained" not in text
    assert "Written" not in text


def test_nothing_unprintable_reaches_a_terminal():
    assert "\x1b" not in plan_summary(build_plan("\x1b[31m"))


def test_it_says_how_many_trials_ran_and_how_each_ended_and_what_a_whole_search_needs():
    budget = build_plan().budget.model_copy(
        update={"needed_tokens": 900_000.0, "needed_minutes": 12.25, "estimated_minutes": 4.0}
    )
    text = " ".join(plan_summary(build_plan(budget=budget)).split())
    assert "4 trials (3 finished, 1 dropped early)" in text
    assert "trial 1, dropped early: after 12 of 60 steps" in text
    assert "took 4.5 minutes, estimated after the first trial as 4.0" in text
    assert "a whole search needs about 900,000 tokens or 12.2 minutes" in text


def test_the_forecast_of_the_users_own_config_is_shown():
    forecast = TrialForecast(
        capability="facts", unit="nats per token", tolerance=0.1, loss=0.25, low=0.1, high=0.4,
        confidence_level=0.9, probability_lost=0.95,
    )  # fmt: skip
    own = build_plan().trials[0].model_copy(update={"forecast": (forecast,)})
    text = " ".join(plan_summary(build_plan(trials=(own,))).split())
    assert "Your own config, forecast from a fifth of it: facts changes by -0.25" in text
    assert "beyond what is accepted with a probability of 95%" in text
    assert "Your own config" not in plan_summary(build_plan())
