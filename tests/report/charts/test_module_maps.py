"""The heat maps layer by role: every cell where it belongs, with its numbers."""

from xml.etree import ElementTree

import pytest

from driftline.report import render_html
from driftline.report.charts._module_maps import (
    NOISE_TITLE,
    TITLE,
    has_module_maps,
    module_maps,
)
from driftline.report.charts._palette import BLUE, VERMILION
from driftline.report.terminal import summary
from driftline.results import LayerRegion, ModuleFragility, ModuleNoise

from ..sample import IMAGE, SCRIPT

SVG = "{http://www.w3.org/2000/svg}"
ROLES = ("q", "k", "v", "o", "gate", "up", "down")


def module(name, layer, role, capability, value, low, rank=1):
    return ModuleFragility(
        module=name, layer=layer, role=role, capability=capability, sensitivity=value,
        unit="nats per unit of relative update", low=low, high=value + 1, rank=rank,
        relative_norm=0.002, num_parameters=4,
    )  # fmt: skip


def rows_of(*capabilities, num_layers=3):
    rows = []
    for sign, name in zip((1, -1), capabilities, strict=False):
        rows.append(module("model.embed_tokens", None, "embedding", name, 0.5, -1))
        for layer in range(num_layers):
            for at, role in enumerate(ROLES):
                value = sign * (layer + at + 1.0)
                path = f"model.layers.{layer}.{role}_proj"
                rows.append(module(path, layer, role, name, value, value - 0.5))
            for part in ("input_layernorm", "post_attention_layernorm"):
                path = f"model.layers.{layer}.{part}"
                rows.append(module(path, layer, "norm", name, 0.1, -1))
    return tuple(rows)


@pytest.fixture
def mapped(assessment):
    def make(*capabilities):
        return assessment.model_copy(update={"fragility": rows_of(*capabilities)})

    return make


def parsed(text):
    return ElementTree.fromstring(text)


@pytest.mark.slow
def test_whole_layers_have_no_map_by_role(assessment, mapped):
    assert not has_module_maps(assessment)
    assert has_module_maps(mapped("a"))
    assert "Layer by role" not in render_html(assessment)


def test_there_is_a_cell_a_module_and_panel_and_one_panel_of_differences(mapped):
    root = parsed(module_maps(mapped("a", "b"), label="words"))
    assert root.get("aria-label") == "words"
    panels = root.findall(f"{SVG}g")
    assert [panel.find(f"{SVG}text").text for panel in panels] == ["a", "b", TITLE]
    num_modules = 1 + 3 * 9
    for panel in panels:
        squares = list(panel.iter(f"{SVG}rect"))
        assert len(squares) == num_modules
        assert len({(s.get("x"), s.get("y")) for s in squares}) == num_modules
        assert all(square.find(f"{SVG}title").text for square in squares)


def test_one_capability_has_no_panel_of_differences(mapped):
    assert len(parsed(module_maps(mapped("a"), label="words")).findall(f"{SVG}g")) == 1


def test_a_cell_says_its_numbers(mapped):
    root = parsed(module_maps(mapped("a"), label="words"))
    told = [title.text for title in root.iter(f"{SVG}title")]
    assert (
        "layer 2 down: +9.00 nats per unit of relative update, interval [+8.50, +10.0], rank 1; "
        "moved by 0.2%: change -0.0180"
    ) in told
    assert any(text.startswith("layer 0 post_attention_layernorm: +0.100") for text in told)
    assert any(text.startswith("embedding: +0.500") for text in told)


def test_cells_stand_by_layer_and_role(mapped):
    root = parsed(module_maps(mapped("a"), label="words"))
    at = {}
    for square in root.iter(f"{SVG}rect"):
        label = square.find(f"{SVG}title").text.partition(":")[0]
        at[label] = (float(square.get("x")), float(square.get("y")))
    assert at["layer 0 q"][0] == at["layer 2 q"][0] < at["layer 0 k"][0]
    assert at["layer 1 q"][1] == at["layer 1 down"][1]
    assert at["layer 0 q"][1] < at["layer 1 q"][1] < at["layer 2 q"][1]


def test_a_loss_and_a_gain_have_different_colours_and_an_unsure_cell_is_smaller(mapped):
    root = parsed(module_maps(mapped("a", "b"), label="words"))
    first, second, _ = root.findall(f"{SVG}g")

    def cell(panel, label):
        for group in panel.findall(f"{SVG}g"):
            for square in group.findall(f"{SVG}rect"):
                if square.find(f"{SVG}title").text.startswith(label):
                    return group.get("fill"), square
        raise AssertionError(label)

    assert cell(first, "layer 2 down")[0] == VERMILION
    assert cell(second, "layer 2 down")[0] == BLUE
    sure, unsure = cell(first, "layer 0 q")[1], cell(first, "layer 0 input_layernorm")[1]
    assert float(unsure.get("height")) < float(sure.get("height"))


def test_a_larger_effect_has_more_colour(mapped):
    root = parsed(module_maps(mapped("a", "b"), label="words"))
    shares = [float(square.get("fill-opacity")) for square in root.iter(f"{SVG}rect")]
    assert max(shares) == 1.0
    assert min(shares) < 0.5
    assert all(0 <= share <= 1 for share in shares)


def test_hostile_names_stay_words(mapped):
    svg = module_maps(mapped(SCRIPT, IMAGE), label=IMAGE)
    assert "<script" not in svg
    assert "<img" not in svg
    tags = {element.tag.removeprefix(SVG) for element in parsed(svg).iter()}
    assert tags == {"svg", "g", "rect", "title", "text"}


@pytest.mark.slow
def test_the_page_shows_the_map_and_the_regions(mapped):
    regions = tuple(
        LayerRegion(
            capability="a", layer=layer, width=64, participation_ratio=3.2, dimension=4,
            own_share=0.8, data_share=share, random_share=4 / 64,
        )
        for layer, share in ((0, 0.1), (1, 0.5), (2, None))
    )  # fmt: skip
    html = render_html(mapped("a", "b").model_copy(update={"regions": regions}))
    assert "Layer by role" in html
    assert html.count("<svg") == 14
    assert "Directions of the hidden states" in html
    start = html.index("Directions of the hidden states")
    assert "4 of 64" in html[start:]
    assert "6.2%" in html[start:]
    assert render_html(mapped("a", "b").model_copy(update={"regions": regions})) == html


def noisy(assessment, *, low=1e-4):
    """With a noise for every module; v costs most by far, for its few parameters."""
    rows = {f.module: f for f in assessment.fragility}.values()
    noise = tuple(
        ModuleNoise(
            module=f.module, layer=f.layer, role=f.role, num_parameters=4,
            root_mean_square_change=1e-3, expected_kl_nats=0.01 if f.role == "v" else 1e-4,
            low=low, high=0.02,
        )
        for f in rows
    )  # fmt: skip
    return assessment.model_copy(update={"noise": noise})


def test_moving_at_all_has_a_panel_of_its_own(mapped):
    root = parsed(module_maps(noisy(mapped("a", "b")), label="words"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert NOISE_TITLE in texts
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert sum("if its 4 weights moved at random" in title for title in titles) == len(
        {f.module for f in mapped("a").fragility}
    )
    fullest = {
        square.get("fill-opacity")
        for square in root.iter(f"{SVG}rect")
        if "0.0100 nats per token of KL" in square.find(f"{SVG}title").text
    }
    assert fullest == {"1"}


@pytest.mark.slow
def test_what_to_protect_is_said_and_named(mapped):
    made = mapped("a")
    chosen = ("model.layers.0.v_proj", "model.layers.1.v_proj", "model.layers.2.o_proj")
    page = render_html(made.model_copy(update={"protect": chosen}))
    assert "2 of 3 v, 1 of 3 o" in page
    assert all(f"<code>{name}</code>" in page for name in chosen)
    assert "What to protect first" not in render_html(made)


@pytest.mark.slow
def test_a_hostile_module_is_escaped_where_it_is_protected(mapped):
    made = mapped("a")
    hostile = made.fragility[1].model_copy(update={"module": SCRIPT, "role": SCRIPT})
    made = made.model_copy(update={"fragility": (*made.fragility, hostile), "protect": (SCRIPT,)})
    assert SCRIPT not in render_html(made)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "up to a quarter of the parameters inside layers that could be mapped"),
        ({"protect_share": 0.104, "unmapped_share": 0.0}, "10% of the parameters inside layers"),
        (
            {
                "protect_share": 0.25,
                "unmapped_share": 0.62,
                "unmapped": ("model.layers.0.mlp.experts.down_proj",),
            },
            "25% of the parameters inside layers; 62% move and could not be mapped, no expert was looked at",
        ),
        (
            {"protect_share": 0.25, "unmapped_share": 0.1, "unmapped": ("model.layers.0.q_proj",)},
            "25% of the parameters inside layers; 10% move and could not be mapped",
        ),
    ],
)
def test_the_share_to_protect_is_said_with_what_could_not_be_mapped(mapped, fields, words):
    made = mapped("a").model_copy(update={"protect": ("model.layers.0.v_proj",), **fields})
    assert f"({words}) is what the map says" in render_html(made)
    assert f"Protect first ({words}): 1 of 3 v" in " ".join(summary(made).split())


@pytest.mark.slow
def test_a_failed_map_is_said_where_the_map_would_be(assessment):
    failed = {"fragility": (), "map_failure": f"model.layers.0: failed {SCRIPT}"}
    made = assessment.model_copy(update=failed)
    page = render_html(made)
    assert "The map failed: model.layers.0: failed" in page
    assert SCRIPT not in page
    assert "The fragility map was" not in page


@pytest.mark.slow
def test_one_role_may_stand_inside_layers_and_outside(mapped):
    """Cohere and Mamba have one norm a layer, and a last one."""
    made = mapped("a", "b")
    kept = [row for row in made.fragility if "post_attention" not in row.module]
    last = [module("model.norm", None, "norm", name, 0.3, -1) for name in ("a", "b")]
    noise = tuple(
        ModuleNoise(
            module=row.module, layer=row.layer, role=row.role, num_parameters=4,
            root_mean_square_change=0.1, expected_kl_nats=0.01, low=0.0, high=0.02,
        )
        for row in (*kept, *last) if row.capability == "a"
    )  # fmt: skip
    made = made.model_copy(update={"fragility": (*kept, *last), "noise": noise})
    root = parsed(module_maps(made, label="x"))
    titles = [square.find(f"{SVG}title").text for square in root.iter(f"{SVG}rect")]
    num_modules = len({row.module for row in made.fragility})
    # A panel a capability, one for how they differ, one for the noise.
    assert len(titles) == 4 * num_modules
    assert "Layer by role" in render_html(made)
