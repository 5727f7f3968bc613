"""From likelihoods to an item's metrics."""

import math

import pytest

from driftline.capabilities import (
    Alternative,
    Alternatives,
    Cloze,
    Generation,
    Likelihood,
    MinimalPair,
    MultipleChoice,
    Passage,
    completion_bytes,
    likelihood_requests,
    preferred_option,
    score_answer,
    score_likelihoods,
)
from driftline.capabilities._scorers import SCORER_METRICS
from driftline.errors import SuiteError
from driftline.metrics import METRICS

PAIR = MinimalPair(id="1", good="She runs.", bad="She run.")
CHOICE = MultipleChoice(id="1", prompt="1 + 1 =", choices=(" 3", " 2", " two"), answer=1)
OPTIONS = Alternatives(
    id="1",
    alternatives=(
        Alternative(prompt="Ann told Eve that Ann", completion=" won."),
        Alternative(completion="It won."),
    ),
    answer=1,
)
TURNS = [{"role": "user", "content": "Hello"}]


def _likelihoods(*values, tokens=None, sizes=None):
    return [
        Likelihood(value, (tokens or [1] * 9)[i], (sizes or [1] * 9)[i])
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "margin", "accuracy"),
    [
        (-2.0, -3.5, 1.5, 1.0),
        (-3.5, -2.0, -1.5, 0.0),
        (-2.0, -2.0, 0.0, 0.0),  # a tie is wrong
        (-1.0, -6.0, 5.0, 1.0),
        (-1.0, -6.5, 5.0, 1.0),
        (-90.0, -1.0, -5.0, 0.0),
        (-1.0, -1.0 - 1e-9, 1e-9, 1.0),
    ],
)
def test_the_margin_of_a_pair(right, wrong, margin, accuracy):
    found = score_likelihoods(PAIR, _likelihoods(right, wrong))
    assert found["margin_nats"] == pytest.approx(margin, rel=1e-6)
    assert found["accuracy"] == accuracy
    assert found["probability"] == pytest.approx(1 / (1 + math.exp(wrong - right)))


def test_the_margin_of_a_choice_is_to_the_best_wrong_one():
    for values, margin, accuracy in (
        ((-4.0, -2.0, -3.0), 1.0, 1.0),
        ((-1.5, -2.0, -3.0), -0.5, 0.0),
    ):
        found = score_likelihoods(CHOICE, _likelihoods(*values))
        assert (found["margin_nats"], found["accuracy"]) == (margin, accuracy)
        weights = [math.exp(value) for value in values]
        assert found["probability"] == pytest.approx(weights[1] / sum(weights))


@pytest.mark.parametrize("shift", [0.0, -900.0, 50.0])
@pytest.mark.parametrize("gap", [0.0, 1.0, 40.0, 900.0])
def test_a_probability_is_one_whatever_the_likelihoods(shift, gap):
    values = _likelihoods(shift, shift - gap, shift)
    probability = score_likelihoods(CHOICE, values)["probability"]
    assert 0.0 <= probability <= 1 / 3
    assert probability == pytest.approx(1 / (1 + 2 * math.exp(gap)) if gap < 700 else 0.0)


def test_an_item_that_the_model_has_no_view_of_is_at_chance():
    assert score_likelihoods(PAIR, _likelihoods(-7.0, -7.0))["probability"] == 0.5
    assert score_likelihoods(CHOICE, _likelihoods(*[-7.0] * 3))["probability"] == pytest.approx(
        1 / 3
    )


@pytest.mark.parametrize(
    ("normalization", "gap"),
    [("none", -6.0 + 4.0), ("tokens", -6.0 / 3 + 4.0 / 1), ("bytes", -6.0 / 8 + 4.0 / 2)],
)
def test_normalisation_divides_before_the_probability(normalization, gap):
    likelihoods = _likelihoods(-6.0, -4.0, tokens=[3, 1], sizes=[8, 2])
    found = score_likelihoods(PAIR, likelihoods, normalization=normalization)
    assert found["probability"] == pytest.approx(1 / (1 + math.exp(-gap)))


@pytest.mark.parametrize("scorer", list(SCORER_METRICS))
def test_every_metric_of_a_scorer_has_its_properties(scorer):
    for name in SCORER_METRICS[scorer]:
        metric = METRICS[name]
        assert metric.name == name
        assert metric.unit
        assert metric.bounds[0] < metric.bounds[1]
        assert not metric.is_binary or metric.bounds == (0.0, 1.0)
    assert ("probability" in SCORER_METRICS[scorer]) == ("accuracy" in SCORER_METRICS[scorer])


@pytest.mark.parametrize(
    ("normalization", "margin"),
    [("none", -6.0 + 4.0), ("tokens", -6.0 / 3 + 4.0 / 1), ("bytes", -6.0 / 8 + 4.0 / 2)],
)
def test_normalisation_divides_before_the_margin(normalization, margin):
    likelihoods = _likelihoods(-6.0, -4.0, tokens=[3, 1], sizes=[8, 2])
    found = score_likelihoods(PAIR, likelihoods, normalization=normalization)
    assert found["margin_nats"] == pytest.approx(margin)


@pytest.mark.parametrize(
    "item",
    [Cloze(id="1", prompt="The cat", completion=" sleeps"), Passage(id="1", text="It rained.")],
)
@pytest.mark.parametrize("normalization", ["none", "tokens", "bytes"])
def test_nll_is_per_token_whatever_the_normalisation(item, normalization):
    found = score_likelihoods(item, [Likelihood(-6.0, 4, 20)], normalization=normalization)
    assert found == {"nll_nats": 1.5}


def test_one_completion_has_one_likelihood():
    with pytest.raises(ValueError, match="too many values"):
        score_likelihoods(Cloze(id="1", prompt="It", completion=" is"), _likelihoods(-1.0, -2.0))


def test_the_windows_of_a_passage_add_up():
    windows = [Likelihood(-6.0, 4, 20), Likelihood(-2.0, 1, 20)]
    assert score_likelihoods(Passage(id="1", text="It rained."), windows) == {"nll_nats": 1.6}


def test_the_right_alternative_is_the_one_that_the_answer_names():
    found = score_likelihoods(OPTIONS, _likelihoods(-4.0, -2.5))
    assert (found["margin_nats"], found["accuracy"]) == (1.5, 1.0)
    assert found["probability"] == pytest.approx(1 / (1 + math.exp(-1.5)))


@pytest.mark.parametrize(
    ("completion", "count"), [("a", 1), (" a b\n", 3), (" \u00e9", 2), (" ", 1), ("\n\n", 1)]
)
def test_white_space_around_a_completion_is_no_part_of_its_length(completion, count):
    assert completion_bytes(completion) == count


@pytest.mark.parametrize(
    ("wanted", "answer", "score"),
    [
        ("yes", "yes", 1.0),
        ("yes", "  yes, of course\n", 1.0),
        (" yes ", "yes", 1.0),
        ("yes", "Yes", 0.0),
        ("yes", "I say yes", 0.0),
        ("yes", "", 0.0),
    ],
)
def test_exact_match_is_of_the_beginning(wanted, answer, score):
    item = Generation(id="1", prompt="Say yes:", answer=wanted)
    assert score_answer(item, answer) == {"exact_match": score}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (CHOICE, (("1 + 1 =", (" 3", " 2", " two")),)),
        (OPTIONS, (("Ann told Eve that Ann", (" won.",)), ("", ("It won.",)))),
        (PAIR, (("", ("She runs.", "She run.")),)),
        (Passage(id="1", text="It rained."), (("", ("It rained.",)),)),
        (Cloze(id="1", prompt="The cat", completion=" naps"), (("The cat", (" naps",)),)),
        (Cloze(id="1", messages=TURNS, completion="Hi"), ((TURNS, ("Hi",)),)),
    ],
)
def test_what_an_item_asks_for(item, expected):
    assert likelihood_requests(item) == expected


def test_a_generation_asks_for_no_likelihood():
    with pytest.raises(SuiteError, match="item g: is scored by its generated answer"):
        likelihood_requests(Generation(id="g", prompt="Say yes:", answer="yes"))


@pytest.mark.parametrize(
    ("item", "values", "place"),
    [
        (PAIR, (-1.0, -2.0), 0),
        (PAIR, (-2.0, -1.0), 1),
        (PAIR, (-1.0, -1.0), 1),  # a tie is wrong, as in accuracy
        (CHOICE, (-3.0, -1.0, -2.0), 1),
        (CHOICE, (-3.0, -2.0, -1.0), 2),
        (CHOICE, (-1.0, -2.0, -1.0), 0),  # of two wrong ones the first
        (CHOICE, (-9.0, -2.0, -2.0), 2),
        (OPTIONS, (-1.0, -2.0), 0),
    ],
)
def test_the_preferred_option_is_right_exactly_where_accuracy_is_1(item, values, place):
    likelihoods = _likelihoods(*values)
    assert preferred_option(item, likelihoods) == place
    is_right = place == getattr(item, "answer", 0)
    assert score_likelihoods(item, likelihoods)["accuracy"] == float(is_right)


def test_the_preferred_option_is_that_of_normalised_likelihoods():
    likelihoods = _likelihoods(-6.0, -4.0, tokens=[3, 1])
    assert preferred_option(PAIR, likelihoods) == 1
    assert preferred_option(PAIR, likelihoods, normalization="tokens") == 0


def test_what_has_no_options_has_no_preferred_one():
    assert preferred_option(Passage(id="1", text="a"), _likelihoods(-1.0)) is None
