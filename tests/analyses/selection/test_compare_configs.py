"""Comparison of planned runs of a tiny model, and the rule by which they drop out."""

import json
from dataclasses import replace

import numpy
import pytest

from driftline.analyses import CompareConfigsRequest, PlannedConfig, compare_configs
from driftline.analyses.selection import _compare_configs as module
from driftline.analyses.selection._config_race import (
    DROPPED_BELOW,
    PredictedLoss,
    draw_worst_losses,
    dropped_by,
    keep_pvalue,
    probabilities_safest,
)
from driftline.capabilities import Capability, Passage, Suite
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
    assert ruinous.keep_pvalue < DROPPED_BELOW
    assert found.configs[0].keep_pvalue >= DROPPED_BELOW
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


def test_runs_whose_first_tenth_has_no_rate_have_one_probe(compare):
    found = compare(*(config(rate, steps=10, warmup_steps=2) for rate in (1e-4, 2e-4)))
    assert [each.probe for each in found.rounds] == [0.2]
    assert any("learning rate of 0 in the first tenth" in caveat for caveat in found.caveats)


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


def draw(*losses, seed=0):
    return draw_worst_losses(
        [PredictedLoss(loss, loss - width, loss + width, 0.9) for loss, width in losses],
        generator=numpy.random.default_rng(seed),
    )


def losses(*pairs):
    return [PredictedLoss(loss, loss - width, loss + width, 0.9) for loss, width in pairs]


@pytest.mark.parametrize(
    ("own", "pvalue"),
    [
        # An interval of 90 % that starts at the tolerance: 5 % lies below.
        ([(2.0, 1.0)], 0.05),
        ([(2.0, 1.0), (0.0, 1.0)], 0.1),
        ([(1.0, 0.5)], 0.5),
        ([(0.0, 1.0), (0.0, 1.0)], 1.0),
        # No width: nothing is uncertain.
        ([(1.0, 0.0)], 1.0),
        ([(1.1, 0.0)], 0.0),
    ],
)
def test_the_pvalue_is_that_of_the_worst_capability_times_their_number(own, pvalue):
    assert keep_pvalue(losses(*own)) == pytest.approx(pvalue, abs=1e-6)


@pytest.mark.parametrize(
    ("pvalues", "dropped"),
    [
        ({"a": 1.0, "b": 0.04, "c": 0.05}, ("b",)),
        ({"a": 0.04, "b": 0.001}, ()),
        ({"a": 0.5, "b": 0.5}, ()),
    ],
)
def test_what_is_shown_to_break_a_tolerance_drops_out_unless_all_is(pvalues, dropped):
    assert dropped_by(pvalues) == dropped


def test_a_config_that_keeps_every_tolerance_stays_beside_a_safer_one():
    pvalues = {"safer": keep_pvalue(losses((0.0, 0.01))), "kept": keep_pvalue(losses((0.9, 0.01)))}
    assert dropped_by(pvalues) == ()


@pytest.mark.statistics
@pytest.mark.parametrize("width", [1, 3, 9])
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_a_config_on_the_tolerance_is_rarely_dropped(width, spread):
    """The hardest case: the best config lies on the tolerance in every capability."""
    generator, num_runs = numpy.random.default_rng(11), 1000
    half = 1.6449 * spread
    wrong = uncorrected = 0
    for _ in range(num_runs):
        means = 1.0 + spread * generator.standard_normal(width)
        edge = losses(*((mean, half) for mean in means.tolist()))
        safe = keep_pvalue(losses(*((0.0, half) for _ in range(width))))
        wrong += bool(dropped_by({"edge": keep_pvalue(edge), "safe": safe}))
        uncorrected += min(keep_pvalue([each]) for each in edge) < DROPPED_BELOW
    assert wrong / num_runs <= DROPPED_BELOW + 3 * (0.05 * 0.95 / num_runs) ** 0.5
    if width > 1:
        # So the correction is needed, and this test can fail.
        assert uncorrected / num_runs > 1.5 * DROPPED_BELOW


def test_the_largest_of_the_capabilities_is_drawn_with_the_forecasts_spread():
    drawn = draw((1.0, 0.329))
    assert (drawn.mean(), drawn.std()) == pytest.approx((1.0, 0.2), abs=0.02)
    assert draw((1.0, 0.1), (4.0, 0.1)).mean() == pytest.approx(4.0, abs=0.02)


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
