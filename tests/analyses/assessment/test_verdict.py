"""The verdict on a run at an accepted risk, and the one thing to do."""

import re
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses import LossForecast
from driftline.analyses.assessment._verdict import (
    EARLIEST_SAFE,
    Judgement,
    Remedies,
    _rounded_down,
    advise,
    held_rows,
    judge,
    limits_of,
)
from driftline.analyses.forecasting import largest_multiple, probability_at
from driftline.analyses.forecasting._forecast import capability_forecasts, is_measured_lost
from driftline.results import CapabilityReading

RISK, TOLERANCE = 0.1, 0.1
EXPONENTS = (0.8, 1.2, 1.9)


class Made:
    """Capabilities with forecasts, as an assessment has them."""

    def __init__(self, risk=RISK):
        self.risk, self.capabilities, self.readings, self.losses = risk, [], [], {}

    def add(
        self, name, probability, *, required=True, measured=0.0, error=0.01, better=True, scale=0.02
    ):
        """Add a capability that ends beyond its tolerance with this probability."""
        unshifted = LossForecast(0.0, scale)
        value = TOLERANCE - unshifted.quantile(1 - probability)
        self.losses[name] = LossForecast(value, scale)
        self.capabilities.append(
            SimpleNamespace(
                name=name, metric="probability" if better else "nll_nats",
                unit="probability" if better else "nats per token", tolerance=TOLERANCE,
                required=required, higher_is_better=better, groups=lambda: ("a", "b"),
            )
        )  # fmt: skip
        self.readings.append(
            CapabilityReading(
                capability=name,
                metric="probability",
                base_value=0.5,
                losses={"early_20": measured},
                standard_errors=None if error is None else {"early_20": error},
            )
        )
        return self

    def rows(self, lacking=()):
        held = [c for c in self.capabilities if c.required and c.name not in lacking]
        study = SimpleNamespace(
            capabilities=tuple(self.capabilities), lacking=frozenset(lacking), deciding=tuple(held)
        )
        table = SimpleNamespace(values=lambda _point, _capability: numpy.array([0.4, 0.6]))
        reading = SimpleNamespace(capabilities=tuple(self.readings))
        return capability_forecasts(study, table, reading, self.losses, risk=self.risk)

    def judged(self, correlation=0.0, lacking=()):
        return judge(self.rows(lacking), self.losses, correlation=correlation, risk=self.risk)

    def advised(
        self, correlation=0.0, lacking=(), *, learning_rate=2e-4, probe_share=0.2, remedies=None
    ):
        return advise(
            self.judged(correlation, lacking), limits_of(held_rows(self.rows(lacking)), self.losses),
            correlation=correlation, risk=self.risk, exponents=EXPONENTS,
            learning_rate=learning_rate, probe_share=probe_share, remedies=remedies,
        )  # fmt: skip


def of(*probabilities, **changes):
    made = Made()
    for number, probability in enumerate(probabilities):
        made.add(f"c{number}", probability, **changes)
    return made


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.02,), "safe"),
        ((0.0999,), "safe"),
        ((0.1001,), "at_risk"),
        ((0.5,), "at_risk"),
        ((0.8999,), "at_risk"),
        ((0.9001,), "unsafe"),
        ((0.99,), "unsafe"),
        ((0.01, 0.02), "safe"),
        ((0.06, 0.06), "at_risk"),
        ((0.01, 0.95), "unsafe"),
        ((0.4, 0.95, 0.01), "unsafe"),
        ((0.6, 0.6), "at_risk"),
        ((0.6, 0.6, 0.6, 0.6), "unsafe"),
    ],
)
def test_the_verdict_is_made_at_the_accepted_risk(probabilities, expected):
    for order in (probabilities, probabilities[::-1]):
        found = of(*order).judged()
        assert found.verdict == expected
        none = 1.0
        for probability in probabilities:
            none *= 1 - probability
        assert found.probability_any_lost == pytest.approx(1 - none, abs=1e-6)


@pytest.mark.parametrize("risk", [0.02, 0.1, 0.3])
def test_another_risk_moves_both_edges(risk):
    for probability, expected in (
        (risk - 0.005, "safe"), (risk + 0.005, "at_risk"),
        (1 - risk - 0.005, "at_risk"), (1 - risk + 0.005, "unsafe"),
    ):  # fmt: skip
        made = Made(risk).add("a", probability)
        assert made.judged().verdict == expected
        assert made.rows()[0].verdict == {
            "safe": "retained", "at_risk": "inconclusive", "unsafe": "lost"
        }[expected]  # fmt: skip


def test_errors_that_belong_together_leave_more_runs_safe():
    made = of(*[0.03] * 6)
    assert made.judged(0.0).verdict == "at_risk"
    assert made.judged(0.9).verdict == "safe"


@pytest.mark.parametrize("watched", [0.01, 0.5, 0.99])
@pytest.mark.parametrize(
    ("required", "expected"), [(0.01, "safe"), (0.5, "at_risk"), (0.99, "unsafe")]
)
def test_watched_ones_do_not_count(required, expected, watched):
    alone = of(required)
    beside = of(required).add("watched", watched, required=False, measured=0.3)
    assert beside.judged() == alone.judged()
    assert beside.judged().verdict == expected


@pytest.mark.parametrize("made", [Made(), of(0.99, 0.01, required=False)])
def test_without_a_required_capability_nothing_can_be_said(made):
    found = made.judged()
    assert found == Judgement(
        "inconclusive", ("no capability is required, so there is nothing to judge by",), None
    )
    assert made.advised() is None


@pytest.mark.parametrize(
    ("probability", "measured", "verdict"),
    [
        (0.66, TOLERANCE + 0.02, "unsafe"),
        (0.66, TOLERANCE + 0.01, "at_risk"),
        (0.66, 0.0, "at_risk"),
        (0.651, 0.3, "unsafe"),
        (0.649, 0.3, "at_risk"),
        (0.05, 0.3, "safe"),
        (0.95, 0.0, "unsafe"),
    ],
)
def test_a_measured_loss_counts_unless_it_is_predicted_to_heal(probability, measured, verdict):
    made = of(probability, measured=measured, error=0.01)
    (row,) = made.rows()
    assert row.is_measured_lost == is_measured_lost(measured, 0.01, TOLERANCE, level=RISK)
    assert made.judged().verdict == verdict
    (reason, *_) = made.judged().reasons
    assert ("measured it beyond its tolerance" in reason) == (
        row.is_measured_lost and verdict != "safe"
    )


@pytest.mark.parametrize("better", [True, False])
def test_a_row_says_what_was_measured_and_what_is_predicted_in_the_metric_s_own_direction(better):
    sign = -1 if better else 1
    (row,) = of(0.9, measured=0.2, better=better).rows()
    assert row.measured_change == sign * 0.2
    assert sign * row.predicted_change > TOLERANCE
    assert row.low < row.predicted_change < row.high
    assert row.at_risk
    assert row.probability_lost == pytest.approx(0.9)
    assert row.measured_standard_error == 0.01


def test_rows_come_the_most_likely_lost_first():
    made = of(0.2, 0.9, 0.01, 0.5)
    assert [row.capability for row in made.rows()] == ["c1", "c3", "c0", "c2"]


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.95])
def test_what_the_base_lacks_is_neither_lost_nor_kept(probability):
    made = Made().add("french", 0.01).add("sums", probability)
    found = made.judged(lacking=["sums", "other"])
    assert found.verdict == "inconclusive"
    assert found.probability_any_lost == Made().add("french", 0.01).judged().probability_any_lost
    assert any("not shown to have sums" in reason for reason in found.reasons)
    assert made.advised(lacking=["sums"]).action == "give_items"


@pytest.mark.parametrize(("probability", "expected"), [(0.5, "at_risk"), (0.95, "unsafe")])
def test_what_the_base_has_decides_beside_what_it_lacks(probability, expected):
    made = Made().add("french", probability).add("sums", 0.01)
    assert made.judged(lacking=["sums"]).verdict == expected
    assert made.advised(lacking=["sums"]).action != "give_items"


@pytest.mark.parametrize("probability", [0.4, 0.95])
def test_the_advice_says_that_the_run_is_never_safe_while_the_base_lacks_what_is_required(
    probability,
):
    made = Made().add("french", probability).add("sums", 0.01)
    plain, lacking = made.advised(), made.advised(lacking=["sums"])
    assert lacking.action == plain.action
    assert "Even then" not in plain.sentence
    assert lacking.sentence.endswith(
        "Even then the run is not called safe, because the base is not shown to have sums: give items "
        "that it can answer, or write `required: false`."
    )


def test_a_row_of_what_the_base_lacks_comes_last_and_is_neither_at_risk_nor_lost():
    made = Made().add("sums", 0.99, measured=0.5).add("french", 0.3)
    assert [row.verdict for row in made.rows()] == ["lost", "inconclusive"]
    first, row = made.rows(lacking=["sums"])
    assert first.capability == "french"
    assert (row.verdict, row.at_risk, row.is_measured_lost) == ("not_shown", False, False)
    # What was measured and predicted stays.
    assert row.predicted_change < -TOLERANCE
    assert row.probability_lost == pytest.approx(0.99)


def test_what_the_base_lacks_takes_no_part_of_the_risk():
    made = Made().add("french", 0.8, measured=0.115).add("sums", 0.01)
    assert made.rows()[0].verdict == "inconclusive"
    assert made.rows(lacking=["sums"])[0].verdict == "lost"


def test_a_base_that_has_nothing_that_is_required_gets_no_probability():
    made = Made().add("sums", 0.95)
    found = made.judged(lacking=["sums"])
    assert (found.verdict, found.probability_any_lost) == ("inconclusive", None)
    advice = made.advised(lacking=["sums"])
    assert (advice.action, advice.probability_any_lost) == ("give_items", None)


def test_a_watched_capability_that_the_base_lacks_decides_nothing():
    made = Made().add("french", 0.01).add("sums", 0.01, required=False)
    assert made.judged(lacking=["sums"]).verdict == "safe"


def test_reasons_name_the_capabilities_the_worst_first():
    made = of(0.01, 0.4, 0.95, 0.02)
    first, second, chance, kept = made.judged().reasons
    assert first.startswith("c2: forecast change -")
    assert re.search(r"points \(90% interval -\d+\.\d\d to [-+]\d+\.\d\d, tolerance 10\)", first)
    assert first.endswith("beyond its tolerance with P = 0.95")
    assert second.startswith("c1: ")
    assert second.endswith("P = 0.40")
    assert (
        chance == "any required capability ends beyond its tolerance with P = 0.97; accepted is 0.1"
    )
    assert kept == "within tolerance, each with P of at least 0.9: c3, c0"


@pytest.mark.parametrize("better", [True, False])
def test_reasons_say_a_loss_as_a_fall_whichever_way_the_metric_points(better):
    (reason, *_) = of(0.95, better=better).judged().reasons
    change, low, high = (float(n) for n in re.findall(r" \(?(?:to )?([-+]\d+\.\d\d)", reason)[:3])
    assert low < change < 0
    assert change < high


@pytest.mark.parametrize(("num_groups", "level"), [(None, 0.05), (3, 0.05), (12, 0.0125)])
def test_a_measured_loss_counts_as_often_as_its_level_says(num_groups, level):
    generator, num = numpy.random.default_rng(0), 4000
    draws = generator.normal(TOLERANCE, 1.0, size=(num, num_groups or 100))
    losses, errors = draws.mean(axis=1), draws.std(axis=1, ddof=1) / draws.shape[1] ** 0.5
    found = [
        is_measured_lost(loss, error, TOLERANCE, level=level, num_groups=num_groups)
        for loss, error in zip(losses, errors, strict=True)
    ]
    assert numpy.mean(found) == pytest.approx(level, abs=0.011)


def test_one_group_of_items_measures_no_loss():
    assert not is_measured_lost(9.0, 0.0, TOLERANCE, level=0.1, num_groups=1)


def test_safe_is_trained_as_planned():
    found = of(0.01, 0.02).advised()
    assert (found.action, found.learning_rate) == ("train", 2e-4)
    assert found.probability_any_lost == pytest.approx(0.0298, abs=1e-6)


@pytest.mark.parametrize(
    ("probability", "verdict", "action"),
    [(0.01, "at_risk", "measure_more"), (0.5, "at_risk", "lower_learning_rate"),
     (0.95, "unsafe", "lower_learning_rate")],
)  # fmt: skip
def test_nothing_is_safe_before_enough_of_the_run_was_seen(probability, verdict, action):
    made = of(probability)
    judgement = judge(
        made.rows(), made.losses, correlation=0.0, risk=RISK, share=EARLIEST_SAFE - 0.001
    )
    assert judgement.verdict == verdict
    assert any("nothing is called safe before" in reason for reason in judgement.reasons)
    found = advise(
        judgement, limits_of(held_rows(made.rows()), made.losses), correlation=0.0, risk=RISK,
        exponents=EXPONENTS, learning_rate=2e-4, probe_share=0.05,
    )  # fmt: skip
    assert found.action == action
    # The planned rate is never what a rate is lowered to.
    assert (found.learning_rate == 2e-4) == (probability < RISK)
    assert ("ower the learning rate" in found.sentence) == (probability > RISK)
    at_edge = judge(made.rows(), made.losses, correlation=0.0, risk=RISK, share=EARLIEST_SAFE)
    assert at_edge.verdict == ("safe" if probability < RISK else verdict)


RATES = [1e-5, 2e-4, 3.3e-4, 9.99e-4, 1e-3, 4.999e-3]


@pytest.mark.parametrize("learning_rate", RATES)
@pytest.mark.parametrize("probabilities", [(0.95,), (0.92, 0.3), (0.99, 0.99, 0.5), (0.7,)])
def test_the_recommended_rate_keeps_the_risk_and_is_hardly_lower_than_the_highest_that_does(
    probabilities, learning_rate
):
    made = of(*probabilities)
    found = made.advised(0.3, learning_rate=learning_rate)
    limits = limits_of(held_rows(made.rows()), made.losses)
    assert found.action == "lower_learning_rate"
    multiple = found.learning_rate / learning_rate
    chance = probability_at(limits, 0.3, multiple, EXPONENTS)
    assert chance == pytest.approx(found.probability_any_lost)
    assert chance <= RISK
    highest = learning_rate * largest_multiple(limits, 0.3, risk=RISK, exponents=EXPONENTS)
    assert 0.9 * highest <= found.learning_rate <= highest
    assert found.learning_rate == float(f"{found.learning_rate:.1e}")
    assert f"{found.learning_rate:g}: P of any loss = {chance:.2f}" in found.sentence


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        (1e-5, 1e-5), (9.96e-5, 9.9e-5), (9.94e-5, 9.9e-5), (1.04e-4, 1.0e-4), (1.06e-4, 1.0e-4),
        (2.5999e-4, 2.5e-4), (0.5, 0.5), (2e-4, 2e-4), (2e-4 * (1 - 1e-12), 1.9e-4),
    ],
)  # fmt: skip
def test_a_rate_is_rounded_down(exact, rounded):
    assert _rounded_down(exact) == rounded


@pytest.mark.parametrize(
    ("probability", "share", "action"),
    [
        (0.2, 0.2, "measure_more"),
        (0.49, 0.4, "measure_more"),
        (0.51, 0.2, "lower_learning_rate"),
        (0.2, 0.6, "lower_learning_rate"),
        (0.95, 0.05, "lower_learning_rate"),
    ],
)
def test_more_is_measured_only_where_safe_is_likely_and_a_longer_probe_exists(
    probability, share, action
):
    found = of(probability).advised(probe_share=share)
    assert found.action == action
    assert 0 < found.learning_rate < 2e-4
    assert ("--until decided" in found.sentence) == (action == "measure_more")


@pytest.mark.parametrize(
    ("remedies", "action", "changes", "said"),
    [
        # Fewer steps are taken where they leave more of the run than a lower rate.
        (
            Remedies(80, 0.97, 0.08),
            "fewer_steps",
            {"max_steps": 80},
            "Train 80 steps: P of any loss = 0.08.",
        ),
        (Remedies(20, 0.01, 0.08), "lower_learning_rate", None, "Lower the learning rate to"),
        (Remedies(), "lower_learning_rate", None, "Lower the learning rate to"),
        (None, "lower_learning_rate", None, "Lower the learning rate to"),
    ],
)
def test_the_change_that_leaves_most_of_the_run_is_recommended(remedies, action, changes, said):
    made = of(0.95)
    found = made.advised(remedies=remedies)
    assert found.action == action
    assert found.changes == (changes or {"learning_rate": found.learning_rate})
    assert found.sentence.startswith(said)
    assert found.probability_any_lost <= RISK
    # One recommended rate, whatever else is recommended.
    assert found.learning_rate == made.advised().learning_rate


@pytest.mark.parametrize(
    ("remedies", "share", "action", "said", "num_items"),
    [
        (Remedies(decided_at=0.4), 0.2, "measure_more", "decides at 40% if losses", None),
        (Remedies(num_items=240), 0.2, "measure_more", "add `--items 240`", 240),
        (Remedies(num_items=240), 0.6, "measure_more", "add `--items 240`", 240),
        (Remedies(decided_at=0.4, num_items=240), 0.2, "measure_more", "--until decided", None),
        (Remedies(), 0.2, "lower_learning_rate", "Lower the learning rate", None),
    ],
)
def test_more_is_measured_only_where_it_would_decide(remedies, share, action, said, num_items):
    found = of(0.2).advised(probe_share=share, remedies=remedies)
    assert (found.action, found.num_items) == (action, num_items)
    assert said in found.sentence
    assert found.changes == {"learning_rate": found.learning_rate}


def test_where_no_rate_keeps_the_risk_another_lever_is_named():
    made = Made().add("a", 0.9)
    made.losses["a"] = LossForecast(50.0, 0.1)
    found = made.advised()
    assert (found.action, found.learning_rate) == ("lower_learning_rate", None)
    assert found.probability_any_lost == pytest.approx(1, abs=1e-3)
    assert "driftline plan" in found.sentence
