"""How a loss moves with likelihoods: against finite differences of the metric itself."""

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
    loss_weights,
    score_likelihoods,
)
from driftline.errors import SuiteError

CHOICE = MultipleChoice(id="1", prompt="p", choices=(" a", " b", " c"), answer=1)
PAIR = MinimalPair(id="1", good="x", bad="y")
OPTIONS = Alternatives(
    id="1",
    alternatives=(
        Alternative(prompt="p", completion="a"),
        Alternative(prompt="q", completion="b"),
    ),
    answer=1,
)
CASES = [
    (CHOICE, [-4.0, -3.0, -5.0]),
    (CHOICE, [-4.0, -7.0, -3.5]),
    (CHOICE, [-40.0, -3.0, -50.0]),
    (CHOICE, [-1.0, -30.0, -50.0]),
    (PAIR, [-7.0, -9.5]),
    (OPTIONS, [-7.0, -6.5]),
    (Cloze(id="1", prompt="p", completion="c"), [-8.0]),
    (Passage(id="1", text="t"), [-8.0, -5.0]),
]


def made(values):
    return [Likelihood(v, 3 + i, 5 + 2 * i) for i, v in enumerate(values)]


@pytest.mark.parametrize("normalization", ["none", "tokens", "bytes"])
@pytest.mark.parametrize("metric", ["margin_nats", "probability"])
@pytest.mark.parametrize(("item", "values"), CASES)
def test_weights_are_derivatives_of_the_loss(item, values, normalization, metric):
    def loss(at):
        found = score_likelihoods(item, made(at), normalization=normalization)
        return found["nll_nats"] if "nll_nats" in found else -found[metric]

    weights = loss_weights(item, made(values), normalization=normalization, metric=metric)
    assert len(weights) == len(values)
    for place, weight in enumerate(weights):
        up, down = list(values), list(values)
        up[place] += 1e-4
        down[place] -= 1e-4
        assert weight == pytest.approx((loss(up) - loss(down)) / 2e-4, abs=1e-6)


def test_a_clipped_margin_does_not_move():
    assert loss_weights(CHOICE, made([-40.0, -3.0, -50.0])) == (0.0, 0.0, 0.0)


def test_of_equal_wrong_options_the_first_counts():
    assert loss_weights(CHOICE, made([-4.0, -3.0, -4.0])) == (1.0, -1.0, 0.0)


def test_a_generated_answer_has_no_gradient():
    with pytest.raises(SuiteError, match="item 7: a generated answer has no gradient"):
        loss_weights(Generation(id="7", prompt="p", answer="a"), [])
