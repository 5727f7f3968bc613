"""The headline, orders and cells of a diff."""

import pytest

from driftline.results import LonePart
from driftline.results.readings._weight_diff import (
    cost_line,
    count_lines,
    gaps,
    most_of,
    movers,
    rank_cells,
    spans,
    weight_diff_headline,
)

from ...report.diff_sample import REASON, build_diff, unmoved


def test_the_headline_says_where_the_update_went():
    found = weight_diff_headline(build_diff().model_copy(update={"not_finite": ()}))
    assert found == (
        "MOVED: relative change 1.2%, 2 of 2 weights; most of the squared change is in gate, up; "
        "within the layers, most is in layers 3-4, 9 of 30"
    )


def test_the_headline_tells_what_is_broken_first():
    assert weight_diff_headline(build_diff()).startswith(
        "BROKEN: 1 weight holds NaN or infinity (model.broken); MOVED: "
    )


def test_the_headline_of_no_movement():
    adapter = unmoved()
    assert weight_diff_headline(adapter) == "UNCHANGED: the adapter changes none of 2 weights"
    same = unmoved("model")
    assert weight_diff_headline(same) == "IDENTICAL: all 2 weights are equal"
    cast = same.model_copy(update={"num_rounded_copies": 2})
    assert weight_diff_headline(cast) == (
        "UNCHANGED: all 2 weights are equal, but for the rounding of 2 to another dtype"
    )


def test_the_headline_never_calls_two_models_equal_that_differ_beside_the_weights():
    one = unmoved("model").model_copy(update={"changed_beside": ("visual.a",)})
    assert weight_diff_headline(one) == (
        "MOVED: 1 tensor that is no weight of the model's class differs (visual.a); all 2 weights are "
        "equal"
    )
    many = build_diff().model_copy(update={"changed_beside": tuple("abcdef"), "not_finite": ()})
    told = weight_diff_headline(many)
    assert told.startswith("MOVED: relative change 1.2%")
    assert told.endswith(
        "; 6 tensors that are no weights of the model's class differ (a, b, c, d and 2 more)"
    )
    assert "different, but no weights of the model's class: a, b, c, d and 2 more" in count_lines(
        many
    )


LONE = {"is_missing": False, "num_weights": 3, "num_parameters": 10}


@pytest.mark.parametrize("still", [True, False])
def test_weights_without_a_partner_lead(still):
    parts = (
        LonePart(side="base", name="model.vision_tower", share=0.25, **LONE),
        LonePart(side="tuned", name="score", share=0.5, **LONE),
    )
    update = {
        "lone_parts": parts,
        "only_in_base": ("model.vision_tower.a", "model.vision_tower.b", "lm_head.weight"),
        "only_in_tuned": ("score.weight",),
        "missing_in_tuned": ("lm_head.weight",),
        "not_finite": (),
    }
    told = weight_diff_headline(
        (unmoved("model") if still else build_diff()).model_copy(update=update)
    )
    assert told.startswith(
        "INCOMPLETE: 2 weights of the base, 25% of its parameters, have no partner "
        "(model.vision_tower); 1 weights that the config of the tuned model asks for are missing in "
        "its files (lm_head.weight); 1 weights of the tuned model, 50% of its parameters, have no "
        "partner (score); "
    )
    assert ("the other 2 weights are equal" in told) == still
    assert "UNCHANGED" not in told
    assert "IDENTICAL" not in told


def test_the_headline_of_mere_rounding():
    sample = build_diff()
    noise = tuple(c.model_copy(update={"at_rounding": True}) for c in sample.changes)
    quiet = sample.model_copy(update={"changes": noise, "not_finite": ()})
    assert weight_diff_headline(quiet).startswith("AT ROUNDING: relative change")


def test_most_is_the_fewest_groups_that_hold_half():
    sample = build_diff()
    assert [g.role for g in most_of(sample.by_role)] == ["gate", "up"]
    assert [g.layer for g in most_of(sample.by_layer)] == [3, 4, 9]
    assert most_of(unmoved().by_role) == []
    assert most_of(()) == []


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([4], "4"), ([0, 1, 2], "0-2"), ([1, 3, 4, 8], "1, 3-4, 8")]
)
def test_neighbours_are_joined(numbers, text):
    assert spans(numbers) == text


def test_movers_are_the_farthest_first_and_from_zero_before_all():
    sample = build_diff()
    from_zero = sample.changes[5].model_copy(update={"relative_change": None})
    found = movers(sample.model_copy(update={"changes": (*sample.changes, from_zero)}))
    assert found[0] is from_zero
    relative = [c.relative_change for c in found[1:]]
    assert relative == sorted(relative, reverse=True)


def test_cells_mark_what_is_estimated_and_what_is_missing():
    exact, estimated, vector = build_diff().changes[:3]
    assert rank_cells(exact) == ("12.5", "3.25", "7", "2")
    assert rank_cells(estimated) == ("–", "~3.25", "~7", "–")
    assert rank_cells(vector) == ("–",) * 4


def test_each_gap_is_told_once_with_its_count():
    assert gaps(build_diff()) == [f"{REASON} (30 weights)", "not a matrix (30 weights)"]


def test_what_else_was_found():
    assert count_lines(build_diff()) == [
        "only in the base: rotary",
        "tied to the embedding, counted there: lm_head.weight",
    ]
    many = unmoved().model_copy(update={"only_in_tuned": tuple("abcdef"), "num_rounded_copies": 1})
    assert count_lines(many)[0] == "unchanged: 2 of 2 weights (1 of them rounded to another dtype)"
    assert "only in the tuned model: a, b, c, d and 2 more" in count_lines(many)
    assert cost_line(build_diff()) == "2.00 GB of weights, 12.3 s"
