"""`driftline suite`: what a suite's items can show."""

import json
from pathlib import Path

import pytest

SUITE = """\
schema: driftline/suite/1
capabilities:
  - name: grammar
    scorer: minimal_pair
    metric: {metric}
    tolerance: {tolerance}
    items: {items}
  - name: texts
    scorer: perplexity
    metric: nll_nats
    tolerance: 5%
    items: [{{id: a, text: It rained.}}, {{id: b, text: It snowed.}}]
"""


@pytest.fixture
def suite(tmp_path):
    def write(metric, tolerance, num_items=40):
        items = [{"id": str(i), "good": f"{i} is", "bad": f"{i} are"} for i in range(num_items)]
        path = tmp_path / "mine.yaml"
        path.write_text(SUITE.format(metric=metric, tolerance=tolerance, items=json.dumps(items)))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("metric", "tolerance"),
    [("probability", "3 points"), ("margin_nats", 0.25), ("accuracy", 0.1)],
)
def test_every_metric_has_what_it_shows_and_what_it_needs(run, suite, metric, tolerance):
    code, out, _err = run("suite", suite(metric, tolerance), "--json")
    # Libraries that are imported for the first time may say something before.
    found = json.loads(out[out.index("{") :])
    assert (code, found["schema"], found["verdict"]) == (0, "driftline/suite_power/1", None)
    pairs, texts = found["capabilities"]
    assert (pairs["num_items"], pairs["num_groups"], pairs["chance"]) == (40, 40, 0.5)
    assert pairs["num_items_needed"] > 40
    assert pairs["certify_margin"] > pairs["tolerance"]
    assert pairs["forecast_half_width"] > 0
    assert texts["tolerance"] == pytest.approx(0.0488, abs=1e-4)
    assert (texts["certify_margin"], texts["num_items_needed"]) == (None, None)
    assert "nll_nats has no bounds" in texts["reason"]
    assert pairs["reason"] is None


def test_the_text_is_in_points_and_per_cent(run, suite):
    _code, out, _err = run("suite", suite("probability", "3 points"), "-v")
    assert "3.00" in out
    assert "points" in out
    assert "0.0488 (perplexity +5%)" in out
    assert "the change of perplexity" in out
    assert "too few items to certify" in out
    assert "never certified as retained: texts: nll_nats has no bounds" in " ".join(out.split())
    _code, out, _err = run("suite", suite("probability", "20 points", 400), "-v")
    assert "grammar" in out


def test_a_wrong_tolerance_is_named(run, suite):
    code, _out, err = run("suite", suite("probability", "5%"))
    assert code == 2
    assert "capability grammar: tolerance '5%' is not for probability" in err


def test_an_unknown_suite_is_named(run):
    code, _out, err = run("suite", "none.yaml")
    assert code == 2
    assert "no such suite" in err


def test_a_declared_range_is_what_a_likelihood_is_certified_by(run, suite):
    path = Path(suite("probability", "3 points"))
    path.write_text(path.read_text().replace("tolerance: 5%", "tolerance: 5%\n    range: [0, 12]"))
    code, out, _err = run("suite", str(path), "--json")
    _pairs, texts = json.loads(out[out.index("{") :])["capabilities"]
    assert (code, texts["reason"]) == (0, None)
    assert texts["num_items_needed"] > 1000


@pytest.mark.parametrize("tolerance", ["1e-9", "0.0000001 points"])
def test_a_tolerance_beyond_every_suite_is_said_and_no_error(run, suite, tolerance):
    code, out, _err = run("suite", suite("probability", tolerance), "-v")
    assert code == 0
    assert "over 10,000,000 *" in out
