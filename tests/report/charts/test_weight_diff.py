"""The charts of a diff."""

from driftline.report import to_svg
from driftline.report.charts._weight_diff import weight_diff_charts

from ..diff_sample import LAYERS, ROLES, build_diff, unmoved


def rows(chart):
    return [row for data in chart.to_dict()["datasets"].values() for row in data]


def test_every_module_and_every_layer_is_drawn():
    charts = weight_diff_charts(build_diff())
    assert list(charts) == ["modules", "layers"]
    assert len(rows(charts["modules"])) == LAYERS * len(ROLES)
    shares = {row["layer"]: row["share"] for row in rows(charts["layers"])}
    assert shares == {g.layer: g.share for g in build_diff().by_layer if g.layer is not None}
    assert all(to_svg(chart).startswith("<svg") for chart in charts.values())


def test_nothing_is_drawn_where_no_layer_moved():
    assert weight_diff_charts(unmoved()) == {}
    sample = build_diff()
    outside = tuple(g.model_copy(update={"layer": None}) for g in sample.by_module)
    assert weight_diff_charts(sample.model_copy(update={"by_module": outside})) == {}


def test_a_single_large_module_does_not_whiten_the_rest():
    sample = build_diff()
    huge = sample.by_module[0].model_copy(update={"relative_change": 100.0})
    wide = sample.model_copy(update={"by_module": (huge, *sample.by_module[1:])})
    scale = weight_diff_charts(wide)["modules"].to_dict()["encoding"]["fillOpacity"]["scale"]
    assert scale["domain"][-1] < 1
    assert scale["clamp"]
