import math
import subprocess
import sys

import pytest

from driftline.report.terminal import summary
from driftline.results.readings import (
    clean,
    cost_sentence,
    duration,
    forecast_losses,
    interval,
    loss_sign,
    module_labels,
    module_ranks,
    number,
    percent,
)


def changed(value, **update):
    return value.model_copy(update=update)


def rows_of(text, head):
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(head))
    return lines[start : lines.index("", start)]


@pytest.mark.parametrize("verdict", ["safe", "unsafe", "inconclusive"])
def test_the_first_line_is_the_verdict_and_its_reason(assessment, verdict):
    first = summary(changed(assessment, verdict=verdict)).splitlines()[0]
    assert first == f"{verdict.upper()}: {assessment.reasons[0]}"


def test_without_a_verdict_there_is_no_word(assessment):
    first = summary(changed(assessment, verdict=None)).splitlines()[0]
    assert first == assessment.reasons[0]
    assert summary(changed(assessment, verdict=None, reasons=())).startswith("Forecast")


def test_it_is_compact_and_plain(assessment):
    text = summary(assessment)
    lines = text.splitlines()
    assert len(lines) <= 55
    assert max(map(len, lines)) <= 100
    assert text.endswith(".\n")
    assert "\x1b" not in text
    assert text == summary(assessment)


def test_the_forecast_has_the_worst_first_and_a_loss_is_a_fall(assessment):
    lines = rows_of(summary(assessment), "Forecast")
    names = [line.split()[0] for line in lines[2:]]
    assert names[:3] == ["world_facts", "german", "french"]
    assert names[9] == "instruction_format"
    assert len(names) == 12
    assert lines[2].split()[1:] == [
        "2.41",
        "-0.312",
        "-0.381",
        "to",
        "-0.243",
        "-0.100",
        "nats",
        ">0.99",
        "lost",
    ]
    assert lines[3].split()[2] == "-0.241"
    assert lines[3].split()[-2:] == ["lost", "watched"]


def test_the_order_is_relative_to_the_tolerance(assessment):
    loose = tuple(
        changed(f, tolerance=10.0, probability_lost=0.0) if f.capability == "world_facts" else f
        for f in assessment.forecast
    )
    losses = forecast_losses(changed(assessment, forecast=loose))
    assert losses[0].capability == "german"
    assert losses[0].relative == pytest.approx(2.41)
    assert [x.relative for x in losses] == sorted((x.relative for x in losses), reverse=True)


def test_margins_show_steps_use_and_norms(assessment):
    lines = rows_of(summary(assessment), "Margins")
    table = {line.split()[0]: line.split() for line in lines[2:]}
    assert table["capability"][1:3] == ["steps", "used"]
    assert table["world_facts"][1:4] == ["24.1", "248%", "8.05e-5"]
    assert "– (>=72.0)" in next(line for line in lines if "english_text" in line)
    assert any("the tolerance is not reached within the 72 steps" in line for line in lines)


def test_the_most_fragile_layers_are_named(assessment):
    text = summary(assessment)
    assert "Most fragile of 31 modules, with mean rank: layer 3 (7.5), layer 4 (8.3)" in text
    assert "First to break: code: layer 3" in text


def test_caveats_are_numbered_and_the_cost_is_there(assessment):
    text = summary(assessment)
    assert "\n[1] The forecast interval" in text
    assert "\n[3] Two capabilities" in text
    assert "Cost: 3 min 12 s, 1,204,311 tokens forward" in text
    assert "Target: mean NLL of held-out completions 2.31 nats in the base, predicted" in text


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ("forecast", "Forecast of"),
        ("margins", "Margins:"),
        ("fragility", "Most fragile"),
        ("target", "Target:"),
    ],
)
def test_a_part_that_was_not_computed_is_left_out(assessment, part, word):
    assert word in summary(assessment)
    empty = None if part == "target" else ()
    assert word not in summary(changed(assessment, **{part: empty}))


def test_one_kind_of_margin_alone(assessment):
    radii = tuple(m for m in assessment.margins if m.kind == "radius")
    only = summary(changed(assessment, margins=radii))
    assert "worst_case" in only
    assert "learning rate" not in only
    paths = tuple(m for m in assessment.margins if m.kind == "path")
    assert "worst_case" not in summary(changed(assessment, margins=paths))


def test_a_name_cannot_steer_the_terminal(assessment):
    score = changed(assessment.forecast[0], capability="evil\x1b[2J\n\rname")
    text = summary(changed(assessment, forecast=(score,), reasons=("bad\x1b]0;x\x07",)))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "evil\ufffd[2J\ufffd\ufffdname" in text


def test_loss_is_positive_when_worse(assessment):
    assert loss_sign(assessment, "world_facts") == -1
    assert loss_sign(assessment, "french") == 1
    for loss in forecast_losses(assessment):
        f = next(f for f in assessment.forecast if f.capability == loss.capability)
        assert loss.low <= loss.loss <= loss.high
        assert (loss.loss > 0) == ((f.predicted_change < 0) == (loss.metric == "margin_nats"))
        assert loss.high - loss.low == pytest.approx(f.high - f.low)


def test_without_a_score_the_metric_says_which_way_is_worse(assessment):
    blind = changed(assessment, scores=())
    assert loss_sign(blind, "french") == 1
    assert loss_sign(blind, "world_facts") == -1
    assert loss_sign(blind, "never heard of") == -1


def test_a_tolerance_of_zero_makes_any_loss_infinitely_large(assessment):
    strict = tuple(changed(f, tolerance=0.0) for f in assessment.forecast)
    losses = forecast_losses(changed(assessment, forecast=strict))
    assert losses[0].relative == math.inf
    assert losses[-1].relative == -math.inf
    assert "inf" not in summary(changed(assessment, forecast=strict)).split()


def test_module_labels(assessment):
    labels = module_labels(assessment.fragility)
    assert list(labels.values())[:3] == ["embedding", "layer 0", "layer 1"]
    assert len(labels) == len(set(labels.values())) == 31
    row = assessment.fragility[1]
    parts = [
        changed(row, module="layers.1.mlp", layer=1, role="mlp"),
        changed(row, module="layers.0.mlp", layer=0, role="mlp"),
        changed(row, module="lm_head", layer=None, role="head"),
        changed(row, module="embed", layer=None, role="embedding"),
    ]
    assert module_labels(parts) == {
        "embed": "embedding",
        "layers.0.mlp": "layer 0 mlp",
        "layers.1.mlp": "layer 1 mlp",
        "lm_head": "head",
    }


def test_mean_ranks_agree_with_a_count_by_hand(assessment):
    for rank in module_ranks(assessment):
        own = [f for f in assessment.fragility if f.module == rank.module]
        assert rank.mean_rank == pytest.approx(sum(f.rank for f in own) / 10)
        assert set(rank.first_for) == {f.capability for f in own if f.rank == 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (None, "–"),
        (0.0005, "5e-4"),
        (-123.4, "-123"),
        (99.99, "100"),
        (1e9, "1e9"),
        (0.99999, "1.00"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_other_words():
    assert number(0.5, signed=True) == "+0.500"
    assert number(-0.5, signed=True) == "-0.500"
    assert interval(None, 2.0) == "at most 2.00"
    assert percent(None) == "–"
    assert percent(0.0) == "0%"
    assert duration(119.6) == "2 min 0 s"
    assert clean("a\u202eb") == "a\ufffdb"


def test_cost_without_a_planned_run(assessment):
    cost = changed(assessment.cost, fraction_of_planned_run=None)
    assert cost_sentence(cost).endswith("no planned run to compare with")


def test_results_load_without_torch():
    code = (
        "import sys, driftline.results; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=False)
    assert found.returncode == 0
