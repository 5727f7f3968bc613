"""The parts that a repair scales, and how they are grouped."""

import pytest

from driftline.analyses.search._cells import depths, list_cells, segments, weight_scales


@pytest.fixture
def weights(opened):
    return opened.weights


@pytest.fixture
def cells(weights):
    return list_cells(weights, {w.name for w in weights if w.is_matrix})


def test_every_weight_lies_in_one_cell(weights, cells):
    named = [name for cell in cells for name in cell.weights]
    assert sorted(named) == sorted(w.name for w in weights)
    assert [cell.name for cell in cells] == [
        "embedding",
        "layer 0 MLP",
        "layer 0 attention",
        "layer 1 MLP",
        "layer 1 attention",
        "head and final norm",
    ]
    by_name = {cell.name: cell.weights for cell in cells}
    assert "model.layers.1.input_layernorm.weight" in by_name["layer 1 attention"]
    assert "model.layers.1.post_attention_layernorm.weight" in by_name["layer 1 MLP"]


def test_cells_whose_matrices_stay_are_left_out(weights):
    moved = {"model.layers.1.self_attn.q_proj.weight"}
    (cell,) = list_cells(weights, moved)
    assert cell.name == "layer 1 attention"


def test_segments_hold_every_cell_once(cells):
    for num in (1, 2, 9):
        for by_part in (True, False):
            found = segments(cells, num, by_part=by_part)
            assert sorted(c.name for own in found.values() for c in own) == sorted(
                c.name for c in cells
            )
    assert list(segments(cells, 1)) == [
        "embedding",
        "layers 0-1 MLP",
        "layers 0-1 attention",
        "head and final norm",
    ]
    assert "layer 1 MLP" in segments(cells, 9)


def test_depth_runs_from_the_embedding_to_the_head(cells):
    assert depths(cells) == {
        "embedding": 0.0,
        "layer 0 MLP": 0.0,
        "layer 0 attention": 0.0,
        "layer 1 MLP": 1.0,
        "layer 1 attention": 1.0,
        "head and final norm": 1.0,
    }


def test_weights_outside_the_cells_stay_with_the_update_unless_all_goes(weights):
    names = [w.name for w in weights]
    cells = list_cells(weights, {"model.layers.1.self_attn.q_proj.weight"})
    half = weight_scales(cells, {"layer 1 attention": 0.5}, names)
    assert half["model.layers.1.self_attn.q_proj.weight"] == 0.5
    assert half["model.norm.weight"] == 1.0
    assert set(weight_scales(cells, {"layer 1 attention": 0.0}, names).values()) == {0.0}
