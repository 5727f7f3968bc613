"""Comparison of planned runs of a tiny model, and the rule by which they drop out."""

import json
from dataclasses import replace

import numpy
import pytest

from driftline.analyses import CompareConfigsRequest, PlannedConfig, compare_configs
from driftline.analyses.forecasting import (
    DROPPED_FROM,
    PredictedLoss,
    dropped_by,
    probability_broken,
)
from driftline.analyses.selection import _compare_configs as module
from driftline.analyses.selection._config_race import draw_worst_losses, probabilities_safest
from driftline.capabilities import Capability, MinimalPair, Passage, Suite
from driftline.engine import RunFolder
from driftline.engine.evaluation._evaluate import CapabilityScorer
from driftline.errors import ConfigError, SuiteError
from driftline.models import TrainingConfig, read_training_data
from driftline.report import render_config_comparison
from driftline.report.terminal import config_comparison_summary
from driftline.results import (
    ComparedConfig,
    ConfigComparison,
    RowGain,
    RowGains,
)

TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(8)),
)  # fmt: skip
SUITE = Suite("small", (TEXTS,))
TIGHT = Suite("tight", (replace(TEXTS, tolerance=0.01),))
"""Intervals for so small a model are some tolerances of 0.1 wide, so that a tenth of a run shows nothing."""


def config(rate, steps=40, name=None, **more):
    values = {
        "learning_rate": rate,
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "max_length": 64,
        "activation_checkpointing": False,
        "seed": 0,
        **more,
    }
    return TrainingConfig(name or f"{rate:g}.yaml", values, f"sha256:{rate}-{steps}")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "sums.jsonl"
    rows = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_training_data(path)


@pytest.fixture
def compare(opened, data, tmp_path):
    def compared(*configs, suite=SUITE, **fields):
        runs = tuple(PlannedConfig(each.name, each, data) for each in configs)
        request = CompareConfigsRequest(opened, runs, (suite,), **fields)
        with RunFolder.open(tmp_path / "out", "configs", outputs=(), force=False) as folder:
            return compare_configs(request, folder)

    return compared


@pytest.mark.parametrize(
    ("gains", "on_others", "recommended"),
    [
        # The one that learns its rows by heart gains most on them, and less on others.
        ((0.9, 0.5), (0.1, 0.4), "b"),
        ((0.9, 0.5), (0.8, 0.4), "a"),
        # Where it is known of one alone, all are compared on their own rows.
        ((0.9, 0.5), (None, 0.4), "a"),
        ((0.9, 0.5), (None, None), "a"),
    ],
)
def test_the_config_that_gains_most_on_rows_not_trained_on_is_taken(gains, on_others, recommended):
    unseen = RowGain(gain=0.1, low=0.0, high=0.2, base_value=3.0, num_rows=30)

    def row(label, gain, other):
        found = RowGains(
            source="evaluation data", step=2, unit="nats", confidence_level=0.9, unseen=unseen,
            predicted_gain=other,
        )  # fmt: skip
        return ComparedConfig.model_construct(
            label=label, verdict="safe", gain=gain, worst_loss=0.2, row_gains=found
        )

    rows = [row(*each) for each in zip("ab", gains, on_others, strict=True)]
    assert module._recommended(rows) == recommended


@pytest.mark.slow
def test_a_ruinous_rate_drops_out_early_and_the_base_is_scored_once(compare, opened, monkeypatch):
    before, computed = opened.digest, []
    usual = CapabilityScorer.compute

    def noted(self, pending):
        for work in usual(self, pending):
            computed.extend((work.pending.point.label, c.name) for c in work.pending.capabilities)
            yield work

    monkeypatch.setattr(CapabilityScorer, "compute", noted)
    found = compare(config(1e-4), config(1.0), config(2e-4), suite=TIGHT)
    assert [each.forecast for each in found.rounds] == [
        ("0.0001.yaml", "1.yaml", "0.0002.yaml"), ("0.0001.yaml", "0.0002.yaml"),
    ]  # fmt: skip
    assert found.rounds[0].dropped == ("1.yaml",)
    ruinous = found.configs[1]
    assert (ruinous.dropped_after, ruinous.probe) == (1, 0.1)
    assert ruinous.largest_probability_lost >= DROPPED_FROM
    assert found.configs[0].largest_probability_lost < DROPPED_FROM
    assert {each.probe for each in (found.configs[0], found.configs[2])} == {0.3}
    assert found.safest != "1.yaml"
    assert sum(each.probability_safest for each in found.configs) == pytest.approx(1)
    assert all(each.worst_low < each.worst_high for each in found.configs)
    assert computed.count(("base", "texts")) == computed.count(("base", "target")) == 1
    assert opened.digest == before
    assert ConfigComparison.from_json(found.to_json()) == found
    assert "1.yaml" in config_comparison_summary(found)
    assert "dropped out after round 1" in config_comparison_summary(found)
    assert "Which config to train" in render_config_comparison(found)
    # All of it is in the folder: asking again computes nothing.
    num = len(computed)
    again = compare(config(1e-4), config(1.0), config(2e-4), suite=TIGHT)
    assert again.configs == found.configs
    assert len(computed) == num


@pytest.mark.slow
@pytest.mark.parametrize("has_texts", [True, False])
def test_what_the_base_lacks_is_no_worst_capability_and_drops_no_config(compare, has_texts):
    # Each pair stands there both ways round, so that half of them are right whatever the model is.
    pairs = tuple(
        MinimalPair(id=f"{i}{way}", good=f"{a} {i}.", bad=f"{b} {i}.", group=str(i))
        for i in range(20)
        for way, (a, b) in enumerate((("we are", "we is"), ("we is", "we are")))
    )
    lacking = Capability("pairs", "minimal_pair", "margin_nats", 1e-4, pairs)
    suite = Suite("lacking", (*((TEXTS,) if has_texts else ()), lacking))
    found = compare(config(1e-4), config(2e-3), suite=suite)
    assert {row.worst_capability for row in found.configs} == {"texts" if has_texts else None}
    assert found.recommended is None
    assert "safe" not in {row.verdict for row in found.configs}
    verdicts = {f.capability: f.verdict for f in found.configs[0].forecast}
    assert verdicts["pairs"] == "not_shown"
    if not has_texts:
        assert found.verdict == "inconclusive"
        assert [row.probability_safest for row in found.configs] == [0.5, 0.5]
        assert all(row.dropped_after is None for row in found.configs)
        undefined = {
            (r.worst_loss, r.worst_low, r.worst_high, r.largest_probability_lost)
            for r in found.configs
        }
        assert undefined == {(None, None, None, None)}
        assert "give items that it can answer" in " ".join(config_comparison_summary(found).split())
        assert "<svg" not in render_config_comparison(found)


@pytest.mark.slow
def test_runs_whose_first_tenth_has_no_rate_have_one_probe(compare):
    found = compare(*(config(rate, steps=10, warmup_steps=2) for rate in (1e-4, 2e-4)))
    assert [each.probe for each in found.rounds] == [0.2]
    assert any("learning rate of 0 in the first tenth" in caveat for caveat in found.caveats)


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused_by_name(compare):
    with pytest.raises(ConfigError, match="name two or more"):
        compare(config(1e-4))
    with pytest.raises(ConfigError, match=r"copy\.yaml: is the same config as 0\.0001\.yaml"):
        compare(config(1e-4), config(1e-4, name="copy.yaml"))
    watched = Capability("texts", "perplexity", "nll_nats", 0.1, TEXTS.items, required=False)
    with pytest.raises(SuiteError, match="no capability is required"):
        compare(config(1e-4), config(2e-4), suite=Suite("watched", (watched,)))
    with pytest.raises(ConfigError, match=r"zero\.yaml: .*learning rate is 0"):
        compare(config(1e-4), config(0.0, name="zero.yaml"))


def losses(*pairs):
    return [PredictedLoss(loss, loss - width, loss + width, 0.9) for loss, width in pairs]


def draw(*pairs, seed=0, correlation=0.0):
    generator = numpy.random.default_rng(seed)
    return draw_worst_losses(losses(*pairs), correlation=correlation, generator=generator)


@pytest.mark.parametrize(
    ("own", "chance"),
    [
        # An interval of 90 % that starts at the tolerance: 5 % lies below.
        ((2.0, 1.0), 0.95),
        ((0.0, 1.0), 0.05),
        ((1.0, 0.5), 0.5),
        # No width: nothing is uncertain.
        ((1.0, 0.0), 0.0),
        ((1.1, 0.0), 1.0),
    ],
)
def test_the_probability_that_a_tolerance_is_broken(own, chance):
    assert probability_broken(*losses(own)) == pytest.approx(chance, abs=1e-6)


@pytest.mark.parametrize(
    ("chances", "dropped"),
    [
        ({"a": 0.0, "b": 0.95, "c": 0.89}, ("b",)),
        ({"a": 0.9, "b": 0.999}, ()),
        ({"a": 0.5, "b": 0.5}, ()),
    ],
)
def test_what_is_likely_to_break_a_tolerance_drops_out_unless_all_is(chances, dropped):
    assert dropped_by(chances) == dropped


@pytest.mark.statistics
@pytest.mark.parametrize("width", [1, 3, 9])
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_of_runs_that_drop_out_as_many_break_a_tolerance_as_is_said(width, spread):
    """Forecasts are drawn, then true losses with the errors that the intervals say."""
    generator, kept, dropped = numpy.random.default_rng(11), 0, 0
    for _ in range(2000):
        predicted = generator.uniform(0.0, 1.0 + 4 * spread, width)
        true = predicted + spread * generator.standard_t(4, width)
        half = spread * 2.1318
        chance = max(map(probability_broken, losses(*((each, half) for each in predicted))))
        if dropped_by({"own": chance, "other": 0.0}):
            dropped += 1
            kept += bool((true <= 1).all())
    assert dropped > 100
    assert kept / dropped <= 1 - DROPPED_FROM


def test_the_draws_of_one_capability_have_its_interval():
    drawn = draw((1.0, 0.3))
    assert numpy.quantile(drawn, (0.05, 0.5, 0.95)) == pytest.approx([0.7, 1.0, 1.3], abs=0.02)
    assert draw((1.0, 0.1), (4.0, 0.1)).mean() == pytest.approx(4.0, abs=0.02)


def test_capabilities_that_err_together_have_a_smaller_largest_loss():
    pairs = [(1.0, 0.3)] * 6
    alone, together = draw(*pairs).mean(), draw(*pairs, correlation=0.9).mean()
    assert together < alone - 0.05
    # One common error: the largest of them is each of them.
    assert draw(*pairs, correlation=0.9999).mean() == pytest.approx(1.0, abs=0.02)


def test_the_safest_share_ties():
    equal = draw((1.0, 0.1))
    assert probabilities_safest({"a": equal, "b": equal}) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("unsafe", "safe"), "pass"),
        (("unsafe", "unsafe"), "fail"),
        (("unsafe", "inconclusive"), "inconclusive"),
    ],
)
def test_the_verdict_is_that_of_the_configs(verdicts, expected):
    class Row:
        def __init__(self, verdict):
            self.verdict = verdict

    assert module._verdict([Row(each) for each in verdicts]) == expected
