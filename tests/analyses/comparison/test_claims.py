"""Claims about capabilities, from the scores of both models alone."""

from dataclasses import replace

import numpy
import pytest

from driftline.analyses.comparison._claims import (
    adjusted_claims,
    capability_claim,
    check_claims,
    identical_claim,
    suite_claim,
)
from driftline.analyses.comparison._paired import Paired, Sample
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


@pytest.mark.parametrize("metric", ["accuracy", "margin_nats"])
@pytest.mark.parametrize(("num", "right"), [(200, 104), (200, 100), (200, 90), (60, 36), (20, 13)])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_base_that_is_not_shown_to_be_above_chance_has_nothing_to_retain(
    metric, num, right, shift
):
    """However large its mean margin, and however little changes."""
    scores = [
        {"accuracy": float(i < right), "margin_nats": 4.0 if i < right else -0.1}
        for i in range(num)
    ]
    tuned = [{**s, "margin_nats": s["margin_nats"] + shift} for s in scores]
    found = claim(pairs(num, metric=metric, tolerance=0.5), scores, tuned)
    assert (found.verdict, found.pvalue, found.low) == ("inconclusive", None, None)
    assert f"the base answers {right} of {num} items right" in found.reason
    assert "ask items that the base can answer, or more of them" in found.reason


def test_more_items_show_that_the_same_base_is_above_chance():
    for num, verdict in ((100, "inconclusive"), (4000, "non_inferior")):
        scores = [
            {"accuracy": float(i % 100 < 56), "margin_nats": 1.0 if i % 100 < 56 else -1.0}
            for i in range(num)
        ]
        assert (
            claim(pairs(num, metric="margin_nats", tolerance=1.0), scores, scores).verdict
            == verdict
        )


def _drawn(generator, mean, num):
    margins = generator.normal(mean, 0.8, num)
    return [{"accuracy": float(m > 0), "margin_nats": float(m)} for m in margins]


@pytest.mark.parametrize(
    ("mean", "tolerance", "grouped"), [(0.4, 0.6, False), (0.25, 0.5, False), (0.3, 2.0, True)]
)
def test_a_tuned_model_that_guesses_passes_at_most_as_often_as_alpha_says(mean, tolerance, grouped):
    """Its mean is within the margin, because the margin reaches down to guessing."""
    capability = pairs(
        300,
        metric="margin_nats",
        tolerance=tolerance,
        group=lambda i: f"g{i // 3}" if grouped else None,
    )
    generator, passed = numpy.random.default_rng(3), 0
    for _ in range(20):
        found = claim(capability, _drawn(generator, mean, 300), _drawn(generator, 0.0, 300))
        passed += found.verdict == "non_inferior"
    # The claim about the mean is true, so that only the test of the tuned model holds these back.
    assert passed <= 4
    above = claim(capability, _drawn(generator, mean, 300), _drawn(generator, 0.9, 300))
    assert above.verdict == "non_inferior"


@pytest.mark.parametrize("sequential", [False, True])
def test_a_margin_that_accepts_a_model_which_guesses_is_no_pass(sequential):
    base = [{"accuracy": 1.0, "margin_nats": 0.3}] * 400
    tuned = [{"accuracy": float(i % 2), "margin_nats": 0.2 - 0.3 * (1 - i % 2)} for i in range(400)]
    sample = Sample(400, 400, 1, 1) if sequential else None
    capability = pairs(400, metric="margin_nats", tolerance=1.0)
    found = capability_claim(Paired(capability, base, tuned, sample), alpha=0.05, seed=0)
    assert (found.verdict, found.low, found.pvalue, found.loss_limit) == (
        "inconclusive", None, None, None,
    )  # fmt: skip
    assert "the tuned model answers 200 of 400 items right" in found.reason
    assert "would accept a model that guesses" in found.reason
    lost = capability_claim(
        Paired(capability, base, [{"accuracy": 0.0, "margin_nats": -4.0}] * 400, sample),
        alpha=0.05,
        seed=0,
    )
    assert lost.verdict == "inferior"


def test_a_base_in_groups_is_judged_by_its_groups():
    """Twelve sources of ten items each, of which eight are right: no evidence by source."""
    scores = shares(*[float(i // 10 < 8) for i in range(120)])
    alone = claim(pairs(120, tolerance=0.09), scores, scores)
    grouped = claim(pairs(120, tolerance=0.09, group=lambda i: f"g{i // 10}"), scores, scores)
    assert "to be above chance" not in (alone.reason or "")
    assert "not shown to be above chance" in grouped.reason


def test_a_margin_that_accepts_a_fall_to_guessing_claims_nothing():
    scores = shares(*[1] * 650, *[0] * 350)
    found = claim(pairs(1000, tolerance=0.16), scores, scores)
    assert found.verdict == "inconclusive"
    assert "to the 50.0% of guessing" in found.reason


@pytest.mark.parametrize("declared", [None, 3, 9])
def test_groups_of_unequal_size_are_judged_only_with_a_declared_largest_one(declared):
    capability = pairs(
        600, tolerance=0.3, group=lambda i: f"g{i // 3 if i < 597 else i}", max_group_size=declared
    )
    scores = shares(*[1] * 600)
    kept = claim(capability, scores, scores)
    lost = claim(capability, scores, shares(*[0] * 600))
    assert kept.method == "bounded"
    assert kept.max_group_size == declared
    if declared:
        assert (kept.verdict, kept.reason, lost.verdict) == ("non_inferior", None, "inferior")
        return
    assert (lost.verdict, lost.loss_limit) == ("inconclusive", None)
    assert (kept.verdict, kept.low, kept.pvalue, kept.loss_limit) == (
        "inconclusive", None, None, None,
    )  # fmt: skip
    assert "declare max_group_size" in kept.reason
    assert (lost.low, lost.pvalue) == (None, None)


def test_groups_that_may_be_large_are_no_flips():
    capability = pairs(80, max_group_size=4)
    assert Paired(capability, [], []).method == "bounded"


@pytest.mark.parametrize("num", [50, 500, 5000])
def test_likelihoods_without_a_range_are_never_kept(num):
    values = [2.0 + 0.01 * (i % 9) for i in range(num)]
    before = [{"nll_nats": v} for v in values]
    after = [{"nll_nats": v - 0.5 + 0.01 * (i % 2)} for i, v in enumerate(values)]
    found = claim(texts(num), before, after)
    assert (found.verdict, found.pvalue, found.loss_limit) == ("inconclusive", None, None)
    assert "declare range" in found.reason


@pytest.mark.parametrize(("num", "verdict"), [(50, "inconclusive"), (1000, "non_inferior")])
def test_likelihoods_with_a_range_are_bounded(num, verdict):
    capability = replace(texts(num), score_range=(0.0, 12.0))
    before = [{"nll_nats": 2.0 + 0.01 * (i % 9)} for i in range(num)]
    after = [{"nll_nats": s["nll_nats"] - 0.02} for s in before]
    found = claim(capability, before, after)
    assert (found.verdict, found.method) == (verdict, "bounded")
    assert found.score_range == (0.0, 12.0)
    assert found.low < found.change < found.high == found.loss_limit


@pytest.mark.parametrize(("side", "value"), [("base", 12.5), ("tuned model", 99.0), ("base", -0.1)])
def test_a_score_outside_of_the_declared_range_is_named(side, value):
    capability = replace(texts(60), score_range=(0.0, 12.0))
    plain = [{"nll_nats": 2.0}] * 60
    outside = [*plain[:7], {"nll_nats": value}, *plain[8:]]
    sides = (outside, plain) if side == "base" else (plain, outside)
    found = claim(capability, *sides)
    assert (found.verdict, found.low) == ("inconclusive", None)
    assert f"item 7 scores {value:g} nats per token at the {side}" in found.reason


@pytest.mark.parametrize("num", [2, 40])
@pytest.mark.parametrize("metric", ["accuracy", "margin_nats", "nll_nats"])
def test_identical_weights_keep_everything_without_a_test(metric, num):
    """Also where the base guesses, nothing spreads, and there are two items."""
    if metric == "nll_nats":
        capability, scores = texts(num), [{"nll_nats": 3.0}] * num
    else:
        capability, scores = pairs(num, metric=metric), shares(*[1, 0] * (num // 2))
    (found,) = adjusted_claims([identical_claim(Paired(capability, scores, scores))], 0.05)
    assert (found.verdict, found.adjusted_verdict) == ("non_inferior", "non_inferior")
    assert (found.change, found.low, found.high, found.pvalue) == (0.0, 0.0, 0.0, 0.0)
    assert (found.basis, found.reason) == ("identical", None)
    assert suite_claim([found]).verdict == "non_inferior"


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
    for shift, verdict in ((-0.2, "inconclusive"), (0.4, "inferior")):
        tuned = base + shift + draws.normal(0, 0.1, 60)
        before, after = ([{"nll_nats": float(v)} for v in side] for side in (base, tuned))
        found = claim(texts(60), before, after)
        assert (found.verdict, found.method) == (verdict, "unbounded")
        assert found.change == pytest.approx(float((tuned - base).mean()))
        assert found.low < found.change
        assert (found.loss_limit, found.high) == (None, None)
        assert not found.higher_is_better


def test_what_a_test_refuses_is_inconclusive_with_its_reason():
    before = [{"nll_nats": 3.0 + 0.1 * i} for i in range(12)]
    after = [{"nll_nats": 2.0 + 0.2 * i} for i in range(12)]
    found = claim(texts(12), before, after)
    assert (found.verdict, found.pvalue) == ("inconclusive", None)
    assert "nll_nats has no bounds" in found.reason


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
        (pairs(2), float("inf"), "--alpha: inf"),
        (pairs(2), 1e-300, "--alpha: 1e-300"),
        (replace(texts(2, tolerance=12.0), score_range=(0.0, 12.0)), 0.05, "accepts every loss"),
        (texts(2), 1e-4, "--alpha: 0.0001 must lie between 0.0005"),
    ],
)
def test_what_could_not_be_tested_is_refused_beforehand(capability, alpha, culprit):
    with pytest.raises(ConfigError, match=culprit):
        check_claims([capability], alpha)
    check_claims([pairs(2), texts(2)], 0.05)
