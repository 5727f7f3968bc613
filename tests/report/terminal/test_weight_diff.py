"""A diff in words."""

import pytest

from driftline.report.terminal import weight_diff_summary

from ..diff_sample import LAYERS, build_diff, unmoved


def test_it_says_where_the_update_went_first():
    text = weight_diff_summary(build_diff())
    assert text.startswith("BROKEN: 1 weight holds NaN")
    assert text.endswith("[2] Another.\n")
    for part in ("By role", "gate", "By layer: the 8 with the largest shares of 30", "~3.25"):
        assert part in text
    assert f"Moved farthest, 8 of {3 * LAYERS}" in text
    assert "model.layers.29.mlp.gate_proj.weight" in text
    assert "(rounding)" not in text


def test_layers_come_in_their_own_order():
    lines = weight_diff_summary(build_diff()).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("By layer")) + 2
    layers = [int(line.split()[0]) for line in lines[start : start + 8]]
    assert layers == sorted(layers)
    assert {3, 4, 9} <= set(layers)


def test_nothing_moved_is_short():
    text = weight_diff_summary(unmoved())
    assert text.startswith("UNCHANGED: the adapter changes none of 2 weights")
    assert "By role" not in text
    assert "Cost: 2.00 GB" in text


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "\n[9] forged", "\x07"])
def test_names_cannot_steer_a_terminal(hostile):
    text = weight_diff_summary(build_diff(hostile))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert not any(line.startswith("[9]") for line in text.splitlines())
