"""`driftline sample-size`: what it says, as text and as JSON, and what it refuses."""

import json

import pytest

PLAN = ("sample-size", "--margin", "0.1", "--discordance", "0.1")


def test_it_says_how_many_items_are_needed(run):
    code, out, _err = run(*PLAN)
    assert code == 0
    num_items = int(out.split()[0])
    assert 60 <= num_items <= 100
    code, out, _err = run(*PLAN, "--json")
    found = json.loads(out)
    assert (code, found["schema"], found["verdict"]) == (0, "driftline/sample_size/1", None)
    assert [claim["claim"] for claim in found["claims"]] == ["one"]
    assert found["claims"][0]["num_items"] == num_items
    assert found["claims"][0]["power"] >= 0.8


def test_several_capabilities_need_more(run):
    _code, out, _err = run(*PLAN, "--capabilities", "8", "--json")
    one, of_all, each = json.loads(out)["claims"]
    assert one["num_items"] < each["num_items"] < of_all["num_items"]
    assert (of_all["alpha"], each["alpha"]) == (0.05, 0.05 / 8)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--margin", "2"),
        ("--margin", "-0.02"),
        ("--discordance", "0"),
        ("--change", "-0.1"),
        ("--change", "0.5"),
        ("--power", "1"),
        ("--power", "0.01"),
        ("--alpha", "0"),
        ("--capabilities", "0"),
    ],
)
def test_bad_input_names_the_option_and_the_mend(run, option, value):
    code, out, err = run(*PLAN, option, value)
    assert (code, out) == (2, "")
    assert f"sample-size: {option} {value} must be" in err


def test_more_capabilities_than_the_exact_test_can_tell_apart_are_refused(run):
    for number in ("10", "20"):
        code, out, err = run(*PLAN, "--alpha", "0.0001", "--capabilities", number)
        assert (code, out) == (2, "")
        assert f"--capabilities {number} must be at most 9 with --alpha 0.0001" in err
        assert "margin" not in err
    assert run(*PLAN, "--alpha", "0.0001", "--capabilities", "9")[0] == 0
    # Bets have no least p-value.
    more = ("--alpha", "0.0001", "--capabilities", "20", "--json")
    code, out, _err = run("sample-size", "--margin", "0.1", "--metric", "probability", *more)
    assert (code, json.loads(out)["claims"][2]["alpha"]) == (0, 0.0001 / 20)


def test_a_tiny_margin_is_answered_and_says_how(run):
    plan = ("sample-size", "--metric", "probability", "--json", "--margin")
    code, out, _err = run(*plan, "0.0003")
    found = json.loads(out)
    assert code == 0
    assert 1_400_000 < found["claims"][0]["num_items"] < 1_600_000
    assert any("numbers above 10,000 are calculated" in caveat for caveat in found["caveats"])
    _code, out, _err = run(*plan, "0.01")
    assert not any("are calculated" in caveat for caveat in json.loads(out)["caveats"])


@pytest.mark.parametrize(
    ("metric", "margin", "least"),
    [("margin_nats", "0.25", 158), ("probability", "0.03", 150), ("nll_nats", "0.05", 20)],
)
def test_other_metrics_say_which_spread_they_assume(run, metric, margin, least):
    code, out, _err = run("sample-size", "--margin", margin, "--metric", metric, "--json")
    found = json.loads(out)
    assert (code, found["metric"], found["is_measured"]) == (0, metric, True)
    assert found["discordance"] is None
    assert found["spread"] > 0
    assert found["claims"][0]["num_items"] >= least
    _code, out, _err = run("sample-size", "--margin", margin, "--metric", metric)
    assert "measured on SmolLM2-135M" in " ".join(out.split())
    _code, out, _err = run(
        "sample-size", "--margin", margin, "--metric", metric, "--spread", "0.3", "--json"
    )
    assert not json.loads(out)["is_measured"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "margin_nats", "--discordance", "0.1"), "--discordance 0.1 must be left out"),
        (("--spread", "0.1"), "--spread 0.1 must be left out for accuracy"),
        (("--metric", "probability", "--spread", "0"), "--spread 0 must be above 0"),
        (("--metric", "perplexity"), "--metric perplexity: no such metric"),
        (("--metric", "exact_match"), "no spread was measured for exact_match"),
    ],
)
def test_what_belongs_to_another_metric_is_refused(run, arguments, message):
    code, out, err = run("sample-size", "--margin", "0.1", *arguments)
    assert (code, out) == (2, "")
    assert message in err
