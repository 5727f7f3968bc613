"""Lost capabilities behind solved examples: what counts as access, and what persists."""

import pytest

from driftline.analyses.certification._recovery import NUM_SHOTS, probe_recovery
from driftline.analyses.comparison._claims import capability_claim
from driftline.analyses.comparison._paired import Paired
from driftline.capabilities import Capability, MultipleChoice, Passage
from driftline.engine import Meter
from driftline.errors import SuiteError
from driftline.models import BASE, NoiseDirection, Point, Term

NUM = 120
TUNED = Point("tuned", (Term(NoiseDirection(1), 0.1),))
SUMS = Capability(
    "sums", "multiple_choice", "accuracy", 0.1,
    tuple(
        MultipleChoice(id=str(i), prompt=f"{i} + 1 =", choices=(" 0", f" {i + 1}"), answer=1)
        for i in range(NUM)
    ),
)  # fmt: skip


class FakeEngine:
    """Answers behind the examples: the base's and the tuned model's share of right ones."""

    def __init__(self, base=1.0, tuned=1.0, too_long=False):
        self.shares, self.too_long = {id(BASE): base, id(TUNED): tuned}, too_long
        self.meter, self.asked = Meter(), []

    def num_tokens(self, _capabilities):
        if self.too_long:
            raise SuiteError("capability sums: item 3: 9000 tokens do not fit")
        return 1

    def evaluate(self, _points, capabilities):
        self.asked.extend(capabilities)
        return self

    def item_metrics(self, point, capability):
        return shares(self.shares[id(point)], len(capability.items))


def shares(share, num=NUM):
    return [{"accuracy": float(i < share * num)} for i in range(num)]


def probed(engine, capability=SUMS, base=1.0, tuned=0.4):
    paired = Paired(capability, shares(base), shares(tuned))
    claim = capability_claim(paired, alpha=0.05, seed=0)
    return probe_recovery([paired], [claim], engine, TUNED, alpha=0.05, seed=0)


def test_a_loss_that_examples_make_good_is_one_of_access():
    engine = FakeEngine()
    (found,) = probed(engine)
    assert (found.finding, found.reason) == ("access", None)
    assert (found.num_shots, found.num_items) == (NUM_SHOTS, NUM - NUM_SHOTS)
    assert (found.base, found.tuned) == (1.0, 1.0)
    assert found.base_plain == 1.0
    assert found.tuned_plain == pytest.approx(0.4, abs=0.04)
    assert -found.low <= found.margin == SUMS.tolerance
    assert engine.asked[0].items[0].prompt.count("\n\n") == NUM_SHOTS


def test_a_loss_that_stays_persists():
    (found,) = probed(FakeEngine(tuned=0.5))
    assert found.finding == "persists"
    assert found.high < -found.margin


def test_what_the_limits_leave_open_is_inconclusive():
    (found,) = probed(FakeEngine(tuned=0.9))
    assert found.finding == "inconclusive"
    assert "more items" in found.reason


def test_examples_that_cost_the_base_show_nothing():
    (found,) = probed(FakeEngine(base=0.7, tuned=0.7))
    assert found.finding == "inconclusive"
    assert "cost the base" in found.reason


def test_what_has_no_form_or_no_room_is_inconclusive_with_its_reason():
    (found,) = probed(FakeEngine(too_long=True))
    assert found.finding == "inconclusive"
    assert "make the items too long: capability sums: item 3" in found.reason
    assert (found.base, found.low, found.num_items) == (None, None, 0)
    texts = Capability(
        "text", "perplexity", "nll_nats", 0.1,
        tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(NUM)),
    )  # fmt: skip
    paired = Paired(
        texts,
        [{"nll_nats": 1.0 + i % 5 / 100} for i in range(NUM)],
        [{"nll_nats": 2.0 + i % 3 / 100} for i in range(NUM)],
    )
    claim = capability_claim(paired, alpha=0.05, seed=0)
    assert claim.verdict == "inferior"
    (found,) = probe_recovery([paired], [claim], FakeEngine(), TUNED, alpha=0.05, seed=0)
    assert found.finding == "inconclusive"
    assert "texts without a question" in found.reason


def test_what_was_not_lost_is_not_asked_again():
    engine = FakeEngine()
    assert probed(engine, tuned=1.0) == ()
    assert engine.asked == []
