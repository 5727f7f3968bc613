import math
import xml.etree.ElementTree as ElementTree

import altair as alt
import pytest

from driftline.report import figures, to_png, to_svg
from driftline.report.charts._drawing import change_axis, data, styled

from ..sample import IMAGE, SCRIPT, build

SVG = "{http://www.w3.org/2000/svg}"
NAMES = [
    "decision", "forecast", "fragility", "belief_space", "used_margin", "envelope", "path_curves",
    "radius_curves",
]  # fmt: skip


def words(svg):
    return {element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")}


def values(chart):
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def test_a_chart_for_each_part(charts):
    assert list(charts) == NAMES


@pytest.mark.parametrize(
    ("empty", "missing"),
    [
        ("forecast", {"forecast", "decision"}),
        ("fragility", {"fragility"}),
        ("margins", {"used_margin", "path_curves", "radius_curves"}),
    ],
)
def test_no_chart_for_a_part_that_was_not_computed(assessment, empty, missing):
    found = figures(assessment.model_copy(update={empty: ()}))
    assert set(NAMES) - set(found) == missing


def test_no_envelope_without_a_contour(assessment):
    envelope = assessment.envelope.model_copy(
        update={"contours": tuple(c for c in assessment.envelope.contours if not c.is_reached)}
    )
    for left in (None, envelope):
        assert "envelope" not in figures(assessment.model_copy(update={"envelope": left}))


def test_the_envelope_shows_the_plan_and_the_tightest_required_contours(assessment, charts):
    rows = values(charts["envelope"])
    assert {"steps": 60, "rate": 2e-4} in [{k: r.get(k) for k in ("steps", "rate")} for r in rows]
    shown = {row["capability"] for row in rows if "capability" in row}
    tightest = assessment.envelope.contours[0].capability
    assert tightest in shown
    assert len(shown) <= 6
    # The region of safety ends where the first required capability's range begins.
    edge = {row["steps"]: row["rate"] for row in rows if "from" in row}
    assert edge
    required = [c for c in assessment.envelope.contours if c.required]
    for steps, rate in edge.items():
        assert rate == min(p.low for c in required for p in c.points if p.steps == steps)


def test_what_no_loss_is_predicted_for_is_not_safe_above_the_planned_rate(assessment):
    (contour, *_) = assessment.envelope.contours
    points = tuple(p.model_copy(update={"low": None}) for p in contour.points)
    open_ = contour.model_copy(update={"points": points, "required": True})
    envelope = assessment.envelope.model_copy(update={"contours": (open_,)})
    rows = values(figures(assessment.model_copy(update={"envelope": envelope}))["envelope"])
    assert {row["rate"] for row in rows if "from" in row} == {2e-4}


@pytest.mark.parametrize("name", NAMES)
def test_every_chart_becomes_svg_and_png(charts, name):
    chart = charts[name]
    svg = to_svg(chart)
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    assert "NaN" not in svg
    assert "Infinity" not in svg
    png = to_png(chart)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert svg == to_svg(chart)


def test_a_loss_is_a_fall_whichever_way_the_metric_points(assessment, charts):
    rows = {row["label"]: row for row in values(charts["forecast"]) if "change" in row}
    higher = next(f for f in assessment.forecast if f.capability == "world_facts")
    lower = next(f for f in assessment.forecast if f.capability == "french")
    assert rows["world_facts"]["change"] == higher.predicted_change < 0
    assert (rows["world_facts"]["low"], rows["world_facts"]["high"]) == (higher.low, higher.high)
    assert rows["world_facts"]["accepted"] == -higher.tolerance
    assert rows["french"]["change"] == -lower.predicted_change < 0
    assert rows["instruction_format (watched)"]["change"] > 0


def test_the_forecast_chart_says_its_unit_and_every_capability(assessment, charts):
    shown = words(to_svg(charts["forecast"]))
    assert "predicted change, nats" in shown
    for f in assessment.forecast:
        assert f.capability + ("" if f.required else " (watched)") in shown


def test_capabilities_of_another_unit_get_a_chart_of_their_own(assessment):
    first, *rest = assessment.forecast
    other = first.model_copy(update={"unit": "fraction", "metric": "accuracy"})
    mixed = assessment.model_copy(update={"forecast": (other, *rest)})
    assert [n for n in figures(mixed) if n.startswith("forecast")] == [
        "forecast_fraction",
        "forecast_nats",
    ]
    assert first.capability not in words(to_svg(figures(mixed)["forecast_nats"]))


def test_an_undefined_margin_is_a_dash_with_its_reason_and_has_no_bar(assessment, charts):
    chart = charts["used_margin"]
    row = next(row for row in values(chart) if row.get("label") == "english_text")
    assert row["note"].startswith("– the tolerance is not reached")
    assert "low" not in row
    assert any(word and word.startswith("– ") for word in words(to_svg(chart)))
    undefined = [m.model_copy(update={"used_fraction": None}) for m in assessment.margins]
    assert "used_margin" not in figures(assessment.model_copy(update={"margins": tuple(undefined)}))


def test_layers_are_named_by_number_and_the_rest_by_role(charts):
    shown = words(to_svg(charts["fragility"]))
    assert {"embedding", "layer 0", "layer 29"} <= shown
    assert "model.layers.0" not in shown


def test_a_large_map_shows_the_most_fragile_modules_only(assessment):
    template = assessment.fragility[0]
    rows = tuple(
        template.model_copy(
            update={"module": f"layers.{i}.mlp", "layer": i, "role": "mlp", "rank": i + 1}
        )
        for i in range(100)
    )
    shown = words(to_svg(figures(assessment.model_copy(update={"fragility": rows}))["fragility"]))
    assert "layer 0 mlp" in shown
    assert "layer 31 mlp" in shown
    assert "layer 32 mlp" not in shown


def test_hostile_names_stay_words():
    charts = figures(build({"world_facts": SCRIPT, "french": IMAGE}))
    # It names roads, which no user names.
    del charts["belief_space"], charts["decision"], charts["envelope"]
    for chart in charts.values():
        svg = to_svg(chart, label=IMAGE)
        root = ElementTree.fromstring(svg)
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert not tags & {"script", "img", "image", "a", "foreignObject", "style", "use"}
        assert "<script" not in svg
        assert "<img" not in svg
        assert SCRIPT in words(svg)
        assert IMAGE in words(svg)
        assert root.get("aria-label") == IMAGE
        assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)


def test_control_characters_in_a_name_cannot_break_the_drawing():
    named = build({"world_facts": "world\x00\x1b[31m\nfacts"})
    assert "world\ufffd\ufffd[31m\ufffdfacts" in words(to_svg(figures(named)["forecast"]))


def test_ids_begin_with_the_prefix_and_every_reference_is_kept(charts):
    svg = to_svg(charts["envelope"], prefix="mine")
    root = ElementTree.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(name.startswith("mine-") for name in ids)
    referred = {part.split(")")[0] for part in svg.split("url(#")[1:]}
    assert referred <= set(ids)


def test_a_chart_that_holds_more_than_shapes_and_words_is_refused():
    picture = alt.Chart(data([{"url": "x.png"}])).mark_image().encode(url="url:N")
    with pytest.raises(ValueError, match="image"):
        to_svg(styled(picture))


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 3.0])
@pytest.mark.parametrize("losses", [(), (0.0,), (-0.2, 0.4), (8.0,), (-30.0, 400.0)])
def test_the_axis_shows_zero_the_tolerance_and_everything(losses, tolerance):
    scale, ticks = change_axis(losses, tolerance)
    low, high = scale.domain
    assert low < high
    assert all(low <= value <= high for value in (0.0, -tolerance, *losses))
    if ticks is not None:
        assert ticks == sorted(set(ticks))
        assert all(math.isfinite(tick) for tick in ticks)
        assert 0.0 in ticks


def test_a_collapse_and_a_tolerance_can_both_be_read(assessment):
    first, *rest = assessment.forecast
    fallen = {"predicted_change": -6.0, "low": -7.0, "high": -5.0, "verdict": "lost"}
    collapsed = assessment.model_copy(update={"forecast": (first.model_copy(update=fallen), *rest)})
    shown = words(to_svg(figures(collapsed)["forecast"]))
    assert {"0", "−0.1", "−1"} <= shown


def test_odd_margins_are_drawn(assessment):
    path = next(m for m in assessment.margins if m.kind == "path")
    radius = next(m for m in assessment.margins if m.kind == "radius")
    odd = (
        path.model_copy(update={"curve": (), "tolerance": 0.0, "low": 0.0, "high": None}),
        path.model_copy(update={"curve": path.curve[:1], "low": None, "high": None}),
        radius.model_copy(update={"curve": radius.curve[:1], "tolerance": 0.0}),
    )
    for chart in figures(assessment.model_copy(update={"margins": odd})).values():
        assert "NaN" not in to_svg(chart)


def test_the_belief_space_has_six_panels_a_road_with_a_line_a_layer(assessment, charts):
    space = assessment.belief_space
    panels = charts["belief_space"].to_dict()["concat"]
    assert len(panels) == 6 * len(space.curves)
    noise = space.curves[1]
    datasets = charts["belief_space"].to_dict()["datasets"].values()
    layered = [rows for rows in datasets if rows and "depth" in rows[0]]
    assert len(layered) == 4 * len(space.curves)
    by_length = sorted(len(rows) for rows in layered)
    # Every layer from the base on; the layer without angles shows as none, not as 0.
    num_layers = len(noise.layers)
    assert by_length[-1] == num_layers * (1 + len(noise.scales))
    cka = layered[4]
    for depth, layer in enumerate(noise.layers):
        line = [(row["x"], row["y"]) for row in cka if row["depth"] == depth]
        assert line == [(0.0, 1.0), *zip(noise.scales, layer.cka, strict=True)]
    angles = layered[6]
    assert [row["x"] for row in angles if row["depth"] == 4] == [0.0]
    ratios = layered[5]
    last = [row["y"] for row in ratios if row["depth"] == num_layers - 1]
    base = space.base[-1].effective_rank
    assert last == pytest.approx([1.0, *(rank / base for rank in noise.layers[-1].effective_rank)])


def test_no_belief_space_no_chart(assessment):
    assert "belief_space" not in figures(assessment.model_copy(update={"belief_space": None}))
