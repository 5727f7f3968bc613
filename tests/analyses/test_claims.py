"""Claims about capabilities, from the scores of both models alone."""

import numpy
import pytest

from driftline.analyses._claims import (
    adjusted_claims,
    capability_claim,
    check_claims,
    suite_claim,
)
from driftline.analyses._paired import Paired
from driftline.capabilities import Capability, Cloze, Generation, MinimalPair
from driftline.errors import ConfigError
from driftline.stats import flip_noninferiority, holm_adjusted_pvalues


def pairs(num, *, metric="accuracy", tolerance=0.1, group=lambda _index: None, **fields):
    items = tuple(
        MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}", group=group(i)) for i in range(num)
    )
    return Capability(
        fields.pop("name", "pairs"), "minimal_pair", metric, tolerance, items, **fields
    )


def shares(*right):
    return [{"accuracy": float(r), "margin_nats": 1.0 if r else -1.0} for r in right]


def texts(num, tolerance=0.1):
    items = tuple(Cloze(id=str(i), prompt="a", completion="b") for i in range(num))
    return Capability("texts", "cloze", "nll_nats", tolerance, items)


def claim(capability, base, tuned, **fields):
    return capability_claim(Paired(capability, base, tuned), alpha=0.05, seed=0, **fields)


def unflipped(num, **fields):
    return claim(pairs(num, **fields), shares(*[1] * num), shares(*[1] * num))


def test_no_flip_passes_with_enough_items_and_never_with_ten():
    few, many = unflipped(10), unflipped(60)
    assert (few.verdict, many.verdict) == ("inconclusive", "non_inferior")
    assert few.reason.startswith("10 independent items are too few")
    assert many.reason is None
    assert many.loss_limit == -many.low < many.margin
    assert many.method == "flips"
    assert many.pvalue == flip_noninferiority(0, 0, 60, margin=0.1).pvalue


def test_flips_in_both_directions_may_ask_for_more_items():
    found = claim(pairs(60), shares(*[1] * 50, *[0] * 10), shares(*[0] * 8, *[1] * 50, 0, 0))
    assert found.verdict == "inconclusive"
    assert "more items" in found.reason


def test_a_real_loss_is_found():
    before, after = [1] * 60 + [0] * 20, [0] * 30 + [1] * 30 + [1] * 2 + [0] * 18
    found = claim(pairs(80), shares(*before), shares(*after))
    assert found.verdict == "inferior"
    assert found.change == pytest.approx(-28 / 80)
    assert len(found.flips.lost) == 30


def test_at_chance_there_is_nothing_to_retain():
    scores = shares(*[1, 0] * 100)
    for metric, tolerance in (("accuracy", 0.1), ("margin_nats", 2.0)):
        found = claim(pairs(200, metric=metric, tolerance=tolerance), scores, scores)
        assert (found.verdict, found.pvalue, found.low) == ("inconclusive", None, None)
        assert "nothing to retain" in found.reason


def test_a_margin_that_accepts_a_fall_to_guessing_claims_nothing():
    scores = shares(*[1] * 110, *[0] * 90)
    found = claim(pairs(200, tolerance=0.06), scores, scores)
    assert found.verdict == "inconclusive"
    assert "to the 50.0% of guessing" in found.reason


@pytest.mark.parametrize(("value", "claimed"), [(0.8, True), (0.54, False), (0.5, False)])
def test_a_probability_near_chance_leaves_nothing_to_claim(value, claimed):
    scores = [{"accuracy": 1.0, "margin_nats": 1.0, "probability": value}] * 300
    found = claim(pairs(300, metric="probability", tolerance=0.05), scores, scores)
    assert (found.pvalue is not None) == claimed
    assert claimed or "probability" in found.reason


@pytest.mark.parametrize(("fall", "verdict"), [(0.0, "non_inferior"), (0.09, "inferior")])
def test_a_fall_of_probability_is_tested_in_its_bounds(fall, verdict):
    draws = numpy.random.default_rng(0)
    base = draws.uniform(0.6, 0.95, 400)
    noise = draws.normal(0, 0.02, 400)
    before, after = (
        [{"accuracy": 1.0, "margin_nats": 1.0, "probability": float(p)} for p in side]
        for side in (base, (base - fall + noise).clip(0, 1))
    )
    found = claim(pairs(400, metric="probability", tolerance=0.03), before, after)
    assert (found.method, found.verdict, found.unit) == ("bounded", verdict, "probability")


def test_answers_of_which_none_is_right_are_not_kept():
    items = tuple(Generation(id=str(i), prompt="a", answer="b") for i in range(200))
    capability = Capability("answers", "generate", "exact_match", 0.1, items)
    nothing = [{"exact_match": 0.0}] * 200
    assert claim(capability, nothing, nothing).verdict == "inconclusive"
    everything = [{"exact_match": 1.0}] * 200
    kept = claim(capability, everything, everything)
    assert (kept.verdict, kept.method) == ("non_inferior", "flips")
    assert kept.flips.chance_adjusted_loss is None


def test_groups_count_as_one_draw_each():
    alone = unflipped(80)
    grouped = unflipped(80, group=lambda i: f"g{i // 8}")
    assert (alone.method, alone.num_groups) == ("flips", 80)
    assert (grouped.method, grouped.num_groups) == ("bounded", 10)
    assert (alone.verdict, grouped.verdict) == ("non_inferior", "inconclusive")


def test_lower_is_better_where_the_metric_says_so():
    draws = numpy.random.default_rng(0)
    base = draws.normal(3.0, 0.5, 60)
    for shift, verdict in ((-0.2, "non_inferior"), (0.4, "inferior")):
        tuned = base + shift + draws.normal(0, 0.1, 60)
        before, after = ([{"nll_nats": float(v)} for v in side] for side in (base, tuned))
        found = claim(texts(60), before, after)
        assert (found.verdict, found.method) == (verdict, "unbounded")
        assert found.change == pytest.approx(float((tuned - base).mean()))
        assert found.low < found.change < found.high
        assert found.loss_limit == found.high
        assert not found.higher_is_better


def test_what_a_test_refuses_is_inconclusive_with_its_reason():
    before = [{"nll_nats": 3.0 + 0.1 * i} for i in range(12)]
    after = [{"nll_nats": 2.0 + 0.2 * i} for i in range(12)]
    found = claim(texts(12), before, after)
    assert (found.verdict, found.pvalue) == ("inconclusive", None)
    assert "too few" in found.reason


def test_an_obstacle_stops_every_claim():
    found = claim(pairs(60), shares(*[1] * 60), shares(*[1] * 60), obstacle="noisy")
    assert (found.verdict, found.pvalue, found.reason) == ("inconclusive", None, "noisy")


def test_holm_counts_every_claim_of_the_document():
    some = [unflipped(n, name=str(n)) for n in (30, 40, 60)]
    assert [c.verdict for c in some] == ["non_inferior"] * 3
    refused = claim(pairs(60), shares(*[1] * 60), shares(*[1] * 60), obstacle="noisy")
    found = adjusted_claims([*some, refused], 0.05)
    expected = holm_adjusted_pvalues(numpy.array([*(c.pvalue for c in some), 1.0]))
    assert [c.adjusted_pvalue for c in found[:3]] == expected[:3].tolist()
    assert found[3].adjusted_pvalue is None
    assert [c.adjusted_verdict for c in found] == [
        "non_inferior" if p <= 0.05 else "inconclusive" for p in expected
    ]
    assert found[0].adjusted_verdict == "inconclusive", "the correction takes something away"
    assert found[2].adjusted_verdict == "non_inferior"


def test_the_suite_is_kept_only_if_every_required_capability_is():
    kept, open_ = unflipped(60, name="kept"), unflipped(10, name="open")
    lost = claim(pairs(60, name="lost"), shares(*[1] * 60), shares(*[0] * 60))
    found = suite_claim([kept, unflipped(40, name="also")])
    assert (found.verdict, found.num_required) == ("non_inferior", 2)
    assert found.pvalue == max(kept.pvalue, unflipped(40).pvalue)
    assert suite_claim([kept, open_]).verdict == "inconclusive"
    assert suite_claim([kept, open_]).reason == "neither retained nor lost: open"
    assert suite_claim([kept, open_, lost]).verdict == "inferior"
    assert "lost beyond the margin: lost" in suite_claim([kept, open_, lost]).reason


def test_watched_capabilities_neither_pass_nor_fail_a_suite():
    watched = unflipped(60, required=False)
    lost = claim(pairs(60, required=False), shares(*[1] * 60), shares(*[0] * 60))
    assert suite_claim([watched, lost]).verdict == "inconclusive"
    assert "no capability of the suite is required" in suite_claim([watched]).reason
    assert suite_claim([unflipped(60), lost]).verdict == "non_inferior"


@pytest.mark.parametrize(
    ("capability", "alpha", "culprit"),
    [
        (pairs(2, tolerance=1.0), 0.05, "accepts every loss"),
        (pairs(2, metric="margin_nats", tolerance=10.0), 0.05, "accepts every loss"),
        (pairs(2), 0.0, "--alpha: 0.0"),
        (pairs(2), 0.6, "--alpha: 0.6"),
        (pairs(2), float("nan"), "--alpha: nan"),
        (texts(2), 1e-4, "--alpha: 0.0001 must lie between 0.0005"),
    ],
)
def test_what_could_not_be_tested_is_refused_beforehand(capability, alpha, culprit):
    with pytest.raises(ConfigError, match=culprit):
        check_claims([capability], alpha)
    check_claims([pairs(2), texts(2)], 0.05)
