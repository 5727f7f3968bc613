"""How a belief space is put in words."""

import pytest

from driftline.report.terminal import summary
from driftline.results import DriftShape
from driftline.results.readings._belief_space import (
    belief_lines,
    breaking_sentence,
    layer_label,
    lowest_cka,
    rank_range,
    rank_ratios,
    shape_sentence,
)


@pytest.fixture
def space(assessment):
    return assessment.belief_space


@pytest.fixture
def noise(space):
    return space.curves[1]


def test_what_breaks_first(noise):
    def said(**changes):
        return breaking_sentence(noise.model_copy(update=changes))

    assert said() == "output first, at norm 0.0550 (representation at 0.131)"
    only = {"first": "representation", "representation_scale": 0.03, "output_scale": None}
    assert said(**only) == "representation first, at norm 0.0300 (output not)"
    near = {"first": "together", "representation_scale": 0.05, "output_scale": 0.0512}
    assert said(**near) == "both together, at norm 0.0500 and 0.0512"
    none = {"first": None, "reason": "both\x1b stay below"}
    assert (
        said(**none) == "neither is shown to break first: both\N{REPLACEMENT CHARACTER} stay below"
    )
    assert said(kind="path").startswith("output first, at step 0.0550")


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (DriftShape(shape="gradual", reason="the curve is straight"), "gradual"),
        (DriftShape(shape=None, reason="too few"), "of unknown shape: too few"),
        (
            DriftShape(shape="knee", scale=0.05, low=0.04, high=0.07, slope_ratio=4.0, pvalue=0.01),
            "a knee at 0.0500 (interval [0.0400, 0.0700]), 4.00 times as steep beyond it",
        ),
        (DriftShape(shape="knee", scale=0.05, pvalue=0.01), "a knee at 0.0500"),
    ],
)
def test_how_it_breaks(shape, text):
    assert shape_sentence(shape) == text


def test_ranks_are_shares_of_the_bases(space, noise):
    ratios = rank_ratios(space, noise.layers[-1])
    assert ratios[0] == pytest.approx(noise.layers[-1].effective_rank[0] / 150)
    assert ratios[-1] > 1
    low, high = rank_range(space, noise, -1)
    assert low < 1 < high
    bare = noise.layers[0].model_copy(update={"effective_rank": (None,) * 5})
    assert rank_ratios(space, bare) == (None,) * 5
    assert rank_range(space, noise.model_copy(update={"layers": (bare,)}), 0) == (None, None)


def test_the_layer_that_is_least_like_the_base(noise):
    worst, label = lowest_cka(noise, -1)
    assert (worst, label) == (min(layer.cka[-1] for layer in noise.layers), "layer 29")
    blank = [layer.model_copy(update={"cka": (None,) * 5}) for layer in noise.layers]
    assert lowest_cka(noise.model_copy(update={"layers": tuple(blank)}), -1) == (None, "–")
    assert layer_label(None) == "embedding"


def test_the_summary_has_a_row_a_road(assessment):
    lines = summary(assessment).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Belief space"))
    titles = next(i for i, line in enumerate(lines) if i > start and "rank x" in line)
    training, noise = (line.split() for line in lines[titles + 1 : titles + 3])
    assert training[:5] == ["planned", "training", "–", "–", "–"]
    assert noise[:5] == ["noise", "0.0550,", "knee", "0.0370", "0.131,"]
    assert noise[5:9] == ["gradual", "output", "0.160", "0.922"]
    bare = assessment.model_copy(update={"belief_space": None})
    assert "Belief space" not in summary(bare)


def test_the_report_has_two_sentences_a_direction(space):
    training, noise = belief_lines(space)
    assert training.startswith("planned training: neither is shown to break first: the output")
    assert ". Both: of unknown shape: 2 scales were measured" in training
    assert noise.startswith(
        "noise: output first, at norm 0.0550 (representation at 0.131). Output: "
    )
    assert noise.endswith("; representation: gradual.")


def test_it_survives_json(assessment):
    again = type(assessment).from_json(assessment.to_json())
    assert again.belief_space == assessment.belief_space
